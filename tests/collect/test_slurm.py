"""Slurm's records: each trap that they set, and what is made of it."""

import json
from typing import Any

import pytest

from attest.collect import slurm_json, slurm_text
from attest.collect.gres import Gpus, gres_gpus, requested_gpus, tres_gpus
from attest.collect.hostlist import MAX_HOSTS, expand_hosts
from attest.collect.irregular import Irregularity, count
from attest.collect.slurm import workloads
from attest.collect.slurm_text import Options
from attest.collect.workloads import Workload, merge
from attest.errors import ImportDataError

T = 1_762_788_040
HEADER = "Cluster|JobID|Submit|Start|End|Elapsed|State|NodeList|AllocTRES|Restarts|Account|User|Comment"
NO_VAL64 = (1 << 64) - 2


def accounted(**changes: Any) -> dict[str, Any]:
    """A job as slurmdbd has it."""
    time = {"submission": T, "start": T + 10, "end": T + 100, "elapsed": 90, "suspended": 0}
    tres = [{"type": "energy", "name": "", "id": 3, "count": -2}, {"type": "node", "name": "", "id": 4, "count": 1}]
    job = {
        "job_id": 7, "cluster": "hpc", "account": "physics", "user": "ada", "partition": "gpu", "qos": "normal",
        "name": "wrap", "nodes": "gpu1", "restart_cnt": 0, "time": time, "state": {"current": ["COMPLETED"]},
        "tres": {"allocated": tres}, "comment": {"job": "", "administrator": "", "system": ""}, "steps": [],
        "array": {"job_id": 0, "task_id": {"set": False, "number": 0}}, "het": {"job_id": 0},
    }  # fmt: skip
    return job | changes


def gpus(number: int, name: str = "gpu") -> dict[str, Any]:
    return {"allocated": [{"type": "gres", "name": name, "id": 1001, "count": number}]}


def number(value: int) -> dict[str, Any]:
    return {"set": True, "infinite": False, "number": value}


def controlled(**changes: Any) -> dict[str, Any]:
    """A job as slurmctld has it, running."""
    job = {
        "job_id": 7, "cluster": "hpc", "account": "physics", "user_name": "ada", "nodes": "gpu[1-2]",
        "job_state": ["RUNNING"], "submit_time": number(T), "start_time": number(T + 10), "end_time": number(T + 3610),
        "gres_detail": ["gpu:h100:4(IDX:0-3)", "gpu:h100:2(IDX:0,2)"], "tres_per_job": "gres/gpu:6", "comment": "",
        "restart_cnt": 0, "array_job_id": number(0), "het_job_id": number(0),
    }  # fmt: skip
    return job | changes


def told(*jobs: dict[str, Any], nodes: dict[str, int] | None = None) -> tuple[list[Workload], dict[str, int]]:
    read = slurm_json.read_jobs({"jobs": list(jobs), "last_update": number(T + 60)}, "jobs.json", None)
    found: list[Irregularity] = []
    return workloads(read.jobs, nodes or {}, {}, found), count(found)


def sacct(*rows: str, header: str = HEADER, **how: Any) -> tuple[list[Workload], dict[str, int]]:
    found: list[Irregularity] = []
    options = Options(**({"utc_offset": 0} | how))
    text = [line.encode() for line in (header, *rows) if line]
    read = slurm_text.read_sacct(text, "jobs.txt", options, found)
    return workloads(read.jobs, {}, {}, found), count(found)


def row(**changes: str) -> str:
    fields = {
        "Cluster": "hpc", "JobID": "7", "Submit": "2025-11-10T15:20:40", "Start": "2025-11-10T15:20:50",
        "End": "2025-11-10T15:22:20", "Elapsed": "00:01:30", "State": "COMPLETED", "NodeList": "gpu1",
        "AllocTRES": "cpu=8,gres/gpu=2", "Restarts": "0", "Account": "physics", "User": "ada", "Comment": "",
    }  # fmt: skip
    return "|".join((fields | changes).values())


# -- lists of nodes and of GPUs


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("gpu1", ("gpu1",)),
        ("a[1-3,7],b2", ("a1", "a2", "a3", "a7", "b2")),
        ("n[008-010]", ("n008", "n009", "n010")),
        ("n[8-10]", ("n8", "n9", "n10")),
        ("r[1-2]n[1-2]", ("r1n1", "r1n2", "r2n1", "r2n2")),
        ("n1,n1,n[1-2]", ("n1", "n2")),
        ("None assigned", ()),
        ("(null)", ()),
        ("", ()),
    ],
)
def test_lists_of_nodes(text: str, hosts: tuple[str, ...]) -> None:
    assert expand_hosts(text) == hosts


