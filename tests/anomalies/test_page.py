"""schemas/anomalies.md shows a finding as it is made, and the rates as they were measured."""

from pathlib import Path

from attest.anomalies.measured import RATES
from attest.compute import plausible
from attest.report.explain import explanations
from tests.anomalies.tales import anomalies, only, retold, told
from tests.check.world import TRAINING, honest

PAGE = (Path(__file__).resolve().parents[2] / "schemas" / "anomalies.md").read_text("utf-8")
ROWS = {line.split("`")[1]: line for line in PAGE.splitlines() if line.startswith("| `anomaly/")}


def test_the_finding_that_opens_the_page() -> None:
    idle = honest(()).site.trace(0)
    made = told(lambda trace: retold(trace, power_mw=idle.power_mw), (TRAINING,))
    finding = only(anomalies(made), "anomaly/power-activity")
    words = " ".join(PAGE.split())
    assert f"{finding.code} {finding.text} where statement {finding.index}, {finding.source}, " in words
    assert f" to settle {finding.settle} ```" in words


def test_every_anomaly_has_a_row_with_its_rate() -> None:
    assert ROWS.keys() == {code for code in explanations() if code.startswith("anomaly/")}
    for code, rate in RATES.items():
        assert f"| {rate.alarms} of {rate.windows:,}" in ROWS[code]
    for code in ROWS.keys() - RATES.keys():
        assert ROWS[code].endswith("| not measured |")


def test_the_limits_are_those_of_the_rules() -> None:
    limits = {
        "anomaly/power-activity": f"< {plausible.STARVED_RATIO} x cycles",
        "anomaly/energy-still": f"E < {plausible.STILL_SHARE} TDP t",
        "anomaly/mfu": f"declared > {plausible.MFU} of the peak",
        "anomaly/declared-size": f"k E < {plausible.LEAST_RATIO} declared; of training k E > {plausible.MOST_RATIO}",
        "anomaly/identical-series": f"{plausible.SERIES} values or more of a bucket are alike, {plausible.DIFFERENT} ",
        "anomaly/too-clean": f"< {plausible.CLEAN_PPM} ppm",
        "anomaly/fabric-label": f"{plausible.TRAFFIC_MIB_S // 1_024} GiB/s a device, cycles > {plausible.BUSY_SHARE} ",
        "anomaly/unexplained-energy": f"E > {plausible.OTHERS} x (boards + {plausible.HOST_SHARE} TDP t",
    }
    for code, text in limits.items():
        assert text in ROWS[code], code
