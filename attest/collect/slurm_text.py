"""Slurm's text: `sacct --parsable2` with any delimiter, and `scontrol show -o nodes`.

    sacct --duplicates --allusers --parsable2 --format=Cluster,JobID,JobIDRaw,Submit,Start,End,Elapsed,Suspended,\\
        State,NodeList,AllocTRES,Restarts,Partition,QOS,Account,User,JobName,Comment

The first line names the columns, unless the caller does (`--noheader`); the delimiter stands between the first two,
and may stand once more at the end of a line (`--parsable`). Steps (`7.batch`, `7_3.0`) belong to the job above whose
id they begin with. Times are local ones without a zone, unless sacct ran with SLURM_TIME_FORMAT=%s; `Unknown` and
`None` are no time. `Elapsed` is days-hh:mm:ss.

    >>> parse_duration("2-12:00:06"), parse_duration("03:34:13"), parse_duration("31:05.120")
    (216006, 12853, 1865)
    >>> layout("JobID|State|Submit", None).delimiter
    '|'
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from attest.collect.gres import gres_gpus, tres_gpus
from attest.collect.hostlist import expand_hosts
from attest.collect.irregular import Irregularity, Kind, refuse, require_bounded
from attest.collect.slurm import LIVE, WAITING, Job
from attest.collect.slurm_json import MAX_JOBS, MAX_NODES, Read
from attest.collect.stamps import ZoneNeeded, parse_time

MAX_COLUMNS: Final = 256
MAX_DELIMITER: Final = 8  # characters
TIMES: Final = ("Submit", "Start", "End", "State", "NodeList")

_NO_TIME: Final = frozenset({"", "Unknown", "None", "N/A", "0"})
_DURATION: Final = re.compile(r"(?:(?:(\d{1,7})-)?(\d{1,7}):)?(\d{1,7}):(\d\d)(?:\.\d+)?", re.ASCII)
_JOB: Final = re.compile(r"(\d{1,18})(?:_(\d{1,9}|\[[^\]]*\])|\+(\d{1,9}))?(\..+)?", re.ASCII)
_NODE: Final = re.compile(r"(?:^|\s)(NodeName|CfgTRES|Gres)=(\S*)")


class Layout(NamedTuple):
    """The columns' names, in lower case, and what stands between them."""

    columns: tuple[str, ...]
    delimiter: str


class Options(NamedTuple):
    """What the caller says of files that do not say it: names of columns and delimiter, the cluster, the zone."""

    columns: tuple[str, ...] | None = None
    delimiter: str | None = None
    cluster: str | None = None
    utc_offset: int | None = None


def layout(header: str, delimiter: str | None) -> Layout | None:
    """The layout that a first line says; None where it is no header of sacct."""
    header = header.rstrip("\r\n")
    if delimiter is None:
        match = re.match(r"[A-Za-z]\w*((?:(?!\w).){1,8}?)[A-Za-z]", header)
        delimiter = match[1] if match else "|"
    columns = tuple(name.strip().lower() for name in header.removesuffix(delimiter).split(delimiter))
    return Layout(columns, delimiter) if "jobid" in columns else None


def parse_duration(text: str) -> int | None:
    """Seconds of days-hh:mm:ss, hh:mm:ss or mm:ss; None where it is none."""
    match = _DURATION.fullmatch(text)
    if match is None:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def read_sacct(lines: Iterable[bytes], name: str, options: Options, found: list[Irregularity]) -> Read:
    """The jobs of sacct's lines. Raises ImportDataError with file and line: `import/line`, `import/column`,
    `import/time`, `import/zone`, `import/nodes`, `import/bounds`."""
    rows = _rows(lines, name)
    if options.columns is None:
        number, first = next(rows, (1, ""))
        held = layout(first, options.delimiter)
        if held is None:
            refuse("import/column", f"{name}:{number}", "no column JobID", "name the columns with --sacct-columns")
    else:
        held = Layout(tuple(column.lower() for column in options.columns), options.delimiter or "|")
    if not 0 < len(held.columns) <= MAX_COLUMNS or len(set(held.columns)) < len(held.columns):
        refuse("import/column", name, f"{len(held.columns)} columns, at most {MAX_COLUMNS}, and each once")
    read = Read([], 0, {})
    steps = 0
    known: set[str] = set()
    for number, line in rows:
        where = f"{name}:{number}"
        row = _row(line, held, where)
        match = _JOB.fullmatch(row.get("jobid", ""))
        if match is None:
            refuse("import/line", where, f"{row.get('jobid', '')[:40]!r} is no job id")
        job_id = row["jobid"].removesuffix(match[4] or "")
        if match[4]:
            steps += 1
            if job_id not in known:
                found.append(Irregularity(Kind.STEP, where, row["jobid"], 0, {}))
                require_bounded(found)
            continue
        known.add(job_id)
        if missing := [column for column in TIMES if column.lower() not in row]:
            found.append(Irregularity(Kind.UNTIMED, where, job_id, 0, {"columns": len(missing)}))
        else:
            read.jobs.append(_job(row, match, where, options))
            if len(read.jobs) > MAX_JOBS:
                refuse("import/bounds", where, f"more than {MAX_JOBS:,} jobs", "give the records of a shorter time")
        require_bounded(found)
    return read._replace(steps=steps)