@pytest.mark.parametrize(
    "text",
    [
        "a[1-[2-3]]", "a[1-3", "a1-3]", "a[]", "a[3-1]", "a[x]", "a[1-2-3]", "a,,b", ",a", "a,", "a b", "a[-1]",
        "a[0-99999999999]", "a[0-999][0-999]", "n[0-65536]", "a[0-9]" * 5, "a[1" + "0" * 40 + "]", "a[٣]",
    ],
)  # fmt: skip
def test_hostile_lists_of_nodes_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        expand_hosts(text)


def test_a_list_of_as_many_nodes_as_may_be() -> None:
    assert len(expand_hosts(f"n[1-{MAX_HOSTS}]")) == MAX_HOSTS


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("gpu:h100:4(IDX:0-3)", Gpus(4, (0, 1, 2, 3))),
        ("gpu:4", Gpus(4, None)),
        ("gpu:h100:0(IDX:N/A)", Gpus(0, ())),
        ("gpu:a100:1(IDX:0),gpu:h100:2(IDX:4,6)", Gpus(3, (0, 4, 6))),
        ("gpu:a100:4(S:0-1)", Gpus(4, None)),
        ("gpu:1g.10gb:2(IDX:0-1)", Gpus(2, None)),  # instances of MIG are no devices
        ("gpu:h100:4(IDX:0-2)", Gpus(4, None)),  # four GPUs do not have three indices
        ("gpu:h100:4(IDX:3-0)", Gpus(4, None)),
        ("shard:2(IDX:0)", None),
        ("(null)", None),
    ],
)
def test_gres(text: str, expected: Gpus | None) -> None:
    assert gres_gpus(text) == expected


def test_tres_and_requests() -> None:
    assert tres_gpus("billing=8,gres/gpu:a100=2,gres/gpu:h100=1,mem=1G") == 3
    assert tres_gpus("gres/gpu:a100=2,gres/gpu=2") == 2
    assert tres_gpus("cpu=8,gres/gpumem=7,gres/gpuutil=3") is None
    asked = ("gpu", "gpu:2", "gres:gpu:2", "gres/gpu=2", "gres/gpu:h100:3", "cpu=4")
    assert [requested_gpus(text) for text in asked] == [1, 2, 2, 2, 3, None]


# -- accounting


def test_a_job_whose_accounting_has_no_gpus_has_the_whole_host() -> None:
    (run,), found = told(accounted())
    assert (run.run, run.lineage, run.owner) == (f"slurm/hpc/7@{T}", "slurm/hpc/7", "physics")
    assert run.claims == ((("gpu1", (T + 10) * 1000, (T + 100) * 1000, None, False)),)
    assert found == {"gpus-unknown": 1}


def test_gpus_are_absent_only_until_somebody_has_some() -> None:
    jobs = [accounted(job_id=n, time={"submission": T, "start": T + n, "end": T + 100}) for n in (1, 3)]
    (before, some, after), found = told(
        jobs[0], accounted(job_id=2, tres=gpus(1), time={"submission": T, "start": T + 2, "end": T + 100}), jobs[1]
    )
    assert [len(run.claims) for run in (before, some, after)] == [1, 1, 0]
    assert found == {"gpus-unknown": 1, "devices-unknown": 1}


def test_what_nodes_have_settles_what_jobs_leave_open() -> None:
    (run,), found = told(accounted(nodes="cn1"), nodes={"cn1": 0})
    assert (run.claims, found) == ((), {})
    (run,), found = told(accounted(tres=gpus(4)), nodes={"gpu1": 4})
    assert (run.claims[0].devices, found) == (None, {})


@pytest.mark.parametrize(
    "value", [-2, NO_VAL64, 0xFFFFFFFE, 0xFFFFFFFF, {"set": False, "number": 5}, True, "7", None, 1.5]
)
def test_no_value_is_none(value: Any) -> None:
    assert slurm_json.number(value) is None


def test_gpus_of_no_value_are_not_counted() -> None:
    _, found = told(accounted(tres=gpus(-2)))
    assert found == {"gpus-unknown": 1}


def test_a_running_job_ends_when_it_was_last_seen() -> None:
    (run,), found = told(accounted(time={"submission": T, "start": T + 10, "end": 0, "elapsed": 30, "suspended": 5},
                                   state={"current": ["RUNNING"]}, tres=gpus(1)))  # fmt: skip
    assert (run.claims[0].end_ms, run.claims[0].running) == ((T + 45) * 1000, True)
    assert found == {"still-running": 1, "devices-unknown": 1}


