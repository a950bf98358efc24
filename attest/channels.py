"""Pass 4 for meter statements: channels to rows of facts (schemas/statement.md, "meter").

A channel's readings are read whatever they are worth, so that what is wrong with them is found; they become facts where
the rosters in force have this source meter the feed, and where they bound anything at all.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from attest.agreement import Meter
from attest.errors import TrustError
from attest.evidence.meter import Row, read_meter
from attest.facts import UNKNOWN, Table
from attest.format.bodies import MeterBody
from attest.format.statement import Statement
from attest.format.vocabulary import Quantity
from attest.layout import Layouts


def read_channels(
    channels: Sequence[tuple[npt.NDArray[Any], npt.NDArray[Any]]],
    index: int,
    sub: str,
    statement: Statement,
    body: MeterBody,
    layouts: Layouts,
    bucket: int,
    agreed: Meter | None,
) -> list[Table]:
    """Rows of `attest.facts.Metered` of the statement of `sub` at a log index, from its block's channels; `agreed` is
    what the agreement says of the meter. Raises EvidenceError."""
    found = []
    bounding = _bounds_anything(body, agreed)
    clock = UNKNOWN if body.clock_uncertainty is None else body.clock_uncertainty
    for channel, (values, offsets) in zip(body.channels, channels, strict=True):
        feed = layouts.meters.get((sub, channel.feed))
        if feed is None and not layouts.readable(statement.start, statement.end):
            continue  # a roster that is not shown may name it
        if feed is None:
            raise TrustError("meter/unknown-feed", f"no roster has {sub} meter {channel.feed}")
        rows = read_meter(values, offsets, body, statement.start, statement.end, bucket)
        if bounding:
            if not layouts.metered(sub, channel.feed, statement.start, statement.end):
                # A step over an edge may have lost one of its ends: it counts whole where it touches, as HIGH has it.
                rows = rows[_metered(layouts, sub, channel.feed, statement, rows[:, Row.BUCKET], bucket)]
                rows[:, [Row.STARTING, Row.ENDING]] = 0
            ids = np.full((len(rows), 2), (index, feed), np.int64)
            found.append(np.concatenate((ids, rows, np.full((len(rows), 1), clock)), axis=1))
    return found


def _bounds_anything(body: MeterBody, agreed: Meter | None) -> bool:
    """A gauge looks at one moment of its step; and a meter that knows less of its clock than the agreement takes for
    granted does not know in which bucket its readings lie."""
    if agreed is not None and agreed.clock_uncertainty_s is not None:
        stated = body.clock_uncertainty
        if stated is None or stated > agreed.clock_uncertainty_s:
            return False
    means = body.quantity is Quantity.MEAN_POWER and (agreed is None or agreed.integrates)
    return means or body.quantity is Quantity.REGISTER


def _metered(layouts: Layouts, sub: str, feed: str, statement: Statement, buckets: Table, bucket: int) -> Any:
    """In which buckets the rosters in force have this source meter the feed."""
    parts = [(max(b * bucket, statement.start), min((b + 1) * bucket, statement.end)) for b in buckets.tolist()]
    return np.array([layouts.metered(sub, feed, start, end) for start, end in parts], bool)
