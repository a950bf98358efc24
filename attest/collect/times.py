"""When a file was recorded that does not say so itself: as the caller says, or as its name does.

A name holds Unix s or ms, or ISO 8601 as in 20250424T170145Z, and no other number that could be a time.

    >>> time_of("n1/dcgm-1745514105.prom", 0, Times())
    1745514105000
    >>> time_of("third.prom", 2, Times(1_745_514_105_000, 60_000))
    1745514225000
"""

import re
from typing import Final, NamedTuple

from attest.collect.irregular import refuse
from attest.collect.stamps import ZoneNeeded, parse_time

_STAMP: Final = re.compile(
    r"\d{4}-?\d\d-?\d\d[T_ ]\d\d[:-]?\d\d[:-]?\d\d(?:Z|[+-]\d{4})?|(?<!\d)\d{10}(?:\d{3})?(?!\d)", re.ASCII
)


class Times(NamedTuple):
    """Where times come from: the first exposition's and the distance of the next, or the zone of file names. As
    `default` they are those of expositions that carry no timestamps, and these come first."""

    start_ms: int | None = None
    step_ms: int | None = None
    utc_offset: int | None = None
    default: bool = False


def time_of(name: str, number: int, times: Times) -> int:
    """The time of file `number`, in Unix ms. Raises ImportDataError `import/time`, `import/zone`."""
    if times.start_ms is not None:
        return times.start_ms + number * (times.step_ms or 0)
    stamp = _STAMP.findall(name.rsplit("/", 1)[-1])
    if len(stamp) != 1:
        refuse(
            "import/time",
            name,
            "no time: no timestamp in it, and no one time in its name",
            "say it with --start and --step, or name the files like dcgm-20250424T170145Z.prom",
        )
    try:
        return parse_time(stamp[0].replace("_", "T"), times.utc_offset)
    except ZoneNeeded as error:
        refuse("import/zone", name, str(error), "say which zone the names are in, as --utc-offset +00:00")
    except ValueError as error:
        refuse("import/time", name, str(error))
