"""Closing of a meter's windows: what the spool holds of its readings becomes signed statements of its chain.

A meter's readings are irregular and stand in its statements as they came, so a window is closed with the last reading
before its end: what nobody read after it is in the next statement, as a gap that `check` does not bridge. A meter that
has a register is told by that, else by its power, which bounds nothing unless it is a mean. A node that no inventory
names is told of, and in no statement.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Final, NamedTuple, Protocol

from attest.collect.collector import Reading
from attest.collect.irregular import Bounded
from attest.collect.meter_statements import TOLD_KINDS, MeterOptions, meter_drafts
from attest.collect.readings import gather_readings
from attest.collect.statements import Chain, Draft
from attest.errors import LogError
from attest.format.vocabulary import Quantity
from attest.record.closing import NOT_YET, Closed, State, Window
from attest.record.frames import believed, disbelieved
from attest.record.spool import Frame, Spool
from attest.record.target import feeds_of_nodes, require_known, salt
from attest.store.outbox import Outbox

STAMPED: Final = 1  # s; a reading has the time of the boundary that it was asked for at, if it was soon after it


class Meter(NamedTuple):
    """The feed of each node in what collectors say, where it has another name; by how many s the meter's clock may be
    wrong; and of an independent meter, whose key the agreement alone names, the source and who operates it."""

    feeds: Mapping[str, str]
    clock_s: int | None
    source: str | None = None
    issuer: str | None = None


class Metered(Protocol):
    """A meter's chain that is gone on with: in a log, or in the outbox of one that is elsewhere."""

    chain: Chain

    def feeds(self) -> Sequence[str]:
        """The feeds that the inventories say it meters."""
        ...

    def opening(self, quantity: Quantity) -> Mapping[str, int]:
        """By feed the reading at the chain's very end, if it is of this quantity."""
        ...

    def append_once(self, drafts: Iterable[Draft], box: Outbox) -> None:
        """Sign the drafts through the outbox, each place once; they last when it returns."""
        ...


def close_meter(
    target: Metered,
    spool: Spool,
    waiting: Sequence[Frame],
    window: Window,
    meter: Meter,
    now_ms: int,
    state: State,
) -> Closed:
    """Sign every window that is due, of a day at most. Raises LogError, KeyFileError, ImportDataError."""
    due, until = window.due(now_ms), target.chain.until
    if until is not None and until >= due:
        spool.drop(window.kept_from(until))
        return Closed(0, until)
    undone = disbelieved(chain(spool.frames(), waiting))
    kept = [r for r in readings(believed(chain(spool.frames(), waiting), undone)) if r.time_ms <= due * 1000]
    known = target.feeds()
    feed_of = feeds_of_nodes(dict.fromkeys(reading.node for reading in kept), meter.feeds, known)
    undeclared = tuple(sorted(node for node, feed in feed_of.items() if feed not in known))
    kept = [reading for reading in kept if feed_of[reading.node] in known]
    if undeclared and not kept:
        require_known(feed_of.values(), target.chain.sub, known)
    new = (reading.time_ms // 1000 for reading in kept if until is None or reading.time_ms > until * 1000)
    first = min(new, default=None)
    if first is None:
        spool.drop(window.kept_from(due))
        return Closed(0, until, undeclared=undeclared)
    spoken = first if until is None else until
    end = min(due, window.after(max(first, due - window.longest)))  # however long it was silent before
    kept = [reading for reading in kept if window.kept_from(spoken) <= reading.time_ms <= end * 1000]
    quantity = Quantity.REGISTER if any(r.quantity is Quantity.REGISTER for r in kept) else _power(kept)
    found, late = Bounded(TOLD_KINDS), Bounded()
    series = {feed_of[node]: series for node, series in gather_readings(kept, quantity, found).items()}
    opening = target.opening(quantity)
    clock = None if meter.clock_s is None else max(meter.clock_s, STAMPED)
    options = MeterOptions(quantity, clock_uncertainty=clock, window=window.window, opening=opening)
    of_feeds = [each._replace(who=feed_of.get(each.who, each.who)) for each in found]
    try:
        drafts = list(meter_drafts(series, of_feeds, target.chain, options, salt, late)) if series else []
    except LogError as error:
        if error.code in NOT_YET:
            return Closed(0, until, undeclared=undeclared)
        raise
    target.append_once(drafts, state.box)
    reached = drafts[-1].end if drafts else until
    spool.drop(window.kept_from(end))
    return Closed(len(drafts), reached, bool(drafts) and end < due, {}, undeclared, found.dropped + late.dropped)


def readings(frames: Iterable[Frame]) -> Iterator[Reading]:
    """The readings of all samples."""
    for frame in frames:
        for node, time_ms, quantity, value in frame.get("readings", ()):
            yield Reading(node, time_ms, Quantity(quantity), value, frame["collector"])


def _power(kept: Sequence[Reading]) -> Quantity:
    """Of readings of power: a gauge, if one of them is."""
    gauge = any(reading.quantity is Quantity.GAUGE_POWER for reading in kept)
    return Quantity.GAUGE_POWER if gauge else Quantity.MEAN_POWER
