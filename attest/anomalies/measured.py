"""How often each rule remarks on real machines that nobody accuses: figures, each with its source.

Measured on 2026-11-28 by `python tests/bench/anomalies.py ../shared/data`, which names every file. Where a rule was
silent in n windows, it remarks on at most 1 - 0.05^(1/n) of such windows, with 95 % confidence (Clopper and Pearson).
A rule of which no real trace can speak has no rate and says so.

    >>> print(RATES["anomaly/mfu"])
    false alarms on real traces: 0 of 61 runs and device readings, so at most 4.79 % (95 % confidence)
    >>> print(NO_RATE)
    false alarms were not measured: there is no real trace of such data

tests/anomalies/test_measured.py measures them again.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

NO_RATE: Final = "false alarms were not measured: there is no real trace of such data"


class Rate(NamedTuple):
    """A rule's alarms in so many real windows; `upper_ppm` is the 95 % limit of the share."""

    windows: int
    alarms: int
    upper_ppm: int
    what: str
    but: str = ""

    def __str__(self) -> str:
        share = f"at most {self.upper_ppm / 10_000:.2f} % (95 % confidence)"
        return f"false alarms on real traces: {self.alarms:,} of {self.windows:,} {self.what}, so {share}{self.but}"


RATES: Final[Mapping[str, Rate]] = MappingProxyType(
    {
        # Six runs of the H100 PCIe probe (known-compute/h100-pcie-probe.json), four scrapes of dcgm-exporter.
        "anomaly/power-activity": Rate(10, 0, 258_866, "device readings, which are few"),
        # Minutes of 121 metered nodes (35 B200 runs, 78 of 128 H100 series, 8 sessions of inference), 21 devices.
        "anomaly/energy-still": Rate(570, 0, 5_242, "node minutes and device readings"),
        # The 45 runs of known-compute/real-runs.csv and the six of the probe; ten readings of cycles.
        "anomaly/mfu": Rate(61, 0, 47_924, "runs and device readings"),
        # The same 51 runs, by the energy of their nodes' meters or of the device.
        "anomaly/declared-size": Rate(
            51, 0, 57_048, "runs of known size, around which the limits were drawn with a margin of 3 to 4"
        ),
        # Windows of six minutes of the 121 metered nodes; six values vary less by chance than the rule's 24 do.
        "anomaly/too-clean": Rate(55, 0, 53_012, "windows of six minutes of whole nodes, no device alone among them"),
        # Windows of 24 readings. mlperf-train-512h100-smc names 18 and 32 pairs of nodes with the same readings at
        # the same ms: one reading was recorded under two names, which is what the rule is to find, in an honest site.
        "anomaly/identical-series": Rate(
            1_424, 100, 82_388, "windows of node power",
            ": all 100 are of one real site that recorded one meter's readings under two names",
        ),
    }
)  # fmt: skip


def rate_of(code: str) -> str:
    """What is known of a rule's false alarms, in words."""
    return str(RATES[code]) if code in RATES else NO_RATE
