"""Pods as workloads: from dcgm-exporter's labels on samples, and from `kubectl get pods --all-namespaces -o json`.

| what | how |
|---|---|
| run | cluster, namespace and pod: the samples say no more of it |
| lineage | the label of the pod that the lab's rules name, else the controller that owns the pod, else the pod |
| owner | the namespace |
| devices | those on whose samples the pod stands, while it stands there; of the list alone, the whole node |

A pod that asks for no GPU has none; one without a node or a start never ran. The samples also say which devices a job
of a batch system has (`hpc_job`); it is known by its id, and its times come from Slurm.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from attest.collect.devices import Held, Host
from attest.collect.irregular import Irregularity, Kind, refuse, require_bounded
from attest.collect.stamps import parse_time
from attest.collect.workloads import Claim, Workload, require_name

MAX_PODS: Final = 1_000_000  # of one file
MAX_CONTAINERS: Final = 1_000
_PREFIX: Final = "nvidia.com/"  # of resources: nvidia.com/gpu, nvidia.com/mig-1g.10gb


class _Seen(NamedTuple):
    uid: str
    held: Held


def read_pods(
    value: Mapping[str, Any], name: str, cluster: str, lineage_label: str, found: list[Irregularity]
) -> list[Workload]:
    """The pods of a list. Raises ImportDataError `import/line`, `import/time`, `import/name`, `import/bounds`."""
    items = value.get("items")
    if type(items) is not list:
        refuse("import/line", name, "items is no list")
    if len(items) > MAX_PODS:
        refuse("import/bounds", name, f"{len(items):,} pods, at most {MAX_PODS:,}")
    pods = []
    for place, item in enumerate(items):
        pod = _pod(item, f"{name}:items[{place}]", cluster, lineage_label, found)
        if pod is not None:
            pods.append(pod)
        require_bounded(found)
    return pods


def seen_pods(host: Host, cluster: str, pods: Iterable[Workload]) -> list[Workload]:
    """The pods on a host's samples; what `pods` know of the same run is said again. Raises ImportDataError."""
    known = {pod.run: pod for pod in pods}
    seen: dict[str, list[_Seen]] = {}
    for device in host.devices.values():
        for held in device.held:
            if held.holder.pod:
                run = _run(cluster, held.holder.namespace, held.holder.pod)
                seen.setdefault(run, []).append(_Seen(device.uid, held))
    return [_seen(run, all_, host.name, cluster, known.get(run)) for run, all_ in seen.items()]


def seen_jobs(host: Host, jobs: Sequence[Workload], found: list[Irregularity]) -> list[Workload]:
    """Slurm's jobs with the devices that samples say they have on a host. Jobs that are not among `jobs` are added to
    `found`: without the time of their submission they are no run."""
    by_id: dict[str, list[Workload]] = {}
    for job in jobs:
        by_id.setdefault(job.facts.get("job_id", ""), []).append(job)
    claimed = []
    for device in host.devices.values():
        for held in device.held:
            if not held.holder.job:
                continue
            named = [job for job in by_id.get(held.holder.job, ()) if _overlaps(job, host.name, held)]
            if not named:
                numbers = {"duration_ms": held.end_ms - held.start_ms}
                found.append(Irregularity(Kind.NO_RECORD, device.uid, held.holder.job, held.start_ms, numbers))
            for job in named:
                claim = Claim(host.name, held.start_ms, held.end_ms, (device.uid,))
                claimed.append(job._replace(claims=(claim,)))
    return claimed


def _overlaps(job: Workload, host: str, held: Held) -> bool:
    return any(
        claim.host == host and claim.start_ms <= held.end_ms and (claim.end_ms is None or held.start_ms <= claim.end_ms)
        for claim in job.claims
    )


