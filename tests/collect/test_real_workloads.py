"""The real records of Slurm: what each file holds, as schemas/workloads.md says, and the traps that are in them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from attest.collect.irregular import Irregularity, count
from attest.collect.labels import Rules
from attest.collect.slurm_text import Options
from attest.collect.workload_files import Files, read_files
from attest.collect.workloads import merge

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


def read(*paths: Path) -> tuple[Files, list[Irregularity]]:
    found: list[Irregularity] = []
    files = read_files([str(path) for path in paths], HOW.get(paths[0].name, Options()), Rules(), found)
    return files, found


def rows(data: Path) -> Iterator[str]:
    for path in sorted(data.rglob("*")):
        if path.suffix in (".json", ".txt"):
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
        if path.suffix in (".json", ".txt"):
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
