"""The rates of false alarms that findings state are what the real traces give."""

from pathlib import Path

import pytest

from attest.anomalies.measured import NO_RATE, RATES, rate_of
from attest.report.explain import explanations
from tests.bench.anomalies import distinct, measure, readings, traces, upper_ppm


def test_the_rates_are_those_of_the_real_traces(shared: Path) -> None:
    found = measure(shared / "data")
    assert {code: (f.windows, f.alarms, f.upper_ppm) for code, f in found.items()} == {
        code: (rate.windows, rate.alarms, rate.upper_ppm) for code, rate in RATES.items()
    }


def test_the_limits_stand_apart_from_what_was_measured(shared: Path) -> None:
    """By the margins that the page states."""
    found = measure(shared / "data")
    assert found["anomaly/power-activity"].least == pytest.approx(2.41, abs=0.005)
    assert found["anomaly/energy-still"].least == pytest.approx(0.102, abs=0.0005)
    assert found["anomaly/mfu"].most == pytest.approx(0.331, abs=0.0005)
    assert found["anomaly/declared-size"][2:] == pytest.approx((5.99, 46.5), abs=0.05)
    assert found["anomaly/too-clean"].least == 696


def test_one_real_site_recorded_single_readings_under_two_names(shared: Path) -> None:
    """50 of 128 node series of two runs; the pairs differ from run to run, and no series has three names."""
    every = [t for t in traces(shared / "data") if t.name.startswith("h100")]
    names: dict[tuple[tuple[int, ...], tuple[int, ...]], list[str]] = {}
    for trace in every:
        names.setdefault((trace.ms, trace.mw), []).append(trace.name)
    assert sorted(map(len, names.values())) == [1] * 28 + [2] * 50
    assert len(distinct(traces(shared / "data"))) == 121
    assert len(readings(shared / "data")) == 21


def test_a_silent_rule_is_as_good_as_its_windows_are_many() -> None:
    for windows in (1, 10, 51, 570):
        assert upper_ppm(windows, 0) == pytest.approx(1e6 * (1 - 0.05 ** (1 / windows)), abs=1)
    assert upper_ppm(20, 20) == 1_000_000
    assert upper_ppm(100, 3) == pytest.approx(75_700, abs=200)  # by tables of the binomial distribution


def test_a_rule_without_real_data_says_so() -> None:
    unmeasured = {code for code in explanations() if code.startswith("anomaly/")} - RATES.keys()
    assert unmeasured == {"anomaly/fabric-label", "anomaly/unexplained-energy"}
    assert {rate_of(code) for code in unmeasured} == {NO_RATE}