def _seen(run: str, seen: Sequence[_Seen], host: str, cluster: str, known: Workload | None) -> Workload:
    claims = tuple(Claim(host, each.held.start_ms, each.held.end_ms, (each.uid,)) for each in seen)
    if known is not None:
        return known._replace(claims=claims)
    first = seen[0].held.holder
    containers = sorted({each.held.holder.container for each in seen})
    facts = {"cluster": cluster, "namespace": first.namespace, "pod": first.pod, "container": containers[0]}
    return Workload(run, run, first.namespace, claims, facts, host)


def _run(cluster: str, namespace: str, pod: str) -> str:
    return require_name(f"kubernetes/{cluster}/{namespace}/{pod}", "the samples", "pod")


def _pod(item: Any, where: str, cluster: str, lineage_label: str, found: list[Irregularity]) -> Workload | None:
    if type(item) is not dict or type(item.get("metadata")) is not dict:
        refuse("import/line", where, "not a pod")
    metadata, spec, status = item["metadata"], item.get("spec"), item.get("status")
    name, namespace = metadata.get("name"), metadata.get("namespace")
    if type(name) is not str or type(namespace) is not str or type(spec) is not dict or type(status) is not dict:
        refuse("import/line", where, "a pod without name, namespace, spec or status")
    run = require_name(f"kubernetes/{cluster}/{namespace}/{name}", where, "pod")
    node, start = spec.get("nodeName"), _time(status.get("startTime"), where)
    if type(node) is not str or not node or start is None:
        found.append(Irregularity(Kind.NOT_STARTED, where, run, 0, {"nodes": 0}))
        return None
    running = status.get("phase") not in ("Succeeded", "Failed")
    end = None if running else max(_ends(status, where), default=None)
    if not running and (end is None or end < start):
        kind = Kind.UNTIMED if end is None else Kind.UNUSABLE
        numbers = {} if end is None else {"start_s": start // 1000, "end_s": end // 1000}
        found.append(Irregularity(kind, where, run, start, numbers))
        return None
    labels = metadata.get("labels") if type(metadata.get("labels")) is dict else {}
    texts = {key: text for key, text in labels.items() if type(text) is str}
    claims = (Claim(node, start, end, None, running),) if _gpus(spec) else ()
    facts = {"cluster": cluster, "namespace": namespace, "pod": name}
    facts["pod_labels"] = "\n".join(f"{key}={text}" for key, text in texts.items())
    lineage = texts.get(lineage_label) or _controller(metadata, f"kubernetes/{cluster}/{namespace}") or run
    return Workload(run, lineage, namespace, claims, facts, where)


def _controller(metadata: Mapping[str, Any], place: str) -> str | None:
    owners = metadata.get("ownerReferences")
    for owner in owners if type(owners) is list else ():
        if type(owner) is dict and owner.get("controller") is True and type(owner.get("name")) is str:
            return f"{place}/{owner.get('kind')}/{owner['name']}"
    return None


def _gpus(spec: Mapping[str, Any]) -> bool:
    """Whether any container asks for one."""
    containers = spec.get("containers")
    for container in (containers if type(containers) is list else [])[:MAX_CONTAINERS]:
        resources = container.get("resources") if type(container) is dict else None
        limits = resources.get("limits") if type(resources) is dict else None
        if type(limits) is dict and any(str(key).startswith(_PREFIX) and str(n) != "0" for key, n in limits.items()):
            return True
    return False


def _ends(status: Mapping[str, Any], where: str) -> list[int]:
    ends = []
    containers = status.get("containerStatuses")
    for container in (containers if type(containers) is list else [])[:MAX_CONTAINERS]:
        state = container.get("state") if type(container) is dict else None
        ended = state.get("terminated") if type(state) is dict else None
        end = _time(ended.get("finishedAt"), where) if type(ended) is dict else None
        ends += [] if end is None else [end]
    return ends


def _time(value: Any, where: str) -> int | None:
    if value is None:
        return None
    try:
        return parse_time(str(value))
    except ValueError as error:
        refuse("import/time", where, str(error))
