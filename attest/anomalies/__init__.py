"""Anomalies: where numbers that were signed do not fit physics, statistics or each other (schemas/anomalies.md).

An anomaly is a remark with its measured error, and never changes an outcome.
"""

from collections.abc import Iterator

from attest.anomalies.sizes import in_sizes
from attest.anomalies.sums import in_sums
from attest.evaluate import View
from attest.verdict import Finding

__all__ = ["anomalies"]


def anomalies(view: View) -> Iterator[Finding]:
    """What does not fit in one site and phase."""
    yield from in_sums(view)
    yield from in_sizes(view)
