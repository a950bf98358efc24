"""Power series to drafts of meter statements (schemas/import.md, "Meter statements").

The clock offset is added to the meter's own stamps and stands in the statement, with the clock's uncertainty: what the
caller says, and at least the largest step back that the record itself shows. A reading on a window's very edge closes
one statement and opens the next, so that no step is lost there; `step` is the least median of the channels, because a
shorter nominal step makes more gaps, never fewer. Readings from before the chain's `until` are counted as late.

    >>> series = Series(np.array([500, 1_500, 2_000]), np.array([700_000] * 3, np.uint32), 500)
    >>> chain = Chain(b"g" * 32, "https://acme.example/m1", 0, None)
    >>> (draft,) = meter_drafts({"dc1": series}, [], chain, MeterOptions(), lambda: b"s" * 32, [])
    >>> draft.start, draft.end, draft.body.channels, len(draft.block)
    (0, 2, (Channel(feed='dc1', readings=3, irregular=0),), 128)
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from attest.collect.irregular import Irregularity, Kind, refuse
from attest.collect.readings import Series
from attest.collect.statements import DAY, MAX_ROOM, MAX_VALUES, Chain, Draft, Salt, windows
from attest.format.block import commit, format_meter
from attest.format.bodies import MAX_INTERVAL, Channel, MeterBody
from attest.format.vocabulary import Quantity

MAX_SILENT: Final = 28 * DAY  # a window without readings; offsets reach 49 days
CLOCK_KINDS: Final = frozenset({Kind.DUPLICATE, Kind.CONFLICT, Kind.BACKWARDS})
TOLD_KINDS: Final = CLOCK_KINDS | {Kind.SHIFT, Kind.CLOCK}  # of these a statement says how many or how much

Array = npt.NDArray[Any]


class MeterOptions(NamedTuple):
    """`opening` has, by feed, the value of the reading at the chain's `until`, which the next draft repeats."""

    quantity: Quantity = Quantity.MEAN_POWER
    clock_offset: int = 0
    clock_uncertainty: int | None = None
    window: int = DAY
    opening: Mapping[str, int] = {}


def meter_drafts(
    feeds: Mapping[str, Series],
    irregularities: Iterable[Irregularity],
    chain: Chain,
    options: MeterOptions,
    salt: Salt,
    found: list[Irregularity],
) -> Iterator[Draft]:
    """Drafts for the series of one meter, by feed; `irregularities` are those of its record, about feeds.

    Late readings are added to `found`. Raises ImportDataError `import/bounds`, LogError `import/nothing-new`.
    """
    offset = options.clock_offset * 1000
    last = max(int(series.time_ms[-1]) for series in feeds.values()) + offset
    chain.require_new(last // 1000 if last % 1000 == 0 else last // 1000 + 1)
    start = chain.until
    if start is None:
        start = (min(int(series.time_ms[0]) for series in feeds.values()) + offset) // 1000
    end = max(-(-last // 1000), start + 1)
    if sum(len(feed.encode()) + 16 for feed in feeds) > MAX_ROOM:
        refuse("import/bounds", chain.sub, "the names of its feeds do not fit one statement", "use several sources")
    channels = {
        feed: _Channel(feed, series, offset, start, options.opening.get(feed), irregularities, found)
        for feed, series in feeds.items()
    }
    steps = [series.step_ms for series in feeds.values() if series.step_ms is not None]
    body = MeterBody(
        options.quantity,
        min(steps, default=None),
        options.clock_offset,
        uncertainty(options.clock_uncertainty, irregularities),
        (),
        commit(b""),
    )
    for number, (begin, until) in enumerate(_cut(start, end, options.window, list(channels.values()))):
        parts = [channel.between(begin, until) for channel in channels.values()]
        block = format_meter(salt(), chain.binding(number), options.quantity, [(v, o) for v, o, _ in parts])
        listed = tuple(
            Channel(feed, len(values), irregular) for feed, (values, _, irregular) in zip(channels, parts, strict=True)
        )
        yield Draft(begin, until, body._replace(channels=listed, block=commit(block)), block)


def uncertainty(said: int | None, irregularities: Iterable[Irregularity]) -> int | None:
    """The clock's uncertainty in s: what is said, and no less than what the record itself shows; None if unknown."""
    if said is None:
        return None
    shown = [said]
    for irregularity in irregularities:
        numbers = irregularity.numbers
        if irregularity.kind is Kind.BACKWARDS and numbers["same"] < numbers["set_aside"]:
            shown.append(-(-numbers["step_ms"] // 1000))
        elif irregularity.kind in (Kind.SHIFT, Kind.CLOCK):
            shown.append(max(abs(numbers["least_s"]), abs(numbers["most_s"])))
    return min(max(shown), MAX_INTERVAL)


class _Channel:
    """A feed's readings from the chain's `until` on, in corrected time."""

    def __init__(
        self,
        feed: str,
        series: Series,
        offset: int,
        start: int,
        opening: int | None,
        irregularities: Iterable[Irregularity],
        found: list[Irregularity],
    ) -> None:
        times, powers = series.time_ms + offset, series.values
        first = int(np.searchsorted(times, start * 1000))
        if opening is not None:
            same = int(np.searchsorted(times, start * 1000, "right"))
            times = np.concatenate(([start * 1000], times[same:]))
            powers = np.concatenate((np.array([opening], powers.dtype), powers[same:]))
        else:
            times, powers = times[first:], powers[first:]
        if first:
            numbers = {"readings": first}
            found.append(Irregularity(Kind.LATE, "", feed, int(series.time_ms[0]), numbers))
        self.times, self.powers = times, powers
        self.irregular = np.sort(
            np.array([i.time_ms + offset for i in irregularities if i.who == feed and i.kind in CLOCK_KINDS], np.int64)
        )

    def between(self, start: int, end: int) -> tuple[Array, Array, int]:
        """Values, offsets and the number of irregularities of a window; a reading on either edge belongs to it."""
        low, high = np.searchsorted(self.times, start * 1000), np.searchsorted(self.times, end * 1000, "right")
        odd = np.searchsorted(self.irregular, [start * 1000, end * 1000])
        return self.powers[low:high], self.times[low:high] - start * 1000, int(odd[1] - odd[0])

    def count(self, start: int, end: int) -> int:
        return int(np.diff(np.searchsorted(self.times, [start * 1000, end * 1000]))[0])


def _cut(start: int, end: int, window: int, channels: list[_Channel]) -> Iterator[tuple[int, int]]:
    """Windows, silent ones run together and full ones halved."""
    silent: int | None = None
    for begin, until in windows(start, end, window):
        readings = sum(channel.count(begin, until) for channel in channels)
        if silent is not None and (readings or until - silent > MAX_SILENT):
            yield silent, begin
            silent = None
        if readings:
            yield from _halved(begin, until, channels)
        elif silent is None:
            silent = begin
    if silent is not None:
        yield silent, end


def _halved(start: int, end: int, channels: list[_Channel]) -> Iterator[tuple[int, int]]:
    readings = sum(channel.count(start, end) for channel in channels)
    if readings <= MAX_VALUES or end - start < 2:
        yield start, end
        return
    middle = (start + end) // 2
    yield from _halved(start, middle, channels)
    yield from _halved(middle, end, channels)
