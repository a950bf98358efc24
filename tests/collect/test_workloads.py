"""Workloads from plain files and pods, the lab's rules, and which run an interval belongs to."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attest.collect.dcgm import read_expositions
from attest.collect.devices import Host, gather_series
from attest.collect.exporters import Holder
from attest.collect.grid import Grid
from attest.collect.irregular import Irregularity, count
from attest.collect.kubernetes import read_pods, seen_jobs, seen_pods
from attest.collect.labels import Rules, apply_rules, parse_rules, rename_hosts
from attest.collect.occupancy import NOBODY, occupy, on_host
from attest.collect.run_files import read_csv, read_toml
from attest.collect.slurm_text import Options
from attest.collect.times import Times
from attest.collect.workload_files import read_files
from attest.collect.workloads import Claim, Workload, merge
from attest.errors import AgreementError, ImportDataError
from attest.format.vocabulary import Label, Precision

GRID = Grid(60, 0, 10, 0)
CSV = "run,label,start,end,host,devices,owner,parent\n"


def run(name: str, *claims: tuple[Any, ...], lineage: str = "", label: Label = Label.NONE) -> Workload:
    """A run of claims on host n1: start and end in s, and devices."""
    made = tuple(
        Claim("n1", start * 1000, end if end is None else end * 1000, devices) for start, end, devices in claims
    )
    return Workload(name, lineage or name, "", made, {}, "", label)


def occupied(*runs: Workload, minor: int = 0) -> list[int]:
    return occupy(runs, ("GPU-0",), minor, GRID).runs.tolist()


# -- which run


def test_an_interval_belongs_to_the_run_that_had_the_device_longest() -> None:
    a, b = run("a", (0, 100, (0,))), run("b", (100, 300, (0,)))
    assert occupied(a, b) == [0, 0, 1, 1, 1] + [NOBODY] * 5
    assert occupied(b, a) == [1, 1, 0, 0, 0] + [NOBODY] * 5
    assert occupied(run("a", (61, 62, (0,)))) == [NOBODY, 0] + [NOBODY] * 8  # whoever else could have worked in it?


def test_of_equal_parts_the_earlier_run_counts() -> None:
    assert occupied(run("b", (30, 60, (0,))), run("a", (0, 30, (0,))))[0] == 1


def test_devices_are_known_by_index_or_by_name() -> None:
    runs = run("a", (0, 60, (1,))), run("b", (60, 120, ("GPU-0",))), run("c", (120, 180, (0, "GPU-9")))
    assert occupied(*runs, minor=1)[:3] == [0, 1, NOBODY]
    assert occupied(*runs, minor=0)[:3] == [NOBODY, 1, 2]
    assert occupy(runs, ("GPU-0",), None, GRID).runs.tolist()[:3] == [NOBODY, 1, NOBODY]


def test_a_device_that_two_lineages_had_at_one_time_is_nobodys() -> None:
    a, b = run("a", (0, 200, (0,))), run("b", (150, 300, (0,)))
    held = occupy((a, b), (), 0, GRID)
    assert held.runs.tolist()[:5] == [0, 0, NOBODY, NOBODY, 1]
    assert held.shared.tolist()[:5] == [False, False, True, True, False]


def test_runs_of_one_lineage_and_label_share_a_device() -> None:
    a, b = run("a", (0, 120, (0,)), lineage="x"), run("b", (0, 180, (0,)), lineage="x")
    assert occupied(a, b)[:3] == [0, 0, 1]
    other = b._replace(label=Label.INFERENCE)
    assert occupied(a, other)[:3] == [NOBODY, NOBODY, 1]


def test_who_names_devices_comes_before_who_has_the_whole_host() -> None:
    whole, named = run("whole", (0, 600, None)), run("named", (60, 180, (0,)))
    assert occupied(whole, named) == [0, 1, 1] + [0] * 7
    assert occupied(whole, named, minor=1) == [0] * 10


def test_what_two_have_the_whole_host_of_is_nobodys_but_where_one_names_it() -> None:
    a, b, c = run("a", (0, 600, None)), run("b", (0, 600, None)), run("c", (60, 120, (0,)))
    held = occupy((a, b, c), (), 0, GRID)
    assert held.runs.tolist() == [NOBODY, 2] + [NOBODY] * 8
    assert held.shared.tolist() == [True, False] + [True] * 8


def test_claims_outside_of_the_grid_and_without_an_end() -> None:
    assert occupied(run("a", (-500, -10, (0,))), run("b", (700, 900, (0,)))) == [NOBODY] * 10
    assert occupied(run("a", (-500, None, (0,)))) == [0] * 10
    assert occupied(run("a", (120, 120, (0,)))) == [NOBODY] * 10


def test_the_grid_may_have_a_phase() -> None:
    late = Grid(60, 0, 10, 20_000)
    assert occupy((run("a", (20, 80, (0,))),), (), 0, late).runs.tolist() == [0] + [NOBODY] * 9


spans = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20), st.sampled_from("xyz")), max_size=8)


@given(spans)
def test_it_is_as_a_naive_reading_of_the_rules_has_it(drawn: list[tuple[int, int, str]]) -> None:
    claims = [(low * 30, high * 30, lineage) for low, high, lineage in drawn if low < high]
    runs = [run(f"r{n:02}", (low, high, (0,)), lineage=lineage) for n, (low, high, lineage) in enumerate(claims)]
    expected = []
    for begin in range(0, 600, 60):
        parts = [max(min(high, begin + 60) - max(low, begin), 0) for low, high, _ in claims]
        shared = any(
            max(a[0], b[0], begin) < min(a[1], b[1], begin + 60) for a in claims for b in claims if a[2] != b[2]
        )
        best = max(parts, default=0)
        longest = [(claims[n][0], n) for n, part in enumerate(parts) if part == best]
        expected.append(NOBODY if shared or not best else min(longest)[1])
    assert occupied(*runs) == expected


def test_hosts_are_known_with_or_without_their_domain() -> None:
    runs = [run("a", (0, 60, None))]
    assert [len(on_host(runs, name)) for name in ("n1", "n1.acme.example", "n10", "n")] == [1, 1, 0, 0]
    renamed = list(rename_hosts(runs, {"n1": "i-0307"}))
    assert [len(on_host(renamed, name)) for name in ("n1", "i-0307")] == [0, 1]


# -- records that tell of one run


def test_a_record_that_knows_no_devices_adds_none() -> None:
    early, late = run("a", (0, None, (0,))), run("a", (5, 60, None))
    assert [claim.devices for claim in merge([early, late])[0].claims] == [(0,)]


@pytest.mark.parametrize(
    "changes", [{"lineage": "y"}, {"owner": "o"}, {"label": Label.TRAINING}, {"precision": Precision.FP8}]
)
def test_records_that_contradict_each_other_are_refused(changes: dict[str, Any]) -> None:
    one = run("a")._replace(lineage="x", owner="p", label=Label.INFERENCE, precision=Precision.BF16)
    with pytest.raises(ImportDataError, match="import/run-twice"):
        merge([one, one._replace(**changes)])


# -- the lab's own files


def table(text: str) -> list[Workload]:
    return read_csv(text.encode().splitlines(), "runs.csv", 0)


def test_rows_of_a_csv() -> None:
    a, b, c = table(
        CSV + "a,training,2026-11-09T00:00:00Z,2026-11-10T00:00:00Z,n[1-2],0-1,lab,\n"
        "b,,1794182400,,n1,GPU-7 GPU-8,,a\nc,inference,2026-11-09 00:00:00,,n3,,,b\n"
    )
    assert [(x.run, x.lineage, x.owner, x.label) for x in (a, b, c)] == [
        ("a", "a", "lab", Label.TRAINING), ("b", "a", "", Label.NONE), ("c", "a", "", Label.INFERENCE),
    ]  # fmt: skip
    assert [(claim.host, claim.devices, claim.running) for claim in a.claims] == [
        ("n1", (0, 1), False),
        ("n2", (0, 1), False),
    ]
    assert b.claims == (Claim("n1", 1_794_182_400_000, None, ("GPU-7", "GPU-8"), True),)


def test_a_toml_says_the_same() -> None:
    text = """[[run]]
