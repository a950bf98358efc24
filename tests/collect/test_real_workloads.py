"""The real records of Slurm: what each file holds, as schemas/workloads.md says, and the traps that are in them."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from attest.collect.irregular import Irregularity, count
from attest.collect.labels import Rules
from attest.collect.slurm_text import Options
from attest.collect.workload_files import Files, read_files
from attest.collect.workloads import Workload, merge
from attest.errors import ImportDataError

PAGE = Path(__file__).resolve().parents[2] / "schemas" / "workloads.md"
# From the README of the data: `--format` of sacct and of sstat.
SACCT = (
    "JobID,JobName,User,Partition,NodeList,NNodes,NCPUs,NTasks,State,Submit,Start,End,Timelimit,Elapsed,TotalCPU,"
    "CPUTime,UserCPU,SystemCPU,ReqMem,MaxRSS,MaxVMSize,ReqTRES,AllocTRES,TRESUsageInMax,TRESUsageInTot,TRESUsageOutTot,"
    "MaxDiskRead,MaxDiskWrite,MaxRSSNode,MaxRSSTask,MaxVMSizeNode,MaxVMSizeTask,MaxDiskReadNode,MaxDiskReadTask,"
    "MaxDiskWriteNode,MaxDiskWriteTask,Comment"
)
SSTAT = (
    "JobID,NTasks,MaxRSS,MaxVMSize,TRESUsageInMax,TRESUsageInTot,TRESUsageOutTot,MaxDiskRead,MaxDiskWrite,MaxRSSNode,"
    "MaxRSSTask,MaxVMSizeNode,MaxVMSizeTask,MaxDiskReadNode,MaxDiskReadTask,MaxDiskWriteNode,MaxDiskWriteTask"
)
HOW = {
    "sacct.txt": Options(tuple(SACCT.split(",")), "☃", "habrok", 3600),
    "sstat.txt": Options(tuple(SSTAT.split(",")), "|", "habrok", 3600),
}
FAILED = "slurm-job-gpus-archived.json"  # slurmctld did not know the job any more


def read(*paths: Path) -> tuple[Files, list[Irregularity]]:
    found: list[Irregularity] = []
    files = read_files([str(path) for path in paths], HOW.get(paths[0].name, Options()), Rules(), found)
    return files, found


def rows(data: Path) -> Iterator[str]:
    for path in sorted(data.rglob("*")):
        if path.name == FAILED:
            with pytest.raises(ImportDataError) as info:
                read(path)
            yield f"| {path.relative_to(data)} | - | - | - | - | refused: {info.value.code} |"
        elif path.suffix in (".json", ".txt"):
            files, found = read(path)
            (file,) = files.files
            what = ", ".join(f"{kind} {number}" for kind, number in count(found).items()) or "-"
            counts = " | ".join(map(str, (file.jobs, file.steps, file.nodes, file.gpus)))
            yield f"| {path.relative_to(data)} | {counts} | {what} |"


def test_the_table_of_the_page(shared: Path) -> None:
    told = list(rows(shared / "data" / "slurm-accounting"))
    assert len(told) == 39
    page = PAGE.read_text("utf-8")
    assert "\n".join(told) in page, "\n".join(told)


def test_every_job_is_a_run_or_reported(shared: Path) -> None:
    for path in sorted((shared / "data" / "slurm-accounting").rglob("*")):
        if path.suffix in (".json", ".txt") and path.name != FAILED:
            files, found = read(path)
            lost = [i for i in found if i.kind in ("not-started", "ends-before-start")]
            assert len(files.workloads) + len(lost) == files.files[0].jobs, path.name


def test_a_gpu_of_every_job_that_was_given_some(shared: Path) -> None:
    """Slurm-web's GPU jobs: only slurmctld knows of GPUs, and a later record of slurmdbd adds none."""
    data = shared / "data" / "slurm-accounting" / "slurmrestd-25.11-0.0.44"
    for name, expected in {"multi-nodes": [4, 4], "per-node": [1, 1], "per-socket": [2], "running": [4]}.items():
        files, found = read(data / f"slurm-job-gpus-{name}.json", data / f"slurmdb-job-gpus-{name}.json")
        (run,) = merge(files.workloads)
        assert [len(claim.devices or ()) for claim in run.claims] == expected
        assert "gpus-unknown" not in count(found)


