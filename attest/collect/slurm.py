"""Slurm's jobs to workloads, whatever told of them: `attest.collect.slurm_json` and `slurm_text` read the records.

| what | how |
|---|---|
| run | cluster, job id and submit time, as in Slurm's own database |
| lineage | cluster and job id, of arrays and heterogeneous jobs that of the whole; or a comment's `lineage=NAME` |
| owner | the account, else the user |
| devices | indices from gres_detail; else the whole node where the job has any GPU or nobody says that it has none |
| end | of a job that runs there is none, whatever the record says: slurmctld tells the end of its time limit |

Ids begin again, and a job that is requeued keeps its id and gets a new submit time: what has the same id is one
lineage, unless the lab says when the ids of a cluster began again.

Accounting has GPUs only from when `gres/gpu` stands in AccountingStorageTRES: of a job that began before the first
one with GPUs nobody knows, and one that began later without any has none. Jobs that never ran, steps whose job is not
there, earlier runs of a requeued job that sacct hides and everything else that is not as it seems is reported.

    >>> job = Job("jobs.json", "hpc", "5679", "5679", 1762788040, 1762788040, 1762788100, None, "COMPLETED",
    ...           ("gpu1", "gpu2"), {"gpu1": Gpus(4, (0, 1, 2, 3))}, 8, True, 0, None, {"account": "acoustic"})
    >>> (workload,) = workloads([job], {}, {}, [])
    >>> workload.run, workload.lineage, [(claim.host, claim.devices) for claim in workload.claims]
    ('slurm/hpc/5679@1762788040', 'slurm/hpc/5679', [('gpu1', (0, 1, 2, 3)), ('gpu2', None)])
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from attest.collect.gres import Gpus
from attest.collect.irregular import Irregularity, Kind, refuse, require_bounded
from attest.collect.workloads import Claim, Workload, require_name

HOUR: Final = 3_600  # s
LIVE: Final = frozenset({"RUNNING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT", "RESIZING"})
WAITING: Final = frozenset({"PENDING", "CONFIGURING", "REQUEUE_HOLD", "SPECIAL_EXIT"})

_LINEAGE: Final = re.compile(r"(?:^|[\s;,])lineage=([^\s;,]+)")


class Job(NamedTuple):
    """One record of a job: times in Unix s, None where there is none."""

    where: str
    cluster: str
    id: str  # as sacct shows it: 7, 7_3 of an array, 7+1 of a heterogeneous job
    family: str  # the id that all of an array or a heterogeneous job share
    submit: int
    start: int | None
    end: int | None
    known: int | None  # until when it was seen to run, where it did not end
    state: str
    hosts: tuple[str, ...]
    gpus: Mapping[str, Gpus]  # by host, as far as it is said
    total: int | None  # GPUs allocated, None where the record does not say how many
    accounted: bool  # whether that can be because accounting has none of any job
    restarts: int | None
    elapsed: int | None
    facts: Mapping[str, str]


def workloads(
    jobs: Sequence[Job], nodes: Mapping[str, int], resets: Mapping[str, Sequence[int]], found: list[Irregularity]
) -> list[Workload]:
    """The runs that jobs are; `nodes` has the GPUs of each node where they are known, `resets` by cluster when its ids
    began again (Unix s). What cannot be used, or not wholly, is added to `found`. Raises ImportDataError
    `import/cluster`, `import/name`, `import/bounds`."""
    since = _accounted_since(jobs)
    made = []
    for job in _together(jobs):
        again = sum(reset <= job.submit for reset in resets.get(job.cluster, ()))
        workload = _workload(job, nodes, since.get(job.cluster), again, found)
        if workload is not None:
            made.append(workload)
        require_bounded(found)
    found += _hidden(jobs)
    return made


def _together(jobs: Sequence[Job]) -> list[Job]:
    """Jobs with what any record of the same run knows of their GPUs."""
    totals: dict[tuple[str, str, int], int] = {}
    gpus: dict[tuple[str, str, int], dict[str, Gpus]] = {}
    for job in sorted(jobs, key=lambda job: job.accounted):
        key = job.cluster, job.id, job.submit
        if job.total is not None:
            totals.setdefault(key, job.total)
        gpus.setdefault(key, {}).update(
            {host: held for host, held in job.gpus.items() if held.indices is not None or host not in gpus[key]}
        )
    keys = [(job.cluster, job.id, job.submit) for job in jobs]
    return [job._replace(gpus=gpus[key], total=totals.get(key)) for job, key in zip(jobs, keys, strict=True)]


def _accounted_since(jobs: Iterable[Job]) -> dict[str, int]:
    """By cluster the start of the first job whose accounting has GPUs."""
    since: dict[str, int] = {}
    for job in jobs:
        if job.accounted and job.total and job.start is not None:
            since[job.cluster] = min(job.start, since.get(job.cluster, job.start))
    return since


def _workload(
    job: Job, nodes: Mapping[str, int], since: int | None, again: int, found: list[Irregularity]
) -> Workload | None:
    if not job.cluster:
        refuse("import/cluster", job.where, f"job {job.id} of no cluster", "say which with --cluster")
    name = require_name(f"slurm/{job.cluster}/{job.id}@{job.submit}", job.where, "job")
    if job.start is None or not job.hosts or job.state in WAITING:
        found.append(Irregularity(Kind.NOT_STARTED, job.where, name, job.submit * 1000, {"nodes": len(job.hosts)}))
        return None
    running = job.state in LIVE or job.end is None
    end = job.known if running else job.end
    if end is not None and end < job.start:
        numbers = {"start_s": job.start, "end_s": end}
        found.append(Irregularity(Kind.UNUSABLE, job.where, name, job.start * 1000, numbers))
        return None
    _require_elapsed(job, name, found)
    if running:
        numbers = {} if end is None else {"known_s": end - job.start}
        found.append(Irregularity(Kind.RUNNING, job.where, name, job.start * 1000, numbers))
    total = 0 if job.total is None and job.accounted and since is not None and job.start >= since else job.total
    span = (job.start * 1000, None if end is None else end * 1000)
    claims, vague = _claims(job, total, nodes, span, running)
    if vague:
        kind = Kind.GPUS if total is None and job.accounted else Kind.WHICH
        numbers = {"nodes": vague} if total is None else {"nodes": vague, "gpus": total}
        found.append(Irregularity(kind, job.where, name, job.start * 1000, numbers))
    facts = {"cluster": job.cluster, **job.facts}
    named = _LINEAGE.search(facts.get("comment", ""))
    lineage = named[1] if named else f"slurm/{job.cluster}/{job.family}" + (f"#{again}" if again else "")
    owner = facts.get("account") or facts.get("user") or ""
    return Workload(name, lineage, owner, tuple(claims), facts, job.where)


def _claims(
    job: Job, total: int | None, nodes: Mapping[str, int], span: tuple[int, int | None], running: bool
) -> tuple[list[Claim], int]:
    """The hosts that a job had GPUs of, and on how many of them nobody says which of several."""
    claims, vague = [], 0
    for host in () if total == 0 else job.hosts:
        gpus, has = job.gpus.get(host), nodes.get(host)
        if has == 0 or (gpus is not None and gpus.number == 0):
            continue
        count = gpus.number if gpus else total if len(job.hosts) == 1 else None
        indices = gpus.indices if gpus else None
        vague += indices is None and (has is None or count != has)
        claims.append(Claim(host, *span, indices, running))
    return claims, vague


def _require_elapsed(job: Job, name: str, found: list[Irregularity]) -> None:
    """Start and end as far apart as Slurm counted: where they are not, the zone changed in between."""
    if job.elapsed is None or job.start is None or job.end is None or job.state in LIVE:
        return
    differs = job.end - job.start - job.elapsed
    if differs < 0 or differs == HOUR:  # less than was counted, or by the hour that a summer is
        numbers = {"apart_s": job.end - job.start, "elapsed_s": job.elapsed}
        found.append(Irregularity(Kind.ELAPSED, job.where, name, job.start * 1000, numbers))


def _hidden(jobs: Sequence[Job]) -> list[Irregularity]:
    """Jobs that were requeued more often than there are records of them; ids that came again without that."""
    submits: dict[tuple[str, str], dict[int, Job]] = {}
    for job in jobs:
        submits.setdefault((job.cluster, job.id), {})[job.submit] = job
    found = []
    for (cluster, number), by_submit in submits.items():
        last = by_submit[max(by_submit)]
        name = f"slurm/{cluster}/{number}"
        if last.restarts is not None and last.restarts >= len(by_submit):
            numbers = {"restarts": last.restarts, "records": len(by_submit)}
            found.append(Irregularity(Kind.HIDDEN, last.where, name, last.submit * 1000, numbers))
        elif last.restarts is not None and last.restarts < len(by_submit) - 1:
            numbers = {"restarts": last.restarts, "records": len(by_submit)}
            found.append(Irregularity(Kind.AGAIN, last.where, name, last.submit * 1000, numbers))
    return found
