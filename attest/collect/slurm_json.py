"""Slurm's JSON: `sacct --json` and slurmrestd's replies, of slurmdbd and slurmctld, jobs and nodes.

A reply of slurmdbd (`/slurmdb/.../jobs`) and `sacct --json` have a job's times under `time`; one of slurmctld
(`/slurm/.../jobs`) has `job_state`, `start_time`, `gres_detail`. Numbers are plain or `{"set", "infinite", "number"}`;
-2 and what lies above 2^32 - 3 or 2^64 - 3 is Slurm's "no value". Fields come and go with data_parser versions: one
that is not there is not there.

A reply with `errors` is none: what was asked for could not be had, or not all of it, and nothing says which. `warnings`
are recorded, and what they stand beside is taken.

    >>> number({"set": True, "infinite": False, "number": 7}), number(-2), number({"set": False, "number": 0})
    (7, None, None)
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from attest.collect.gres import Gpus, gres_gpus, requested_gpus, tres_gpus
from attest.collect.hostlist import expand_hosts
from attest.collect.irregular import Irregularity, Kind, refuse
from attest.collect.slurm import LIVE, WAITING, Job

MAX_JOBS: Final = 1_000_000  # of one file
MAX_NODES: Final = 65_536
MAX_TIME: Final = 1 << 40
MAX_QUOTED: Final = 200  # characters of Slurm's words in an error
_NO_VALUES: Final = frozenset({0xFFFFFFFD, 0xFFFFFFFE, 0xFFFFFFFF, (1 << 64) - 3, (1 << 64) - 2, (1 << 64) - 1})
_REQUESTS: Final = ("tres_per_job", "tres_per_node", "tres_per_socket", "tres_per_task")


class Read(NamedTuple):
    """What one file holds: jobs, how many steps of them, and the GPUs of each node that it describes."""

    jobs: list[Job]
    steps: int
    nodes: dict[str, int]


def number(value: Any) -> int | None:
    """A number of Slurm's JSON; None for its ways of having none."""
    if type(value) is dict:
        value = value.get("number") if value.get("set") is True and value.get("infinite") is not True else None
    if type(value) is float and value.is_integer():
        value = int(value)
    return value if type(value) is int and value >= 0 and value not in _NO_VALUES else None


def require_answer(value: Mapping[str, Any], where: str, found: list[Irregularity]) -> None:
    """Raise ImportDataError `import/reply` for a reply that says that it is none, with its words; warnings are added to
    `found`."""
    errors, warnings = _said(value.get("errors")), _said(value.get("warnings"))
    if errors:
        more = f", and {len(errors) - 1:,} more" if len(errors) > 1 else ""
        hint = "ask Slurm again for what is there, and keep a reply without errors"
        refuse("import/reply", where, f"Slurm answered with an error: {errors[0]}{more}", hint)
    if warnings:
        found.append(Irregularity(Kind.PARTIAL, where, warnings[0], 0, {"warnings": len(warnings)}))


def read_jobs(value: Mapping[str, Any], where: str, cluster: str | None) -> Read:
    """The jobs of a reply. Raises ImportDataError `import/line`, `import/nodes`, `import/time`, `import/bounds`."""
    jobs = _list(value, "jobs", where, MAX_JOBS)
    meta = _texts(_map(_map(value, "meta"), "slurm")).get("cluster", "")
    updated = number(value.get("last_update"))
    read = Read([], 0, {})
    steps = 0
    for place, job in enumerate(jobs):
        here = f"{where}:jobs[{place}]"
        if type(job) is not dict:
            refuse("import/line", here, "not a job")
        named = _texts(job).get("cluster") or cluster or meta
        read.jobs.append(_controlled(job, here, named, updated) if "job_state" in job else _accounted(job, here, named))
        steps += len(job["steps"]) if type(job.get("steps")) is list else 0
    return read._replace(steps=steps)


def read_nodes(value: Mapping[str, Any], where: str) -> Read:
    """The nodes of a reply, with the GPUs that they have. Raises ImportDataError."""
    nodes = {}
    for place, node in enumerate(_list(value, "nodes", where, MAX_NODES)):
        name = _texts(node).get("name") if type(node) is dict else None
        if not name:
            refuse("import/line", f"{where}:nodes[{place}]", "a node without a name")
        gpus = gres_gpus(_texts(node).get("gres", ""))
        nodes[name] = gpus.number if gpus else 0
    return Read([], 0, nodes)


def _accounted(job: dict[str, Any], where: str, cluster: str) -> Job:
    """A job as slurmdbd and sacct have it."""
    texts, times = _texts(job), _map(job, "time")
    array, het = _map(job, "array"), _map(job, "het")
    start, elapsed = _time(times.get("start")), number(times.get("elapsed"))
    known = None if start is None or elapsed is None else start + elapsed + (number(times.get("suspended")) or 0)
    total = None
    for tres in _map(job, "tres").get("allocated") or ():
        if type(tres) is dict and tres.get("type") == "gres" and str(tres.get("name", "")).partition(":")[0] == "gpu":
            count = number(tres.get("count"))
            plain = tres.get("name") == "gpu"
            total = total if count is None else count if plain else max(total or 0, count)
    comments = _texts(_map(job, "comment"))
    comment = " ".join(comments[key] for key in ("job", "administrator", "system") if comments.get(key))
    state = _map(job, "state").get("current")
    facts = _facts(job, texts.get("user", ""), comment or texts.get("comment", ""))
    return Job(
        where, cluster, *_ids(job, where, array.get("job_id"), array.get("task_id"), het.get("job_id"),
        het.get("job_offset")), _submit(times.get("submission"), where), start, _time(times.get("end")), known,
        _state(state, where), _hosts(job, where), {}, total, True, number(job.get("restart_cnt")), elapsed, facts,
    )  # fmt: skip


