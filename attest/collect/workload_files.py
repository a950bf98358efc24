"""Files of workloads, each read as what it is: nobody has to say which kind it is (schemas/workloads.md, "Files").

| a file | is |
|---|---|
| JSON with `jobs`, `nodes` | of `sacct --json` or slurmrestd |
| JSON with `items` | of `kubectl get pods -o json` |
| lines `NodeName=...` | of `scontrol show -o nodes` |
| a first line with `JobID`, or columns that the caller names | of `sacct --parsable2` |
| a first line with `run`; a name in .toml | the lab's own |
"""

import json
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from attest.collect.files import whole
from attest.collect.irregular import Irregularity, refuse
from attest.collect.kubernetes import read_pods
from attest.collect.labels import Rules
from attest.collect.run_files import is_header, read_csv, read_toml
from attest.collect.slurm import Job, workloads
from attest.collect.slurm_json import Read, read_jobs, read_nodes, require_answer
from attest.collect.slurm_text import Options, layout, read_sacct, read_scontrol
from attest.collect.workloads import Workload

MAX_FILE: Final = 256 << 20  # bytes: some 25,000 jobs in JSON with their steps, or a million of sacct's lines
MAX_BLANK: Final = 100  # lines before the one that says what a file is


class File(NamedTuple):
    """What was found in one file: of what kind it is, jobs, steps, pods or rows, nodes, and GPUs of jobs and nodes."""

    name: str
    kind: str
    jobs: int = 0
    steps: int = 0
    pods: int = 0
    rows: int = 0
    nodes: int = 0
    gpus: int = 0


class Files(NamedTuple):
    """What files tell: workloads of Slurm and the lab's own files, pods, and a line for each file."""

    workloads: list[Workload]
    pods: list[Workload]
    files: list[File]


def read_files(names: Sequence[str], options: Options, rules: Rules, found: list[Irregularity]) -> Files:
    """Read them all; what is not usable is added to `found`. Raises ImportDataError with file and place, and
    AgreementError for TOML."""
    jobs: list[Job] = []
    nodes: dict[str, int] = {}
    rows: list[Workload] = []
    pods: list[Workload] = []
    files: list[File] = []
    for name in names:
        data = whole(name, MAX_FILE)
        first = next((line for line in data.split(b"\n", MAX_BLANK) if line.strip()), b"").decode("utf-8", "replace")
        if name.endswith(".toml"):
            read = read_toml(data, name)
            rows += read
            files.append(File(name, "runs", rows=len(read)))
        elif first.lstrip().startswith("{"):
            value = _json(data, name)
            if "items" in value:
                pods += read_pods(value, name, _cluster(options, name), rules.lineage_label, found)
                files.append(File(name, "pods", pods=len(value["items"])))
            else:
                require_answer(value, name, found)
                _took(_slurm(value, name, options), name, jobs, nodes, files)
        elif first.startswith("NodeName="):
            _took(read_scontrol(data.splitlines(), name), name, jobs, nodes, files)
        elif options.columns is not None or layout(first, options.delimiter) is not None:
            _took(read_sacct(data.splitlines(), name, options, found), name, jobs, nodes, files)
        elif is_header(first):
            read = read_csv(data.splitlines(), name, options.utc_offset)
            rows += read
            files.append(File(name, "runs", rows=len(read)))
        else:
            hint = "sacct without a header needs --sacct-columns; schemas/workloads.md lists what is read"
            refuse("import/format", name, "none of the kinds of files that tell of runs", hint)
    return Files([*workloads(jobs, nodes, rules.resets, found), *rows], pods, files)


def _took(read: Read, name: str, jobs: list[Job], nodes: dict[str, int], files: list[File]) -> None:
    jobs += read.jobs
    nodes.update(read.nodes)
    gpus = sum(job.total or 0 for job in read.jobs if job.hosts) + sum(read.nodes.values())
    files.append(File(name, "slurm", len(read.jobs), read.steps, nodes=len(read.nodes), gpus=gpus))


def _slurm(value: dict[str, Any], name: str, options: Options) -> Read:
    if "nodes" in value:
        return read_nodes(value, name)
    return read_jobs(value, name, options.cluster)


def _cluster(options: Options, name: str) -> str:
    if options.cluster is None:
        refuse("import/cluster", name, "pods of no cluster", "say which with --cluster")
    return options.cluster


def _json(data: bytes, name: str) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        refuse("import/line", name, f"not JSON: {type(error).__name__} {str(error)[:100]}")
    if type(value) is not dict:
        refuse("import/line", name, "not an object of JSON")
    return value