def older(value: Any, key: str = "") -> Any:
    """What slurmrestd of 21.08 (dbv0.0.37, v0.0.37) would have answered: plain numbers and null for none, a text for a
    state, no warnings and no count of requeues, and the description of itself under another name."""
    if isinstance(value, list):
        return value[0] if key in ("current", "job_state") else [older(each) for each in value]
    if not isinstance(value, dict):
        return None if value == "" or (key == "count" and value == -2) else value
    if value.keys() == {"set", "infinite", "number"}:
        return 4_294_967_295 if value["infinite"] else value["number"] if value["set"] else None
    if key == "meta":
        return {"plugin": {"type": "openapi/dbv0.0.37"}, "Slurm": {"release": "21.08.8-2"}}
    return {name: older(each, name) for name, each in value.items() if name not in ("warnings", "restart_cnt")}


def middle(value: Any, key: str = "") -> Any:
    """Of 23.02 (0.0.39): numbers as now, and still a text for a state."""
    if isinstance(value, list):
        return value[0] if key in ("current", "job_state") else [middle(each) for each in value]
    return {name: middle(each, name) for name, each in value.items()} if isinstance(value, dict) else value


@pytest.mark.parametrize("form", [older, middle])
def test_a_reply_tells_the_same_in_the_forms_of_older_versions(
    shared: Path, tmp_path: Path, form: Callable[[Any], Any]
) -> None:
    def told(path: Path) -> tuple[list[Workload], dict[str, int]]:
        files, found = read(path)
        here = [run._replace(where="", facts=run.facts | {"comment": ""}) for run in files.workloads]
        return here, {kind: number for kind, number in count(found).items() if kind != "partial"}

    data, compared = shared / "data" / "slurm-accounting" / "slurmrestd-25.11-0.0.44", 0
    for path in sorted(data.glob("*.json")):
        if path.name == FAILED:
            continue
        other = tmp_path / path.name
        other.write_text(json.dumps(form(json.loads(path.read_bytes()))))
        assert other.read_bytes() != path.read_bytes()
        assert told(other) == told(path), path.name
        compared += len(told(path)[0])
    assert compared > 25


def test_a_failed_reply_is_refused_with_slurms_own_words(shared: Path) -> None:
    path = shared / "data" / "slurm-accounting" / "slurmrestd-25.11-0.0.44" / FAILED
    with pytest.raises(ImportDataError) as info:
        read(path)
    assert "Invalid job id specified: Unable to query JobId=4637" in info.value.detail
    _, found = read(path.with_name("slurmdb-job-unfound.json"))
    assert [(i.kind, i.who, i.numbers) for i in found] == [
        ("partial", "slurmdb_jobs_get() found nothing", {"warnings": 1})
    ]


def test_nodes_tell_which_jobs_can_have_had_gpus(shared: Path) -> None:
    data = shared / "data" / "slurm-accounting" / "habrok-groningen"
    alone, found = read(data / "sacct.txt")
    known, fewer = read(data / "sacct.txt", data / "scontrol.txt")
    assert (count(found)["gpus-unknown"], count(fewer)["gpus-unknown"]) == (68, 9)
    assert len(alone.workloads) == len(known.workloads) == 90
    hosts = {claim.host for run in known.workloads for claim in run.claims}
    assert {host for host in hosts if "gpu" not in host} == {"node104"}  # which scontrol does not list


def test_the_summer_of_2024_began_in_one_job(shared: Path) -> None:
    _, found = read(shared / "data" / "slurm-accounting" / "habrok-groningen" / "sacct.txt")
    (summer,) = [irregularity for irregularity in found if irregularity.kind == "elapsed-differs"]
    assert summer.who.startswith("slurm/habrok/7195760@")
    assert summer.numbers == {"apart_s": 10 * 86_400 + 3_627, "elapsed_s": 10 * 86_400 + 27}


@pytest.mark.parametrize("hours", [0, 1])
def test_a_run_s_name_follows_the_zone(shared: Path, hours: int) -> None:
    path = shared / "data" / "slurm-accounting" / "habrok-groningen" / "sacct.txt"
    options = HOW["sacct.txt"]._replace(utc_offset=hours * 3600)
    files = read_files([str(path)], options, Rules(), [])
    assert files.workloads[0].run == f"slurm/habrok/4034541@{1_693_484_987 - hours * 3600}"