def _controlled(job: dict[str, Any], where: str, cluster: str, updated: int | None) -> Job:
    """A job as slurmctld has it: the end of one that has not ended is only planned."""
    texts = _texts(job)
    state = _state(job.get("job_state"), where)
    hosts = _hosts(job, where)
    end = None if state in LIVE | WAITING else _time(job.get("end_time"))
    gpus, total = _allocated(job, hosts)
    start = None if state in WAITING else _time(job.get("start_time"))
    known = None if start is None else max(start, updated or start)
    facts = _facts(job, texts.get("user_name", ""), texts.get("comment", ""))
    return Job(
        where, cluster, *_ids(job, where, job.get("array_job_id"), job.get("array_task_id"), job.get("het_job_id"),
        job.get("het_job_offset")), _submit(job.get("submit_time"), where), start, end, known, state, hosts, gpus,
        total, False, number(job.get("restart_cnt")), None, facts,
    )  # fmt: skip


def _allocated(job: dict[str, Any], hosts: Sequence[str]) -> tuple[dict[str, Gpus], int | None]:
    """GPUs by host and in total. gres_detail has a text for each node, and is empty once a job has ended: then what was
    asked for says that there were some, and where it was for the job or each node, how many."""
    detail = job.get("gres_detail")
    if type(detail) is list and detail and len(detail) == len(hosts):
        gpus = {host: gres_gpus(str(text)) or Gpus(0, ()) for host, text in zip(hosts, detail, strict=True)}
        return gpus, sum(each.number for each in gpus.values())
    texts = _texts(job)
    allocated = tres_gpus(texts.get("tres_alloc_str", ""))
    asked = [requested_gpus(texts.get(key, "")) for key in _REQUESTS]
    if allocated is None and not any(asked) and not detail:
        return {}, 0
    if allocated is None and asked[0] is None and asked[1] is not None:
        return {host: Gpus(asked[1], None) for host in hosts}, asked[1] * len(hosts)
    return {}, allocated if allocated is not None else asked[0]


def _facts(job: dict[str, Any], user: str, comment: str) -> dict[str, str]:
    texts = _texts(job)
    facts = {key: texts.get(key, "") for key in ("account", "partition", "qos", "name")}
    facts |= {"user": user, "comment": comment, "job_id": str(number(job.get("job_id")) or "")}
    return {key: value for key, value in facts.items() if value}


def _ids(job: dict[str, Any], where: str, array: Any, task: Any, het: Any, offset: Any) -> tuple[str, str]:
    raw = number(job.get("job_id"))
    if not raw:
        refuse("import/line", where, "a job without an id")
    master, index = number(array), number(task)
    if master and index is not None:
        return f"{master}_{index}", str(master)
    if leader := number(het):
        return f"{leader}+{number(offset) or 0}", str(leader)
    return str(raw), str(master or raw)


def _submit(value: Any, where: str) -> int:
    submit = _time(value)
    if submit is None:
        refuse("import/time", where, "a job without the time of its submission")
    return submit


def _time(value: Any) -> int | None:
    time = number(value)
    return time if time and time < MAX_TIME else None


def _state(value: Any, where: str) -> str:
    """The state, of which older versions give a text and newer ones a list, flags after it."""
    first = value[0] if type(value) is list and value else value
    if type(first) is not str or not first:
        refuse("import/line", where, "a job without a state")
    return first.split()[0]


def _hosts(job: dict[str, Any], where: str) -> tuple[str, ...]:
    try:
        return expand_hosts(_texts(job).get("nodes", ""))
    except ValueError as error:
        refuse("import/nodes", where, str(error))


def _list(value: Mapping[str, Any], key: str, where: str, most: int) -> list[Any]:
    found = value.get(key)
    if type(found) is not list:
        refuse("import/line", where, f"{key} is no list")
    if len(found) > most:
        refuse("import/bounds", where, f"{len(found):,} {key}, at most {most:,}", "give a shorter time")
    return found


def _map(value: Mapping[str, Any], key: str) -> dict[str, Any]:
    found = value.get(key)
    return found if type(found) is dict else {}


def _said(value: Any) -> list[str]:
    """Slurm's words in a list of errors or warnings, of which older versions give texts and newer ones objects."""
    if value in (None, [], {}, ""):
        return []
    said = []
    for each in value if type(value) is list else [value]:
        texts = _texts(each) if type(each) is dict else {"description": str(each)}
        words = ": ".join(texts[key] for key in ("error", "description") if texts.get(key)) or "without a reason"
        said.append("".join(c if c.isprintable() else "?" for c in words[:MAX_QUOTED]))
    return said


def _texts(value: Mapping[str, Any]) -> dict[str, str]:
    return {key: text for key, text in value.items() if type(text) is str}
