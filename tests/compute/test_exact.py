"""Integer arithmetic that rounds outwards and never wraps, against Python's own integers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attest.compute.exact import LIMIT, add, amounts, least, minus, running, scale, total
from attest.errors import EvidenceError

NATURAL = st.one_of(
    st.integers(0, 1_000), st.integers(LIMIT - 3, LIMIT + 3), st.integers(0, 1 << 63), st.integers(0, 1 << 80)
)
LISTS = st.lists(NATURAL, min_size=1, max_size=5)
FACTOR = st.one_of(st.integers(1, 1 << 12), st.integers(1, 1 << 66), st.just(10**6))


@given(LISTS, FACTOR | st.just(0), FACTOR)
def test_scale_is_exact_both_ways(values: list[int], numerator: int, denominator: int) -> None:
    down = [v * numerator // denominator for v in values]
    up = [-(-v * numerator // denominator) for v in values]
    assert scale(values, numerator, denominator, up=False).tolist() == down
    assert scale(values, numerator, denominator, up=True).tolist() == up


@given(LISTS, NATURAL)
def test_sums_and_minima_are_exact(values: list[int], other: int) -> None:
    assert add(values, other).tolist() == [v + other for v in values]
    assert minus(values, other).tolist() == [max(v - other, 0) for v in values]
    assert least(values, other).tolist() == [min(v, other) for v in values]
    assert total(values) == sum(values)
    assert running(values).tolist() == [sum(values[:i]) for i in range(len(values) + 1)]


def test_int64_where_it_fits_and_python_integers_where_not() -> None:
    """2^62 - 1 is the last that stays int64; the sum of 100,000 H100 over a day, 1.85e19 MFLOP, is exact."""
    assert amounts([LIMIT - 1]).dtype == np.int64
    assert amounts([LIMIT]).dtype == object
    assert amounts(np.array([2**64 - 1], np.uint64)).tolist() == [2**64 - 1]
    assert total(np.full(100_000, 184_982_400_000_000)) == 18_498_240_000_000_000_000


def test_small_unsigned_columns_do_not_wrap() -> None:
    """65,535 + 65,535 = 131,070, which u16 would give as 65,534."""
    column = np.array([65_535], np.uint16)
    assert add(column, column).tolist() == [131_070]
    assert scale(column, 1_000, 1, up=True).tolist() == [65_535_000]


@pytest.mark.parametrize("value", [1.0, [0.5], True, [True], np.array([1.5]), np.array([1, 1.5], object)])
def test_only_integers(value: object) -> None:
    with pytest.raises(TypeError):
        amounts(value)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [-1, [0, -5], np.array([-(2**70)], object)])
def test_nothing_negative(value: object) -> None:
    with pytest.raises(EvidenceError) as error:
        amounts(value)  # type: ignore[arg-type]
    assert error.value.code == "bounds/negative"
