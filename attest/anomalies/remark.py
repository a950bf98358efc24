"""A remark: what every anomaly becomes in a verdict, so that none says less than another.

A remark is a finding that holds: it changes no outcome. Its text has what was seen, the limit and the rule's measured
false alarms; its place is that of the first statement concerned; its numbers are integers; `settle` says what would
tell an honest cause from another.
"""

from collections.abc import Mapping

import numpy as np

from attest.anomalies.measured import rate_of
from attest.compute.columns import Ints
from attest.evaluate import View
from attest.verdict import Finding, Outcome


def remark(code: str, text: str, settle: str, view: View, index: Ints, numbers: Mapping[str, int]) -> Finding:
    """The finding of a rule about the statements with these log indices, one for each row concerned."""
    worth, first = view.worth, int(index.min())
    place = int(np.searchsorted(worth.indices, first))
    start, end = worth.windows[place].tolist()
    return Finding(
        code,
        Outcome.HOLDS,
        f"{text}; {rate_of(code)}",
        index=first,
        source=view.control.sources[int(worth.sources[place])].sub,
        start=start,
        end=end,
        numbers={"statements": len(np.unique(index)), **numbers},
        settle=settle,
    )


def hours(seconds: int) -> str:
    """Device-seconds as device-hours, in words."""
    return f"{seconds / 3_600:,.1f} device-hours"