def test_the_end_of_a_limit_is_no_end() -> None:
    (run,), _ = told(controlled())
    assert {claim.end_ms for claim in run.claims} == {(T + 60) * 1000}  # last_update, not end_time
    assert {claim.running for claim in run.claims} == {True}


@pytest.mark.parametrize(
    "job",
    [
        accounted(state={"current": ["PENDING"]}, nodes="None assigned", time={"submission": T, "start": 0, "end": 0}),
        accounted(
            state={"current": ["CANCELLED"]}, nodes="None assigned", time={"submission": T, "start": 0, "end": T}
        ),
        controlled(job_state=["PENDING"], nodes="", gres_detail=[]),
    ],
)
def test_a_job_that_never_ran_is_reported(job: dict[str, Any]) -> None:
    assert told(job) == ([], {"not-started": 1})


def test_a_job_that_ends_before_it_starts_is_left_out() -> None:
    assert told(accounted(time={"submission": T, "start": T + 10, "end": T + 9})) == ([], {"ends-before-start": 1})


# -- the live record


def test_indices_come_from_gres_detail() -> None:
    (run,), found = told(controlled())
    assert [(claim.host, claim.devices) for claim in run.claims] == [("gpu1", (0, 1, 2, 3)), ("gpu2", (0, 2))]
    assert found == {"still-running": 1}


@pytest.mark.parametrize(
    ("request_", "nodes", "expected"),
    [
        ({"tres_per_job": "gres/gpu:4"}, "gpu1", {"devices-unknown": 1}),
        ({"tres_per_job": "", "tres_per_node": "gres/gpu:4"}, "gpu[1-2]", {}),  # all that these nodes have
        ({"tres_per_job": "", "tres_per_task": "gres/gpu=2"}, "gpu1", {"devices-unknown": 1}),
        ({"tres_per_job": "", "tres_per_socket": "gres/gpu:2"}, "gpu1", {"devices-unknown": 1}),
    ],
)
def test_after_its_end_a_job_is_known_by_what_it_asked_for(
    request_: dict[str, str], nodes: str, expected: dict[str, int]
) -> None:
    ended = {"job_state": ["COMPLETED"], "end_time": number(T + 100), "gres_detail": [], "nodes": nodes} | request_
    known = {"gpu1": 4, "gpu2": 4} if "tres_per_node" in request_ else {}
    (run,), found = told(controlled(**ended), nodes=known)
    assert {claim.devices for claim in run.claims} == {None}
    assert found == expected


def test_a_live_record_without_gpus_has_none() -> None:
    (run,), found = told(controlled(gres_detail=[], tres_per_job="", nodes="cn1"))
    assert (run.claims, found) == ((), {"still-running": 1})


def test_an_early_record_knows_the_devices_and_a_late_one_the_end() -> None:
    runs, found = told(controlled(), accounted(nodes="gpu[1-2]"))
    (run,) = merge(runs)
    assert [(c.host, c.devices, c.end_ms, c.running) for c in run.claims] == [
        ("gpu1", (0, 1, 2, 3), (T + 100) * 1000, False),
        ("gpu2", (0, 2), (T + 100) * 1000, False),
    ]
    assert "gpus-unknown" not in found


# -- ids, arrays, requeues


def test_arrays_and_heterogeneous_jobs_are_one_lineage() -> None:
    array = [
        accounted(
            job_id=50 + n, array={"job_id": 50, "task_id": number(n)}, time={"submission": T, "start": T, "end": T + 1}
        )
        for n in (0, 1)
    ]
    het = [accounted(job_id=90 + n, het={"job_id": 90, "job_offset": number(n)}) for n in (0, 1)]
    runs, _ = told(*array, *het)
    assert [run.run for run in runs] == [f"slurm/hpc/{name}@{T}" for name in ("50_0", "50_1", "90+0", "90+1")]
    assert [run.lineage for run in runs] == ["slurm/hpc/50"] * 2 + ["slurm/hpc/90"] * 2


def test_json_and_text_name_a_run_alike() -> None:
    (from_json,), _ = told(accounted(array={"job_id": 7, "task_id": number(3)}, job_id=9))
    (from_text,), _ = sacct(row(JobID="7_3"))
    assert (from_json.run, from_json.lineage, from_json.owner) == (from_text.run, from_text.lineage, from_text.owner)