run = "a"
label = "training"
start = 2026-11-09T00:00:00Z
end = 2026-11-10T00:00:00Z
host = "n[1-2]"
devices = "0-1"
owner = "lab"
"""
    (from_csv,) = table(CSV + "a,training,2026-11-09T00:00:00Z,2026-11-10T00:00:00Z,n[1-2],0-1,lab,\n")
    (from_toml,) = read_toml(text.encode(), "runs.toml")
    assert from_toml._replace(where="") == from_csv._replace(where="")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("run,start\na,1794182400\n", "import/column"),
        ("run,start,host,who\n", "import/column"),
        ("run,start,host,run\n", "import/column"),
        (CSV + "a,training\n", "import/line"),
        (CSV + ",,1794182400,,n1,,,\n", "import/name"),
        (CSV + "a,,,,n1,,,\n", "import/time"),
        (CSV + "a,,soon,,n1,,,\n", "import/time"),
        (CSV + "a,,1794182400,1794182399,n1,,,\n", "import/time"),
        (CSV + "a,,1794182400,,,,,\n", "import/nodes"),
        (CSV + "a,,1794182400,,n[1-99999999],,,\n", "import/nodes"),
        (CSV + "a,baking,1794182400,,n1,,,\n", "import/label"),
        (CSV + "a,,1794182400,,n1,,,a\n", "import/parent"),
        (CSV + "a,,1794182400,,n1,,,b\nb,,1794182400,,n1,,,a\n", "import/parent"),
        (CSV + "a,,1794182400,,n1,,,b\na,,1794182400,,n2,,,c\n", "import/run-twice"),
        (CSV + '"a,,1794182400\n', "import/line"),
    ],
)
def test_a_csv_that_cannot_be_used(text: str, code: str) -> None:
    with pytest.raises(ImportDataError, match=f"{code}: runs.csv:"):
        table(text)


def test_a_time_without_a_zone_needs_one() -> None:
    with pytest.raises(ImportDataError, match="import/zone"):
        read_csv((CSV + "a,,2026-11-09T00:00:00,,n1,,,\n").encode().splitlines(), "runs.csv", None)


def test_a_long_line_of_parents_is_walked_once() -> None:
    rows = "".join(f"r{n},,1794182400,,n1,,,r{n - 1}\n" for n in range(1, 20_000))
    assert {each.lineage for each in table(CSV + rows)} == {"r0"}


# -- rules


def test_the_first_rule_that_matches_says_what_a_run_is() -> None:
    rules = parse_rules(
        '[[rule]]\npartition = "gpu*"\nqos = "serve"\nlabel = "inference"\nlineage = "serving"\nowner = "product"\n'
        '[[rule]]\npartition = "gpu*"\nlabel = "training"\nprecision = "fp8"\n'
    )
    base = run("a", (0, 60, None))
    facts = ({"partition": "gpu1", "qos": "serve"}, {"partition": "gpu1"}, {"qos": "serve"})
    found: list[Irregularity] = []
    served, trained, unknown = apply_rules([base._replace(facts=each) for each in facts], rules, found)
    assert (served.label, served.lineage, served.owner) == (Label.INFERENCE, "serving", "product")
    assert (trained.label, trained.precision, trained.lineage) == (Label.TRAINING, Precision.FP8, "a")
    assert (unknown.label, count(found)) == (Label.NONE, {"unlabelled": 1})


def test_what_a_record_says_of_its_label_stands() -> None:
    rules = parse_rules('[[rule]]\nrun = "*"\nlabel = "inference"\n')
    (kept,) = apply_rules([run("a", label=Label.TRAINING)], rules, [])
    assert kept.label is Label.TRAINING


def test_a_label_of_a_pod() -> None:
    rules = parse_rules('[[rule]]\npod_label = "app=llama*"\nlabel = "training"\n')
    pod = run("a")._replace(facts={"pod_labels": "tier=x\napp=llama-7"})
    assert apply_rules([pod], rules, [])[0].label is Label.TRAINING


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('[[rule]]\nlabel = "training"\n', "toml/missing-key"),
        ('[[rule]]\nrun = "*"\nlabel = "baking"\n', "toml/range"),
        ('[[rule]]\nrun = "*"\ncolour = "red"\n', "toml/unknown-key"),
        ('[[ids]]\ncluster = "hpc"\n', "toml/missing-key"),
        ("[hosts]\nn1 = 7\n", "toml/type"),
        ("[[rule]\n", "toml/syntax"),
    ],
)
def test_rules_that_cannot_be_read(text: str, code: str) -> None:
    with pytest.raises(AgreementError, match=code):
        parse_rules(text)


@pytest.mark.parametrize("changes", [{"lineage": "a\nb"}, {"owner": "a\u202eb"}, {"lineage": "x" * 600}])
def test_names_that_cannot_be_committed_to_are_refused(changes: dict[str, str]) -> None:
    with pytest.raises(ImportDataError, match="import/name"):
        apply_rules([run("a")._replace(**changes)], Rules(), [])


# -- pods


def exposition(second: int, energy: int, labels: str) -> bytes:
    base = f'gpu="3",UUID="GPU-0",device="nvidia1",Hostname="n1"{labels}'
    return f"DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{{{base}}} {energy} {1_794_182_400_000 + second * 1000}".encode()


def host(*labels: str) -> Host:
    """Scrapes a minute apart, with these labels."""
    lines = [exposition(60 * n, 1000 * (n + 1), label) for n, label in enumerate(labels)]
    return gather_series(read_expositions([("history.prom", lines)], Times(), []), [])["n1"]


POD = ',pod="train-0",namespace="ml",container="main"'


def test_pods_have_a_device_while_they_stand_on_its_samples() -> None:
    seen = host("", POD, POD, "", POD)
    assert seen.devices["GPU-0"].minor == 1
    (pod,) = seen_pods(seen, "prod", [])
    start = 1_794_182_400_000
    assert (pod.run, pod.lineage, pod.owner) == ("kubernetes/prod/ml/train-0",) * 2 + ("ml",)
    assert [(claim.start_ms - start, claim.end_ms - start) for claim in pod.claims if claim.end_ms] == [
        (60_000, 180_000), (240_000, 240_000),
    ]  # fmt: skip
    assert pod.facts["container"] == "main"


def test_the_pod_of_the_exporter_is_nobody() -> None:
    through = ',pod="nvidia-dcgm-exporter-x7k",namespace="gpu-operator",container="exporter"'
    seen = host(through, through + ',exported_pod="train-0",exported_namespace="ml",exported_container="main"')
    assert [held.holder for held in seen.devices["GPU-0"].held] == [Holder("ml", "train-0", "main", "")]


def test_a_sample_names_the_job_that_has_a_device() -> None:
    start = 1_794_182_400_000
    job = Workload("slurm/hpc/7@1", "slurm/hpc/7", "", (Claim("n1", start, None, None, True),), {"job_id": "7"}, "")
    found: list[Irregularity] = []
    seen = host("", ',hpc_job="7"', ',hpc_job="8"', "")
    (claimed,) = seen_jobs(seen, [job], found)
    (merged,) = merge([job, claimed])
    assert merged.claims == (Claim("n1", start + 60_000, start + 120_000, ("GPU-0",)),)
    assert count(found) == {"no-record": 1}


def pods(*changes: dict[str, Any]) -> dict[str, Any]:
    items = []
    for change in changes:
        item = {
            "metadata": {"name": "train-0", "namespace": "ml", "labels": {"app": "llama", "job": "llama-7"},
                         "ownerReferences": [{"kind": "Job", "name": "train", "controller": True}]},
            "spec": {"nodeName": "n1", "containers": [{"resources": {"limits": {"nvidia.com/gpu": "8"}}}]},
            "status": {"phase": "Running", "startTime": "2026-11-09T00:00:00Z"},
        }  # fmt: skip
        items.append({key: item[key] | change.get(key, {}) for key in item})
    return {"kind": "List", "items": items}


ENDED = {"phase": "Succeeded", "containerStatuses": [{"state": {"terminated": {"finishedAt": "2026-11-09T01:00:00Z"}}}]}


def test_a_list_of_pods() -> None:
    found: list[Irregularity] = []
    listed = pods(
        {}, {"metadata": {"name": "done"}, "status": ENDED},
        {"metadata": {"name": "cpu"}, "spec": {"containers": [{"resources": {"limits": {"cpu": "1"}}}]}},
        {"metadata": {"name": "waits"}, "spec": {"nodeName": None}},
        {"metadata": {"name": "evicted"}, "status": {"phase": "Failed"}},
        {"metadata": {"name": "backwards"}, "status": ENDED | {"startTime": "2026-11-09T02:00:00Z"}},
    )  # fmt: skip
    runs, done, cpu = read_pods(listed, "pods.json", "prod", "job", found)
    start = 1_794_182_400_000
    assert runs.claims == (Claim("n1", start, None, None, True),)
    assert (runs.lineage, runs.owner) == ("llama-7", "ml")
    assert done.claims == (Claim("n1", start, start + 3_600_000, None, False),)
    assert cpu.claims == ()
    assert count(found) == {"not-started": 1, "no-times": 1, "ends-before-start": 1}
    (owned,) = read_pods(pods({}), "pods.json", "prod", "", found)
    assert owned.lineage == "kubernetes/prod/ml/Job/train"


def test_samples_say_which_devices_a_listed_pod_has() -> None:
    listed = read_pods(pods({}), "pods.json", "prod", "job", [])
    (pod,) = merge([*listed, *seen_pods(host("", POD, ""), "prod", listed)])
    assert [claim.devices for claim in pod.claims] == [("GPU-0",)]
    assert pod.lineage == "llama-7"


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ({"items": 7}, "import/line"),
        ({"items": [7]}, "import/line"),
        ({"items": [{"metadata": {}}]}, "import/line"),
        (pods({"status": {"startTime": "soon"}}), "import/time"),
        (pods({"metadata": {"name": "a\nb"}}), "import/name"),
    ],
)
def test_pods_that_are_none(value: dict[str, Any], code: str) -> None:
    with pytest.raises(ImportDataError, match=code):
        read_pods(value, "pods.json", "prod", "", [])


# -- files


@pytest.mark.parametrize(
    ("name", "text", "code"),
    [
        ("x.json", "{", "import/line"),
        ("x.json", "{" * 100_000, "import/line"),
        ("x.json", '{"jobs": [' + "9" * 5_000 + "]}", "import/line"),
        ("x.json", '{"cats": []}', "import/line"),
        ("x.json", '{"items": []}', "import/cluster"),
        ("x.txt", "", "import/format"),
        ("x.txt", "\n\n\n", "import/format"),
        ("x.txt", "\0" * 100, "import/format"),
        ("x.txt", "hello\n", "import/format"),
        ("x.txt", "NodeName=\n", "import/line"),
    ],
)
def test_files_that_tell_of_no_runs(tmp_path: Path, name: str, text: str, code: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(ImportDataError, match=code):
        read_files([str(path)], Options(), Rules(), [])


def test_a_file_that_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("attest.collect.workload_files.MAX_FILE", 10)
    (tmp_path / "runs.csv").write_text(CSV)
    with pytest.raises(ImportDataError, match="import/bounds"):
        read_files([str(tmp_path / "runs.csv")], Options(), Rules(), [])


def test_a_list_of_claims_is_as_fast_as_it_is_long() -> None:
    # All overlap: comparing each with each would be 10^8 steps.
    many = [run(f"r{n}", (n % 7, 599, None), lineage=f"l{n}") for n in range(10_000)]
    assert set(occupied(*many)) == {NOBODY}
    assert np.count_nonzero(occupy(many, (), 0, GRID).shared) == 10
