"""Workloads: what ran where and when, as schedulers and files tell it (schemas/workloads.md).

A workload is one run: one submission of a job, one pod, one row of a file. Its name is what is committed to; its
`lineage` the name that restarts, requeues and splits of one piece of work have in common; `owner` whom it is for. Its
claims say which host it had, from when to when, and which devices of it: by index or by UUID or serial, or None where
nobody says which, which is then the whole host.

Several records may tell of one run: an early one knows the devices, a later one the end. `merge` puts them together.

    >>> early = Workload("slurm/hpc/7@1762788040", "slurm/hpc/7", "physics", (Claim("n1", 0, None, (0, 1)),), {}, "a")
    >>> late = early._replace(claims=(Claim("n1", 0, 60_000, None),))
    >>> merge([early, late])[0].claims
    (Claim(host='n1', start_ms=0, end_ms=60000, devices=(0, 1), running=False),)
"""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple, TypeVar

from attest.collect.irregular import refuse
from attest.format.fields import HIDDEN, MAX_TEXT
from attest.format.vocabulary import Label, Precision

MAX_WORKLOADS: Final = 1_000_000  # of one import
MAX_CLAIMS: Final = 4_000_000

Devices = tuple[int | str, ...]
_T = TypeVar("_T", str, Label, Precision)


class Claim(NamedTuple):
    """A host that a run had, and its devices; `running` if it still had it at `end_ms`, which is as far as the record
    knows (None: it does not say)."""

    host: str
    start_ms: int
    end_ms: int | None
    devices: Devices | None
    running: bool = False


class Workload(NamedTuple):
    """One run; `facts` are what the lab's rules for labels look at, `where` the file and line."""

    run: str
    lineage: str
    owner: str
    claims: tuple[Claim, ...]
    facts: Mapping[str, str]
    where: str
    label: Label = Label.NONE
    precision: Precision = Precision.UNKNOWN


def require_name(text: str, where: str, what: str) -> str:
    """A name that may be committed to. Raises ImportDataError `import/name`."""
    if not 0 < len(text) <= MAX_TEXT or HIDDEN.search(text):
        refuse("import/name", where, f"{text[:40]!r} is no {what}: 1 to {MAX_TEXT} printable characters")
    return text


def merge(workloads: Iterable[Workload]) -> list[Workload]:
    """One workload a run, in the order of first mention. Raises ImportDataError `import/run-twice` where two records
    contradict each other about what a run is, `import/bounds`."""
    by_run: dict[str, list[Workload]] = {}
    claims = 0
    for workload in workloads:
        by_run.setdefault(workload.run, []).append(workload)
        claims += len(workload.claims)
        if len(by_run) > MAX_WORKLOADS or claims > MAX_CLAIMS:
            detail = f"more than {MAX_WORKLOADS:,} runs or {MAX_CLAIMS:,} claims"
            refuse("import/bounds", workload.where, detail, "give the records of a shorter time")
    return [_merged(same) if len(same) > 1 else same[0] for same in by_run.values()]


def _merged(same: list[Workload]) -> Workload:
    first = same[0]
    facts: dict[str, str] = {}
    for workload in same:
        facts |= {name: value for name, value in workload.facts.items() if value}
    return Workload(
        first.run,
        _one([w.lineage for w in same], "lineages", first),
        _one([w.owner for w in same], "owners", first),
        _claims([claim for w in same for claim in w.claims]),
        facts,
        first.where,
        _one([w.label for w in same], "labels", first),
        _one([w.precision for w in same], "precisions", first),
    )


def _one(values: list[_T], what: str, workload: Workload) -> _T:
    """What all of them say that say anything."""
    said = sorted({value for value in values if value}) or values[:1]
    if len(said) > 1:
        detail = f"{workload.run} has two {what}: {', '.join(map(str, said[:2]))}"
        refuse("import/run-twice", workload.where, detail, "one of the records is of another run, or wrong")
    return said[0]


def _claims(claims: list[Claim]) -> tuple[Claim, ...]:
    """Claims of one run: of those that begin together on a host, the latest word on its end, and the devices of those
    that name any."""
    by_start: dict[tuple[str, int], list[Claim]] = {}
    for claim in claims:
        by_start.setdefault((claim.host, claim.start_ms), []).append(claim)
    merged = []
    for (host, start), same in by_start.items():
        ended = [claim for claim in same if not claim.running] or same
        ends = [claim.end_ms for claim in ended if claim.end_ms is not None]
        named = {device for claim in same for device in claim.devices or ()}
        known = [claim for claim in same if claim.devices is not None]
        devices = tuple(sorted(named, key=str)) if known else None
        merged.append(Claim(host, start, max(ends, default=None), devices, ended[0].running))
    knows = {claim.host for claim in merged if claim.devices is not None}
    return tuple(claim for claim in merged if claim.devices is not None or claim.host not in knows)