def test_hidden_requeues_are_reported_and_shown_ones_are_runs_of_one_lineage() -> None:
    later = accounted(restart_cnt=1, time={"submission": T + 500, "start": T + 600, "end": T + 700}, tres=gpus(1))
    _, found = told(later)
    assert found["requeues-hidden"] == 1
    runs, found = told(accounted(state={"current": ["NODE_FAIL"]}, tres=gpus(1)), later)
    assert [run.run for run in runs] == [f"slurm/hpc/7@{T}", f"slurm/hpc/7@{T + 500}"]
    assert {run.lineage for run in runs} == {"slurm/hpc/7"}
    assert "requeues-hidden" not in found
    assert "id-again" not in found


def test_an_id_that_comes_again_is_reported_and_another_lineage_where_the_lab_says_so() -> None:
    jobs = [accounted(time={"submission": at, "start": at, "end": at + 1}) for at in (T, T + 10**7)]
    read = slurm_json.read_jobs({"jobs": jobs}, "jobs.json", None)
    found: list[Irregularity] = []
    assert [run.lineage for run in workloads(read.jobs, {}, {}, found)] == ["slurm/hpc/7"] * 2
    assert count(found)["id-again"] == 1
    again = workloads(read.jobs, {}, {"hpc": (T + 5,), "other": (T,)}, [])
    assert [run.lineage for run in again] == ["slurm/hpc/7", "slurm/hpc/7#1"]


def test_a_comment_names_the_lineage() -> None:
    (run,), _ = told(accounted(comment={"job": "phase=2 lineage=llama-5", "administrator": ""}))
    assert run.lineage == "llama-5"


# -- sacct's text


@pytest.mark.parametrize("delimiter", ["|", "☃", "^^", "\t", ";"])
def test_any_delimiter_and_one_more_at_the_end(delimiter: str) -> None:
    (run,), _ = sacct(row().replace("|", delimiter) + delimiter, header=HEADER.replace("|", delimiter), delimiter=None)
    assert run.run == f"slurm/hpc/7@{T}"


def test_without_a_header_the_caller_names_the_columns() -> None:
    (run,), _ = sacct(row().replace("|", "☃"), header="", columns=tuple(HEADER.split("|")), delimiter="☃")
    assert run.run == f"slurm/hpc/7@{T}"


def test_steps_belong_to_their_job_and_one_alone_is_reported() -> None:
    steps = [row(JobID=f"7.{step}") for step in ("batch", "extern", "0")]
    runs, found = sacct(row(), *steps, row(JobID="8.batch"))
    assert (len(runs), found) == (1, {"step-alone": 1, "devices-unknown": 1})


def test_times_need_a_zone_and_unix_times_do_not() -> None:
    with pytest.raises(ImportDataError, match="import/zone"):
        sacct(row(), utc_offset=None)
    (run,), _ = sacct(row(Submit=str(T), Start=str(T + 10), End=str(T + 100)), utc_offset=None)
    assert run.claims[0].end_ms == (T + 100) * 1000
    (shifted,), _ = sacct(row(), utc_offset=3600)
    assert shifted.run == f"slurm/hpc/7@{T - 3600}"


def test_a_summer_that_begins_in_a_job_is_reported() -> None:
    _, found = sacct(row(Start="2024-03-30T23:00:00", End="2024-03-31T07:00:00", Elapsed="07:00:00"))
    assert found["elapsed-differs"] == 1
    _, found = sacct(row(Start="2024-10-26T23:00:00", End="2024-10-27T07:00:00", Elapsed="09:00:00"))
    assert found["elapsed-differs"] == 1


@pytest.mark.parametrize("end", ["Unknown", "None", "0", ""])
def test_a_running_job_has_no_end(end: str) -> None:
    (run,), found = sacct(row(End=end, State="RUNNING", Elapsed="1-00:00:30"))
    assert run.claims[0].end_ms == (T + 10 + 86_430) * 1000
    assert found["still-running"] == 1


def test_who_cancelled_is_no_part_of_the_state() -> None:
    (run,), _ = sacct(row(State="CANCELLED by 10304007"))
    assert not run.claims[0].running


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2-12:00:06", 216_006),
        ("10-00:00:27", 864_027),
        ("03:34:13", 12_853),
        ("31:05.120", 1_865),
        ("x", None),
        ("1", None),
    ],
)
def test_durations(text: str, seconds: int | None) -> None:
    assert slurm_text.parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (row(JobID="seven"), "import/line"),
        (row(Comment="a|b"), "import/line"),
        (row(Submit="Unknown"), "import/time"),
        (row(Start="yesterday"), "import/time"),
        (row(NodeList="n[1-99999999]"), "import/nodes"),
        (row(State=""), "import/line"),
        (row(Cluster=""), "import/cluster"),
        (row(Cluster="h\u202epc"), "import/name"),
        (row(Cluster="h" * 600), "import/name"),
    ],
)
def test_a_line_that_cannot_be_read_ends_the_import_with_its_number(line: str, code: str) -> None:
    with pytest.raises(ImportDataError, match=f"{code}: jobs.txt:3"):
        sacct(row(JobID="6"), line)


