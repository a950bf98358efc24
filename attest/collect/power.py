"""Power logs: text lines to one series of readings a node, with every irregularity of the record.

Three shapes are read, told apart by the first line. A CSV with a header, its columns found by `attest.collect.columns`:

    time_ms,node,watts
    1715874513514,node_33,5283

and the log of a Yokogawa analyser as SPEC PTDaemon writes it, without header, keys and values in turn, the stamps
without a zone, `Mark` holding the session's name; only the total before the first channel counts:

    Time,02-24-2023 22:40:26.303,Watts,683.800000,Volts,206.373333,Amps,1.167333,PF,0.946347,Mark,2023-...

and the log of one node of an MLPerf training run, whose other lines say nothing of power:

    :::MLLOG {"time_ms": 1715960308411, "event_type": "POINT_IN_TIME", "key": "power_reading", "value": 4316, ...}

What becomes of the readings says `attest.collect.readings`. A power that is negative, not a number or larger than any
feed carries ends the import with its line number: such a log is not evidence, and to drop the line would be to smooth
it.

    >>> log = read_power([("p.csv", [b"watts,host,time", b"683.8,a,1677278426", b"700,a,1677278427"])], Options())
    >>> log.nodes["a"].values.tolist(), log.irregularities
    ([683800, 700000], [])
"""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from attest.collect.columns import Layout, Wanted, split
from attest.collect.irregular import Irregularity, refuse, require_bounded
from attest.collect.readings import MAX_NODES, Gatherer, Mark, MeterLog
from attest.collect.stamps import ZoneNeeded, parse_power, parse_time
from attest.format.fields import MAX_TEXT

_LINE_BITS: Final = 40

