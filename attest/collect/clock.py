"""Whether a meter's clock agrees with the session it belongs to: found and reported, never corrected silently.

A shift is how far the meter's stamps are ahead of the session's time. The readings of a session must fall inside it,
which leaves a range of possible shifts; the clock agrees when 0 is in the range, and is in another zone when the
range holds one whole number of quarter-hours (all zones are) or, of several, one whole hour. Everything else
is no zone: a clock that is just wrong.

Two records of a session are read. The name that SPEC PTDaemon puts into `Mark`, in the zone of whoever began the
session and saying only when that was, so that the first reading may follow by up to an hour:

    >>> session = session_of_mark("2023-02-24_14-28-21_testing")
    >>> find_shift(1_677_278_426_303, 1_677_279_084_303, session)
    Shift(least_s=25927, most_s=29526, zone_s=28800)

and `client.json` or `server.json` of an MLPerf power run, whose phases are Unix times: there the same readings
agree, and it is the name of the session that was written eight hours west of UTC.
"""

import json
import re
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from attest.collect.irregular import Irregularity, Kind, refuse

QUARTER: Final = 900  # s
HOUR: Final = 3_600  # s
TOLERANCE: Final = 1_000  # ms that a reading may lie outside its session
PHASE: Final = "testing"

_MARK: Final = re.compile(r"(\d{4})-(\d\d)-(\d\d)_(\d\d)-(\d\d)-(\d\d)(?:_\w+)?", re.ASCII)


class Session(NamedTuple):
    """When a session ran, in Unix ms; `end` is None where only its beginning is known."""

    name: str
    start_ms: int
    end_ms: int | None


class Shift(NamedTuple):
    """The shifts that fit, in s; `zone_s` the one that a zone explains (0: none is needed), None if none does."""

    least_s: int
    most_s: int
    zone_s: int | None


def session_of_mark(text: str) -> Session | None:
    """The session that a mark names, its time taken for UTC; None if the mark is no such name."""
    match = _MARK.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second = map(int, match.groups())
    try:
        start = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    return Session(text, int(start.timestamp()) * 1000, None)


def read_session(data: bytes, name: str) -> Session:
    """The testing phase in an MLPerf `client.json` or `server.json`. Raises ImportDataError `import/session`."""
    try:
        value = json.loads(data)
        phase = value["phases"][PHASE]
        times = [_milliseconds(pair[0]) for pair in phase]
        session = Session(str(value["session_name"]), min(times), max(times))
    except (ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
        refuse("import/session", name, f"not the JSON of a power session: {type(error).__name__} {error}")
    return session


def find_shift(first_ms: int, last_ms: int, session: Session) -> Shift:
    """How far the stamps of readings from `first_ms` to `last_ms` can be ahead of their session."""
    most = first_ms - session.start_ms + TOLERANCE
    least = most - HOUR * 1000 if session.end_ms is None else last_ms - session.end_ms - TOLERANCE
    bounds = -(-least // 1000), most // 1000
    if least > most:
        return Shift(min(bounds), max(bounds), None)
    return Shift(*bounds, zone_of(*bounds))


def irregularity(shift: Shift, session: Session, who: str, first_ms: int) -> Irregularity | None:
    """A shift as an irregularity of the record of `who`; None where the clocks agree."""
    if shift.zone_s == 0:
        return None
    numbers = {"least_s": shift.least_s, "most_s": shift.most_s}
    if shift.zone_s is None:
        return Irregularity(Kind.CLOCK, session.name, who, first_ms, numbers)
    return Irregularity(Kind.SHIFT, session.name, who, first_ms, {"shift_s": shift.zone_s, **numbers})


def zone_of(least: int, most: int) -> int | None:
    """The whole quarter-hours, in s, that explain a clock which is this far ahead; 0 if it agrees, None if none do."""
    if least <= 0 <= most:
        return 0
    for unit in (HOUR, QUARTER):
        whole = [k * unit for k in range(-(-least // unit), most // unit + 1)]
        if len(whole) == 1 and abs(whole[0]) <= 26 * HOUR:
            return whole[0]
    return None


def _milliseconds(value: Any) -> int:
    if type(value) not in (int, float) or not 0 <= value < 1e11:
        raise ValueError(f"{value!r} is no Unix time")
    return int(value * 1000)
