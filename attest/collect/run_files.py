"""Runs from a plain file that the lab writes itself: CSV or TOML (schemas/workloads.md, "Files").

    run,label,start,end,host,devices,owner,parent
    llama-7,training,2026-11-09T00:00:00Z,2026-11-10T00:00:00Z,n[1-2],0-3,foundation,
    llama-7b,training,2026-11-11T00:00:00Z,,n[1-2],,foundation,llama-7

`run`, `start` and `host` are needed. Hosts are written as Slurm does; devices are indices, or UUIDs or serials between
blanks, and none are the whole host. A run without an end still runs. `parent` is the run that this one goes on from:
all that go back to one run are one lineage. A run may have several rows.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from attest.collect.columns import split
from attest.collect.hostlist import expand_hosts, expand_numbers
from attest.collect.irregular import refuse
from attest.collect.labels import LABELS, PRECISIONS, word
from attest.collect.stamps import ZoneNeeded, parse_time
from attest.collect.workloads import Claim, Devices, Workload, require_name
from attest.format.toml_table import parse_toml
from attest.format.vocabulary import Label, Precision

MAX_ROWS: Final = 1_000_000
COLUMNS: Final = ("run", "label", "precision", "start", "end", "host", "devices", "owner", "parent")
_NEEDED: Final = ("run", "start", "host")
_DELIMITERS: Final = (",", ";", "\t")


class _Row(NamedTuple):
    where: str
    run: str
    start_ms: int
    end_ms: int | None
    hosts: tuple[str, ...]
    devices: Devices | None
    label: Label
    precision: Precision
    owner: str
    parent: str


def is_header(line: str) -> bool:
    """Whether a first line is that of such a CSV."""
    return any("run" in [name.strip().lower() for name in line.split(delimiter)] for delimiter in _DELIMITERS)


def read_csv(lines: Iterable[bytes], name: str, utc_offset: int | None) -> list[Workload]:
    """The runs of a CSV. Raises ImportDataError with file and line."""
    columns: list[str] = []
    delimiter = ","
    rows: list[_Row] = []
    for number, line in enumerate(lines, 1):
        where = f"{name}:{number}"
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            refuse("import/line", where, f"not UTF-8: {error.reason}")
        if not text.strip():
            continue
        if not columns:
            delimiter = max(_DELIMITERS, key=text.count)
            columns = _header([column.strip().lower() for column in split(text, delimiter, where)], where)
            continue
        fields = [field.strip() for field in split(text, delimiter, where)]
        if len(fields) != len(columns):
            refuse("import/line", where, f"{len(fields)} fields for {len(columns)} columns")
        rows.append(_row(dict(zip(columns, fields, strict=True)), where, utc_offset))
        if len(rows) > MAX_ROWS:
            refuse("import/bounds", where, f"more than {MAX_ROWS:,} rows")
    return _workloads(rows)


def read_toml(data: bytes, name: str) -> list[Workload]:
    """The runs of a TOML text with [[run]] tables. Raises AgreementError with line and key, ImportDataError."""
    rows = []
    for table in parse_toml(data).only("run").tables("run", MAX_ROWS):
        table.only(*COLUMNS)
        where = f"{name}:{table.line('run') if 'run' in table else 0}"
        texts = {"run": table.text("run"), "host": table.text("host")}
        texts |= {key: table.text(key) for key in ("devices", "owner", "parent") if key in table}
        end = table.time("end") * 1000 if "end" in table else None
        label = word(table, "label", LABELS, Label.NONE)
        precision = word(table, "precision", PRECISIONS, Precision.UNKNOWN)
        rows.append(_typed(texts, where, table.time("start") * 1000, end, label, precision))
    return _workloads(rows)


def _header(columns: list[str], where: str) -> list[str]:
    wrong = [column for column in columns if column not in COLUMNS] or [c for c in columns if columns.count(c) > 1]
    missing = [column for column in _NEEDED if column not in columns]
    if wrong or missing:
        detail = f"column {wrong[0][:40]!r} is unknown or stands twice" if wrong else f"no column {missing[0]}"
        refuse("import/column", where, detail, f"known are {', '.join(COLUMNS)}")
    return columns


def _row(fields: dict[str, str], where: str, utc_offset: int | None) -> _Row:
    times: list[int | None] = []
    for key in ("start", "end"):
        try:
            times.append(parse_time(fields[key], utc_offset) if fields.get(key) else None)
        except ZoneNeeded as error:
            refuse("import/zone", where, str(error), "say which zone the times are in, as --utc-offset +00:00")
        except ValueError as error:
            refuse("import/time", where, str(error))
    start, end = times
    if start is None:
        refuse("import/time", where, "a run without a start")
    label = _word(fields.get("label", ""), LABELS, Label.NONE, where)
    precision = _word(fields.get("precision", ""), PRECISIONS, Precision.UNKNOWN, where)
    return _typed(fields, where, start, end, label, precision)


def _word(text: str, words: Mapping[str, Any], none: Any, where: str) -> Any:
    if text and text not in words:
        refuse("import/label", where, f"{text[:40]!r} is none of {', '.join(words)}")
    return words[text] if text else none


def _typed(
    fields: Mapping[str, str], where: str, start: int, end: int | None, label: Label, precision: Precision
) -> _Row:
    run = require_name(fields.get("run", ""), where, "run")
    if end is not None and end < start:
        refuse("import/time", where, f"{run} ends before it starts")
    try:
        hosts = expand_hosts(fields.get("host", ""))
    except ValueError as error:
        refuse("import/nodes", where, str(error))
    if not hosts:
        refuse("import/nodes", where, f"{run} is on no host")
    parent = fields.get("parent", "")
    if parent:
        require_name(parent, where, "parent")
    owner = fields.get("owner", "")
    return _Row(where, run, start, end, hosts, _devices(fields.get("devices", "")), label, precision, owner, parent)


def _devices(text: str) -> Devices | None:
    """Indices as in `0-3` or `0,2`, or names between blanks."""
    if not text:
        return None
    try:
        return expand_numbers(text)
    except ValueError:
        return tuple(text.split())


def _workloads(rows: list[_Row]) -> list[Workload]:
    parents: dict[str, tuple[str, str]] = {}
    for row in rows:
        if row.parent and parents.setdefault(row.run, (row.parent, row.where))[0] != row.parent:
            refuse("import/run-twice", row.where, f"{row.run} has two parents")
    roots = _roots(parents)
    return [
        Workload(
            row.run,
            roots.get(row.run, row.run),
            row.owner,
            tuple(Claim(host, row.start_ms, row.end_ms, row.devices, row.end_ms is None) for host in row.hosts),
            {},
            row.where,
            row.label,
            row.precision,
        )
        for row in rows
    ]


def _roots(parents: Mapping[str, tuple[str, str]]) -> dict[str, str]:
    """The run that each run goes back to; each is walked over once."""
    roots: dict[str, str] = {}
    for run in parents:
        path: dict[str, None] = {}
        while run in parents and run not in roots:
            if run in path:
                refuse("import/parent", parents[run][1], f"the parents of {run} lead back to itself")
            path[run] = None
            run = parents[run][0]
        roots.update(dict.fromkeys(path, roots.get(run, run)))
    return roots