_YOKOGAWA: Final = "Time,"
_MLLOG: Final = ":::MLLOG "
_YOKOGAWA_TIME: Final = re.compile(r"(\d\d)-(\d\d)-(\d{4}) (\d\d:\d\d:\d\d(?:\.\d{1,9})?)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Options:
    """How to read: the columns, the one node of files that name none, the zone of stamps without one."""

    columns: Wanted = field(default_factory=Wanted)
    node: str | None = None
    utc_offset: int | None = None


class _Reading(NamedTuple):
    node: str
    time_ms: int
    power_mw: int
    mark: str | None


def read_power(files: Iterable[tuple[str, Iterable[bytes]]], options: Options) -> MeterLog:
    """Read the files in the order given, which is the order they were recorded in; each is (name, lines).

    Raises ImportDataError with file and line: `import/line`, `import/column`, `import/time`, `import/zone`,
    `import/value`, `import/order`, `import/bounds`, and `import/empty` when there is no reading at all.
    """
    nodes: dict[str, Gatherer] = {}
    marks: dict[str, Mark] = {}
    names: list[str] = []
    found: list[Irregularity] = []
    for name, lines in files:
        _read_file(name, lines, options, nodes, marks, len(names), found)
        names.append(name)
    if not nodes:
        refuse("import/empty", ", ".join(names) or "no file", "no reading in it")
    place = _placer(names)
    for node in nodes.values():
        node.finish(place, found)
    require_bounded(found)
    found.sort(key=lambda i: (i.who, i.time_ms, i.kind))
    return MeterLog({name: node.series() for name, node in nodes.items()}, tuple(marks.values()), found)


def _read_file(
    name: str,
    lines: Iterable[bytes],
    options: Options,
    nodes: dict[str, Gatherer],
    marks: dict[str, Mark],
    file: int,
    found: list[Irregularity],
) -> None:
    parse: Callable[[str, str], _Reading | None] | None = None
    for number, line in enumerate(lines, 1):
        place = f"{name}:{number}"
        text = _text(line, place)
        if not text.strip():
            continue
        if parse is None:
            if text.startswith(_YOKOGAWA) and "Watts," in text:
                parse = _yokogawa(options)
            elif text.startswith(_MLLOG):
                parse = _mllog(options)
            else:
                parse = _csv(Layout.of(text, options.columns, place), options, place)
                continue
        reading = parse(text, place)
        if reading is None:
            continue
        node = nodes.get(reading.node)
        if node is None:
            if len(nodes) == MAX_NODES:
                refuse("import/bounds", place, f"more than {MAX_NODES} nodes")
            node = nodes[reading.node] = Gatherer(reading.node)
        node.add(reading.time_ms, reading.power_mw, file << _LINE_BITS | number, place, found)
        if reading.mark is not None:
            first = marks.get(reading.mark, Mark(reading.mark, reading.time_ms, reading.time_ms))
            marks[reading.mark] = first._replace(last_ms=max(first.last_ms, reading.time_ms))
    require_bounded(found)


def _csv(layout: Layout, options: Options, place: str) -> Callable[[str, str], _Reading | None]:
    if layout.node is None and options.node is None:
        refuse(
            "import/column",
            place,
            "no node column",
            "name it with --node-column, or the one node that the file is about with --node",
        )

    def parse(text: str, place: str) -> _Reading | None:
        fields = split(text, layout.delimiter, place)
        if len(fields) != layout.columns:
            refuse("import/line", place, f"{len(fields)} fields, the header has {layout.columns}")
        if any(fields[column].strip() != value for column, value in layout.where):
            return None
        node = options.node if layout.node is None else fields[layout.node].strip()
        return _Reading(
            _name(node or "", place),
            _time(fields[layout.time].strip(), options.utc_offset, place),
            _power(fields[layout.power].strip(), layout.milliwatts, place),
            None,
        )

    return parse


def _yokogawa(options: Options) -> Callable[[str, str], _Reading | None]:
    def parse(text: str, place: str) -> _Reading | None:
        fields = text.split(",Ch1,", 1)[0].split(",")
        pairs = dict(zip(fields[::2], fields[1::2], strict=False))
        if len(fields) % 2 or len(pairs) != len(fields) // 2 or not {"Time", "Watts"} <= pairs.keys():
            refuse("import/line", place, "not the keys and values of an analyser's log")
        match = _YOKOGAWA_TIME.fullmatch(pairs["Time"])
        if match is None:
            refuse("import/time", place, f"{pairs['Time']!r} is not MM-DD-YYYY HH:MM:SS.mmm")
        month, day, year, clock = match.groups()
        if options.node is None:
            refuse("import/column", place, "an analyser's log names no node", "say whom it measures with --node")
        return _Reading(
            _name(options.node, place),
            _time(f"{year}-{month}-{day} {clock}", options.utc_offset, place),
            _power(pairs["Watts"], 1000, place),
            pairs.get("Mark"),
        )

    return parse


def _mllog(options: Options) -> Callable[[str, str], _Reading | None]:
    def parse(text: str, place: str) -> _Reading | None:
        if options.node is None:
            refuse("import/column", place, "an MLPerf log names no node", "say whom it measures with --node")
        try:
            event = json.loads(text.removeprefix(_MLLOG), parse_float=str)
            if event["key"] != "power_reading":
                return None
            time, value = str(event["time_ms"]), str(event["value"])
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            refuse("import/line", place, f"not an event of MLPerf's log: {type(error).__name__} {error}")
        return _Reading(
            _name(options.node, place), _time(time, options.utc_offset, place), _power(value, 1000, place), None
        )

    return parse


def _text(line: bytes, place: str) -> str:
    try:
        return line.decode("utf-8-sig" if place.endswith(":1") else "utf-8").rstrip("\r\n")
    except UnicodeDecodeError as error:
        refuse("import/line", place, f"not UTF-8 text: {error.reason} at byte {error.start}")


def _name(node: str, place: str) -> str:
    if not 0 < len(node) <= MAX_TEXT or not node.isprintable():
        refuse("import/line", place, f"{node[:40]!r} is no name of a node")
    return node


def _time(text: str, utc_offset: int | None, place: str) -> int:
    try:
        return parse_time(text, utc_offset)
    except ZoneNeeded as error:
        refuse("import/zone", place, str(error), "say which zone the clock was set to, as --utc-offset +00:00")
    except ValueError as error:
        refuse("import/time", place, str(error))


def _power(text: str, milliwatts: int, place: str) -> int:
    try:
        return parse_power(text, milliwatts)
    except ValueError as error:
        refuse("import/value", place, str(error))


def _placer(names: list[str]) -> Callable[[int], str]:
    return lambda place: f"{names[place >> _LINE_BITS]}:{place & ((1 << _LINE_BITS) - 1)}"
