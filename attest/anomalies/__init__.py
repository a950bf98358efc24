"""Anomalies: where numbers that were signed do not fit physics, statistics or each other (schemas/anomalies.md).

An anomaly is a remark with its measured error, and never changes an outcome.
"""

from collections.abc import Collection, Iterator
from typing import Final

from attest.anomalies.copies import copied, copied_between
from attest.anomalies.devices import in_devices
from attest.anomalies.sizes import in_sizes
from attest.anomalies.sums import in_sums
from attest.anomalies.unexplained import in_meters
from attest.evaluate import View
from attest.verdict import Finding, Status

__all__ = ["anomalies", "copied_between", "looked_for"]

_IN_SUMS: Final = (
    "anomaly/declared-size",
    "anomaly/energy-still",
    "anomaly/mfu",
    "anomaly/power-activity",
    "anomaly/unexplained-energy",
)
_IN_SERIES: Final = ("anomaly/fabric-label", "anomaly/identical-series", "anomaly/too-clean")


def anomalies(view: View) -> Iterator[Finding]:
    """What does not fit in one site and phase."""
    yield from in_sums(view)
    yield from in_sizes(view)
    yield from in_meters(view)
    if view.evidence.series is not None:
        yield from copied(view)
        yield from in_devices(view, view.evidence.series)


def looked_for(found: Collection[str], name: str, *, series: bool) -> Iterator[tuple[str, Status, str]]:
    """The checks of a party, by the codes found; those that need series were made if these were read."""
    for code in (*_IN_SUMS, *_IN_SERIES):
        if code in _IN_SERIES and not series:
            yield code, Status.NOT_CHECKED, f"{name} · the series of devices are read with --anomalies"
        else:
            yield code, Status.FAIL if code in found else Status.PASS, name