def test_records_without_times_are_reported() -> None:
    assert sacct("7", "8.batch", "9.0", header="JobID") == ([], {"no-times": 1, "step-alone": 2})


# -- hostile JSON


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ({"jobs": 7}, "import/line"),
        ({"jobs": [7]}, "import/line"),
        ({"jobs": [{}]}, "import/line"),
        ({"jobs": [accounted(job_id=-2)]}, "import/line"),
        ({"jobs": [accounted(time={})]}, "import/time"),
        ({"jobs": [accounted(state={"current": []})]}, "import/line"),
        ({"jobs": [accounted(nodes="a[1-[2]]")]}, "import/nodes"),
        ({"jobs": [controlled(job_state=7)]}, "import/line"),
    ],
)
def test_jobs_that_are_none(value: dict[str, Any], code: str) -> None:
    with pytest.raises(ImportDataError, match=f"{code}: jobs.json"):
        slurm_json.read_jobs(value, "jobs.json", None)


@pytest.mark.parametrize(
    ("errors", "says"),
    [
        ([{"error": "Unable to query", "errno": 2017}], "error: Unable to query"),
        ([{"description": "cluster b", "error_number": 7000, "error": "No reply"}], "error: No reply: cluster b"),
        (["Zero Bytes", "and this"], "error: Zero Bytes, and 1 more"),
        ({"error": "no list"}, "error: no list"),
        ([{}], "error: without a reason"),
        ([{"error": 7}], "error: without a reason"),
        ([None], "error: None"),
        (7, "error: 7"),
        ([{"error": "\x1b[2J\u202e" + "x" * 9_000}], "error: ?[2J?xxx"),
    ],
)
def test_a_reply_with_errors_is_none_whatever_jobs_stand_beside_them(errors: Any, says: str) -> None:
    with pytest.raises(ImportDataError, match=r"import/reply: jobs\.json: ") as info:
        slurm_json.require_answer({"jobs": [accounted()], "errors": errors}, "jobs.json", [])
    assert says in info.value.detail and len(info.value.detail) < 300


@pytest.mark.parametrize("none", [[], None, {}, ""])
def test_a_reply_without_errors_is_one_and_its_warnings_are_told(none: Any) -> None:
    found: list[Irregularity] = []
    slurm_json.require_answer({"jobs": [], "errors": none, "warnings": none}, "jobs.json", found)
    slurm_json.require_answer({"jobs": []}, "jobs.json", found)
    assert found == []
    warnings = [{"description": "deprecated", "source": "x"}, {"description": "found nothing"}]
    slurm_json.require_answer({"jobs": [], "errors": none, "warnings": warnings}, "jobs.json", found)
    assert [(i.kind, i.where, i.who, i.numbers) for i in found] == [
        ("partial", "jobs.json", "deprecated", {"warnings": 2})
    ]


def test_older_forms_of_fields() -> None:
    (run,), _ = told(accounted(state={"current": "COMPLETED"}, comment="lineage=old", tres=gpus(1)))
    assert run.lineage == "old"
    plain = {"submit_time": T, "start_time": T + 10, "end_time": T + 50, "job_state": "COMPLETED", "gres_detail": []}
    (run,), _ = told(controlled(**plain))
    assert run.claims[0].end_ms == (T + 50) * 1000


JUNK = (None, 7, -1, "x", [], {}, [[]], {"set": True, "number": "x"}, 1e300, [None], {"allocated": [7]})


@pytest.mark.parametrize("job", [accounted(), controlled()], ids=["slurmdbd", "slurmctld"])
def test_a_field_of_any_other_type_is_read_as_absent_or_refused(job: dict[str, Any]) -> None:
    codes = set()
    for key in job:
        for junk in JUNK:
            try:
                read = slurm_json.read_jobs(json.loads(json.dumps({"jobs": [job | {key: junk}]})), "jobs.json", "hpc")
                assert len(read.jobs) == 1
                workloads(read.jobs, {}, {}, [])
            except ImportDataError as error:
                codes.add(error.code)
    assert codes == {"import/line", "import/time"}
