"""Which columns of a CSV are time, node and power: found by their names, never guessed among several.

Names are compared without case, blanks and units in brackets; `time`, `timestamp`, `time_ms`, `Date Time`, `ts`;
`node`, `host`, `hostname`, `server`, `meter`, `outlet`; `watts`, `power`, `power_w`, `Power (kW)`, `active_power`.
A power column says its unit by its name: W, kW and mW, `_mw` being milliwatts; megawatts are refused. No match and
several are errors that name the option to say it with.

    >>> Layout.of("result,time_ms,node,watts", Wanted(), "power.csv:1")
    Layout(delimiter=',', columns=4, time=1, node=2, power=3, milliwatts=1000, where=())
    >>> Layout.of("Power (kW);When;Host", Wanted(time="When"), "m.csv:1").milliwatts
    1000000
"""

import csv
import re
from typing import Final, NamedTuple, Self

from attest.collect.irregular import refuse

MAX_COLUMNS: Final = 256
_DELIMITERS: Final = (",", ";", "\t")

_TIME: Final = frozenset(["time", "timestamp", "datetime", "date_time", "ts", "epoch", "unix", "unix_time"])
_NODE: Final = frozenset(["node", "host", "hostname", "server", "machine", "meter", "device", "feed", "outlet"])
_POWER: Final = frozenset(["power", "watts", "watt", "active_power", "real_power", "power_ac", "power_draw"])
_TIME_UNITS: Final = frozenset(["s", "sec", "seconds", "ms", "milliseconds", "utc"])
_MILLIWATTS: Final = {"": 1000, "w": 1000, "watts": 1000, "kw": 1_000_000, "mw": 1, "milliwatts": 1}


class Wanted(NamedTuple):
    """Columns named by the caller; `where` keeps only the rows whose columns have these values."""

    time: str | None = None
    node: str | None = None
    power: str | None = None
    where: tuple[tuple[str, str], ...] = ()


class Layout(NamedTuple):
    """Where a file's columns are; `node` is None where it has none, `where` holds (column, value)."""

    delimiter: str
    columns: int
    time: int
    node: int | None
    power: int
    milliwatts: int
    where: tuple[tuple[int, str], ...]

    @classmethod
    def of(cls, header: str, wanted: Wanted, place: str) -> Self:
        """From a CSV's first line. Raises ImportDataError `import/column`."""
        delimiter = max(_DELIMITERS, key=header.count)
        names = [name.strip() for name in split(header, delimiter, place)]
        if len(names) > MAX_COLUMNS:
            refuse("import/column", place, f"{len(names)} columns, at most {MAX_COLUMNS}")
        if any(re.fullmatch(r"[\d.]+", name, re.ASCII) for name in names):
            refuse(
                "import/column",
                place,
                "a number where the columns' names should be",
                "the first line must name the columns",
            )
        time = _find(names, wanted.time, _TIME, _TIME_UNITS, "time", place)
        power = _find(names, wanted.power, _POWER, frozenset(_MILLIWATTS), "power", place)
        if time is None or power is None:
            missing = "time" if time is None else "power"
            refuse(
                "import/column",
                place,
                f"no {missing} column among {', '.join(names)}",
                f"name it with --{missing}-column",
            )
        node = _find(names, wanted.node, _NODE, frozenset(), "node", place)
        where = tuple((_index(names, column, place), value) for column, value in wanted.where)
        return cls(delimiter, len(names), time, node, power, _milliwatts(names[power], place), where)


def split(line: str, delimiter: str, place: str) -> list[str]:
    """The fields of one line; a quoted field does not reach over its line's end."""
    if '"' not in line:
        return line.split(delimiter)
    try:
        (fields,) = csv.reader([line], delimiter=delimiter, strict=True)
    except (csv.Error, ValueError) as error:
        refuse("import/line", place, f"not CSV: {error}")
    return fields


def _find(
    names: list[str], said: str | None, known: frozenset[str], units: frozenset[str], role: str, place: str
) -> int | None:
    if said is not None:
        return _index(names, said, place)
    found = [i for i, name in enumerate(names) if _parts(name, units)[0] in known]
    if len(found) > 1:
        refuse(
            "import/column",
            place,
            f"several columns may be the {role}: {', '.join(names[i] for i in found)}",
            f"name it with --{role}-column",
        )
    return found[0] if found else None


def _index(names: list[str], said: str, place: str) -> int:
    if names.count(said) != 1:
        how = "no column" if said not in names else "several columns"
        refuse("import/column", place, f"{how} named {said!r} among {', '.join(names)}")
    return names.index(said)


def _parts(name: str, units: frozenset[str]) -> tuple[str, str]:
    """A column's name without its unit, and the unit: of `Power (kW)` they are `power` and `kW`."""
    bracketed = re.fullmatch(r"(.+?)\s*[(\[](.+)[)\]]", name)
    if bracketed:
        return _plain(bracketed[1]), bracketed[2].strip()
    base, _, unit = name.rpartition("_")
    if base and unit.lower() in units:
        return _plain(base), unit
    return _plain(name), ""


def _plain(name: str) -> str:
    return re.sub(r"[\s_]+", "_", name.lower())


def _milliwatts(name: str, place: str) -> int:
    unit = _parts(name, frozenset(_MILLIWATTS))[1]
    if unit == "MW" or unit.lower() not in _MILLIWATTS:
        refuse("import/column", place, f"the unit of {name!r} is none of W, kW and mW")
    return _MILLIWATTS[unit.lower()]