def read_scontrol(lines: Iterable[bytes], name: str) -> Read:
    """The nodes of `scontrol show -o nodes`, with their GPUs. Raises ImportDataError."""
    nodes: dict[str, int] = {}
    for number, line in _rows(lines, name):
        fields = dict(_NODE.findall(line))
        if not fields.get("NodeName"):
            refuse("import/line", f"{name}:{number}", "not a node of scontrol show -o nodes")
        gres = gres_gpus(fields.get("Gres", ""))
        nodes[fields["NodeName"]] = gres.number if gres else tres_gpus(fields.get("CfgTRES", "")) or 0
        if len(nodes) > MAX_NODES:
            refuse("import/bounds", f"{name}:{number}", f"more than {MAX_NODES:,} nodes")
    return Read([], 0, nodes)


def _rows(lines: Iterable[bytes], name: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(lines, 1):
        try:
            text = line.decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            refuse("import/line", f"{name}:{number}", f"not UTF-8: {error.reason}")
        if text.strip():
            yield number, text


def _row(line: str, held: Layout, where: str) -> dict[str, str]:
    fields = line.split(held.delimiter)
    if len(fields) == len(held.columns) + 1 and not fields[-1]:
        fields.pop()
    if len(fields) != len(held.columns):
        hint = "a comment with the delimiter or a line break in it? leave it out, or use another --delimiter"
        refuse("import/line", where, f"{len(fields)} fields for {len(held.columns)} columns", hint)
    return dict(zip(held.columns, (field.strip() for field in fields), strict=True))


def _job(row: dict[str, str], match: re.Match[str], where: str, options: Options) -> Job:
    submit = _time(row["submit"], where, options)
    if submit is None:
        refuse("import/time", where, "a job without the time of its submission")
    start, end = _time(row["start"], where, options), _time(row["end"], where, options)
    state = (row["state"].split() or [""])[0].rstrip("+")
    if not state:
        refuse("import/line", where, "a job without a state")
    try:
        hosts = expand_hosts(row["nodelist"])
    except ValueError as error:
        refuse("import/nodes", where, str(error))
    elapsed = parse_duration(row.get("elapsed", ""))
    suspended = parse_duration(row.get("suspended", "")) or 0
    restarts = row.get("restarts", "")
    facts = {key: row.get(key, "") for key in ("account", "user", "partition", "qos", "comment")}
    facts |= {"name": row.get("jobname", ""), "job_id": row.get("jobidraw", "" if match[2] else match[1])}
    return Job(
        where,
        row.get("cluster") or options.cluster or "",
        match[0],
        match[1],
        submit,
        start,
        None if state in LIVE | WAITING else end,
        None if start is None or elapsed is None else start + elapsed + suspended,
        state,
        hosts,
        {},
        tres_gpus(row.get("alloctres", "")),
        True,
        int(restarts) if restarts.isdigit() and len(restarts) < 10 else None,
        elapsed,
        {key: value for key, value in facts.items() if value},
    )


def _time(text: str, where: str, options: Options) -> int | None:
    if text in _NO_TIME:
        return None
    try:
        return parse_time(text, options.utc_offset) // 1000
    except ZoneNeeded as error:
        hint = "say which zone they are in, as --utc-offset +00:00, or run sacct with SLURM_TIME_FORMAT=%s"
        refuse("import/zone", where, str(error), hint)
    except ValueError as error:
        refuse("import/time", where, str(error))
