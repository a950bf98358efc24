"""When a circuit counts as off. One boot takes 72 kJ, so half of it is 36 kJ; a running circuit draws 300 W."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attest.compute.accelerators import default_pin
from attest.compute.off import Off, surrounded
from attest.errors import AgreementError

HOURLY = Off(boot_mj=72_000_000, idle_mw=300_000, bucket_seconds=3_600)
H100, L4 = default_pin("NVIDIA H100 SXM5 80GB"), default_pin("NVIDIA L4")


def test_half_of_a_boot_decides() -> None:
    """9 W of standby are 32.4 kJ an hour; 10 W are 36 kJ, which is not below half of a boot."""
    assert HOURLY.buckets([32_400_000] * 3, [True] * 3, before_mj=0).tolist() == [True] * 3
    assert HOURLY.buckets([36_000_000] * 3, [True] * 3, before_mj=0).tolist() == [False] * 3


def test_a_boot_that_straddles_two_buckets_shows_in_one() -> None:
    """30 kJ in the first and 42 kJ in the second: work may begin in the second, and that is not off, nor the third,
    before which a machine ran."""
    found = HOURLY.buckets([0, 30_000_000, 42_000_000, 30_000_000, 0], [True] * 5, before_mj=0)
    assert found.tolist() == [True, True, False, False, True]


def test_the_first_bucket_needs_the_one_before() -> None:
    assert HOURLY.buckets([0, 0], [True, True]).tolist() == [False, True]
    assert HOURLY.buckets([0, 0], [True, True], before_mj=35_999_999).tolist() == [True, True]
    assert HOURLY.buckets([0, 0], [True, True], before_mj=36_000_000).tolist() == [False, True]


def test_a_gap_is_not_off_nor_is_what_comes_after_it() -> None:
    found = HOURLY.buckets([0, 0, 0, 0], [True, False, True, True], before_mj=0)
    assert found.tolist() == [True, False, False, True]


def test_meters_are_judged_each_for_itself() -> None:
    found = HOURLY.buckets([[0, 0], [0, 10**9]], [[True, True]] * 2, before_mj=0)
    assert found.tolist() == [[True, True], [True, False]]


def test_a_daily_mean_hides_a_daily_hour_of_work() -> None:
    """A node of 10 kW for one hour in 24 is 36 MJ: as hours, one stands out; a day as one bucket is never off."""
    hours = [0] * 12 + [36_000_000_000] + [0] * 11
    assert HOURLY.buckets(hours, [True] * 24, before_mj=0).tolist() == [True] * 12 + [False, False] + [True] * 10
    daily = Off(72_000_000, 300_000, 86_400)
    assert daily.buckets([sum(hours)], [True], before_mj=0).tolist() == [False]


def test_the_premise_that_an_idle_circuit_shows() -> None:
    """Half of 72 kJ is 120 s of 300 W: buckets must be longer than that."""
    with pytest.raises(AgreementError) as error:
        Off(72_000_000, 300_000, 120)
    assert error.value.code == "off/premise"
    assert Off(72_000_000, 300_000, 121)


@pytest.mark.parametrize("figures", [(0, 1, 1), (1, 0, 1), (1, 1, 0), (-1, 1, 1)])
def test_premises_are_above_zero(figures: tuple[int, int, int]) -> None:
    with pytest.raises(AgreementError):
        Off(*figures)


def test_the_least_boot_behind_a_circuit_counts() -> None:
    assert Off.of([H100, L4], 3_600) == Off(9_000_000, 30_000, 3_600)
    assert Off.of([H100], 3_600) == HOURLY


@given(
    st.integers(0, 5_000),
    st.integers(0, 5_000),
    st.integers(0, 400),
    st.lists(st.integers(0, 9), min_size=12, max_size=12),
)
def test_no_machine_that_runs_is_ever_off(start: int, extra: int, boot_seconds: int, noise: list[int]) -> None:
    """Plainly, second by second: a boot of at least 72 kJ over any time, then 300 W or more, in buckets of 1,000 s;
    whatever else the circuit draws comes on top. No bucket with a running machine counts as off."""
    rule = Off(72_000_000, 300_000, 1_000)
    seconds = 12_000
    power = [0] * seconds
    boot = boot_seconds + 1
    end = min(start + boot + extra, seconds)
    for second in range(start, min(start + boot, seconds)):
        power[second] = max(-(-72_000_000 // boot), 300_000)
    running = range(start + boot, end)
    for second in running:
        power[second] = 300_000
    buckets = [sum(power[i * 1_000 : (i + 1) * 1_000]) + noise[i] for i in range(12)]
    off = rule.buckets(buckets, [True] * 12, before_mj=0)
    assert not any(off[second // 1_000] for second in running)


@given(st.lists(st.booleans(), min_size=1, max_size=30), st.integers(0, 40))
def test_off_for_certain_is_off_as_far_around_as_the_clock_may_be_wrong(off: list[bool], pad: int) -> None:
    near = [all(0 <= i < len(off) and off[i] for i in range(at - pad, at + pad + 1)) for at in range(len(off))]
    assert surrounded(np.array(off), pad).tolist() == near
