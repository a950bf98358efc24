"""dcgm-exporter's expositions: labels and fields of all versions, MIG, blanks, times."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attest.collect.dcgm import Scrape, read_expositions
from attest.collect.dcgm_fields import NAMES, Field, convert, slices
from attest.collect.exposition import parse_sample
from attest.collect.irregular import Irregularity, Kind
from attest.collect.times import Times
from attest.errors import ImportDataError

T = 1_745_514_105_000
ENERGY = "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION"
BASE = 'gpu="0",UUID="GPU-1",Hostname="n1",modelName="NVIDIA A30"'


def scrape(text: str, name: str = "x-1745514105.prom", times: Times | None = None) -> list[Scrape]:
    return scrape_files((name, text), times=times)[0]


def scrape_files(*files: tuple[str, str], times: Times | None = None) -> tuple[list[Scrape], list[Irregularity]]:
    found: list[Irregularity] = []
    given = [(name, [line.encode() for line in text.splitlines(keepends=True)]) for name, text in files]
    return list(read_expositions(given, times or Times(), found)), found


def refused(text: str, name: str = "x-1745514105.prom", times: Times | None = None) -> ImportDataError:
    with pytest.raises(ImportDataError) as info:
        scrape(text, name, times)
    return info.value


@pytest.mark.parametrize("host", ["Hostname", "hostname"])
@pytest.mark.parametrize("uid", ["UUID", "uuid"])
def test_labels_of_all_versions(host: str, uid: str) -> None:
    (found,) = scrape(f'{ENERGY}{{gpu="3",{uid}="GPU-1",device="nvidia3",{host}="n1",pod="p"}} 7')
    assert (found.host, found.uid, found.values[Field.ENERGY]) == ("n1", "GPU-1", 7)


@pytest.mark.parametrize(
    ("name", "text", "field", "value"),
    [
        ("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", "5551899580", Field.ENERGY, 5_551_899_580),
        ("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", "5.55189958e+09", Field.ENERGY, 5_551_899_580),
        ("dcgm_total_energy_consumption", "7", Field.ENERGY, 7),
        ("DCGM_FI_DEV_GPU_ENERGY_JOULES_TOTAL", "5551899.580", Field.ENERGY, 5_551_899_580),
        ("DCGM_FI_DEV_POWER_USAGE", "35.686000", Field.POWER, 35_686),
        ("DCGM_FI_DEV_BOARD_POWER_WATTS", "35.686", Field.POWER, 35_686),
        ("DCGM_FI_DEV_SM_CLOCK", "1980", Field.CLOCK, 1_980),
        ("DCGM_FI_DEV_SM_CLOCK_HERTZ", "1980000000", Field.CLOCK, 1_980),
        ("DCGM_FI_PROF_PIPE_TENSOR_ACTIVE", "0.005822", Field.TENSOR, 5_822),
        ("DCGM_FI_PROF_TENSOR_UTIL_RATIO", "1", Field.TENSOR, 1_000_000),
        ("DCGM_FI_PROF_SM_ACTIVE", "1.000004", Field.SM, 1_000_000),
        ("DCGM_FI_PROF_SM_UTIL_RATIO", "0.5", Field.SM, 500_000),
        ("DCGM_FI_PROF_DRAM_UTIL_RATIO", "0.25", Field.DRAM, 250_000),
        ("DCGM_FI_PROF_PCIE_RX_BYTES", "6935930", Field.PCIE_RX, 6_935_930),
        ("DCGM_FI_PROF_NVLINK_TX_BYTES", "1e11", Field.NVLINK_TX, 100_000_000_000),
    ],
)
def test_fields_under_all_their_names(name: str, text: str, field: Field, value: int) -> None:
    (found,) = scrape(f"{name}{{{BASE}}} {text}")
    assert found.values == {field: value}


BLANKS = ["2147483632", "2147483634", "9223372036854775794", "9.223372036854775794e+18", "9.223372036854776e+18"]


@pytest.mark.parametrize("blank", [*BLANKS, "140737488355328.0", "140737488355330.000000", "NaN", "+Inf"])
@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_blank_is_no_value_and_no_zero(name: str, blank: str) -> None:
    assert convert(blank, *NAMES[name]) is None


def test_a_blank_is_recorded() -> None:
    scrapes, found = scrape_files(("1745514105.prom", f"{ENERGY}{{{BASE}}} 9223372036854775792"))
    assert scrapes[0].values == {}
    assert [(i.kind, i.who, i.numbers) for i in found] == [(Kind.BLANK, "GPU-1", {"values": 1})]


# An A30 cut into four: the third repeat of its board's counter was read 5,293 mJ later.
MIG = "\n".join(
    f'{name}{{{BASE},GPU_I_PROFILE="1g.6gb",GPU_I_ID="{instance}"}} {value}'
    for name, values in {
        ENERGY: ("126272101025", "126272101025", "126272106318", "126272101025"),
        "DCGM_FI_DEV_POWER_USAGE": ("28.1",) * 4,
        "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE": ("0.8", "0", "0.4", "0"),
        "DCGM_FI_PROF_DRAM_ACTIVE": ("0.5", "0.5", "0.5", "0.5"),
    }.items()
    for instance, value in zip((3, 4, 5, 6), values, strict=True)
)


def test_what_mig_repeats_is_counted_once() -> None:
    scrapes, found = scrape_files(("1745514105.prom", MIG))
    (board,) = scrapes
    assert board.values == {Field.ENERGY: 126_272_106_318, Field.POWER: 28_100, Field.TENSOR: 300_000}
    (differs,) = found
    assert (differs.kind, differs.who) == (Kind.DIFFERS, "GPU-1")
    assert differs.numbers == {"least_mj": 126_272_101_025, "largest_mj": 126_272_106_318, "repeats": 4}


def test_an_instance_of_an_unknown_profile_gives_no_activity() -> None:
    (board,) = scrape(MIG.replace("1g.6gb", "whole"))
    assert Field.TENSOR not in board.values
    assert slices("1c.3g.20gb", "NVIDIA H100 80GB HBM3") == (3, 7)
    assert slices("1g.10gb+me", "NVIDIA H100 80GB HBM3") == (1, 7)


def test_a_board_that_pods_share_is_counted_once() -> None:
    text = "\n".join(f'{ENERGY}{{{BASE},pod="{pod}"}} 70' for pod in "ab")
    assert [s.values for s in scrape(text)] == [{Field.ENERGY: 70}]


def test_a_vgpu_is_present_and_no_more() -> None:
    (found,) = scrape(f"DCGM_FI_DEV_VGPU_LICENSE_STATUS{{{BASE.replace('A30', 'GRID A100-40C')}}} 1")
    assert (found.uid, found.values) == ("GPU-1", {})


def test_lines_of_other_exporters_are_skipped() -> None:
    assert len(scrape(f'go_goroutines 12\nDCGM_FI_DEV_CPU_UTIL_TOTAL{{cpu="0"}} 1\n{ENERGY}{{{BASE}}} 7')) == 1
    assert refused("go_goroutines 12").code == "import/empty"
    assert refused("").code == "import/empty"


@pytest.mark.parametrize(
    "name",
    [
        "dcgm-1745514105.prom",
        "n1_1745514105000.txt",
        "2025-04-24T17-01-45Z.prom",
        "a/b/20250424_170145Z",
        "20250424T190145+0200",
    ],
)
def test_the_time_in_a_files_name(name: str) -> None:
    assert scrape(f"{ENERGY}{{{BASE}}} 7", name)[0].time_ms == T


def test_a_file_without_a_time_is_refused_with_the_ways_to_say_it() -> None:
    error = refused(f"{ENERGY}{{{BASE}}} 7", "metrics.prom")
    assert (error.code, "--start" in error.hint) == ("import/time", True)
    assert refused(f"{ENERGY}{{{BASE}}} 7", "20250424T170145.prom").code == "import/zone"
    assert scrape(f"{ENERGY}{{{BASE}}} 7", "20250424T190145.prom", Times(utc_offset=7200))[0].time_ms == T


def test_start_and_step_give_the_times_of_files_in_order() -> None:
    text = f"{ENERGY}{{{BASE}}} 7"
    scrapes, _ = scrape_files(("b", text), ("a", text), times=Times(T, 60_000))
    assert [s.time_ms for s in scrapes] == [T, T + 60_000]
    assert [s.exposition for s in scrapes] == [0, 1]


def test_timestamps_of_lines_are_the_time_and_may_be_many_in_one_file() -> None:
    other = BASE.replace("GPU-1", "GPU-2")
    lines = [f"{ENERGY}{{{b}}} {7 + k} {T + k * 15_000}" for b in (BASE, other) for k in range(3)]
    scrapes = scrape("\n".join(lines), "history.prom")
    assert [(s.exposition, s.uid, s.time_ms) for s in scrapes] == [
        (k, uid, T + k * 15_000) for k in range(3) for uid in ("GPU-1", "GPU-2")
    ]
    assert refused(lines[0], times=Times(T, 60_000)).code == "import/time"
    assert refused(f"{lines[0]}\n{ENERGY}{{{other}}} 7").code == "import/time"
    assert refused(f"{ENERGY}{{{BASE}}} 7 1745514105").code == "import/time"  # seconds


def test_the_time_of_a_device_is_that_of_its_counter() -> None:
    text = f"DCGM_FI_DEV_POWER_USAGE{{{BASE}}} 7 {T + 9}\n{ENERGY}{{{BASE}}} 7 {T}"
    assert [s.time_ms for s in scrape(text)] == [T]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (f"{ENERGY}{{{BASE}}} -1", "import/value"),
        (f"DCGM_FI_PROF_SM_ACTIVE{{{BASE}}} 57.3", "import/value"),
        (f"DCGM_FI_DEV_SM_CLOCK{{{BASE}}} 198000", "import/value"),
        (f"{ENERGY}{{{BASE}}} 99999999999999999", "import/value"),
        (f"{ENERGY}{{{BASE}}} 7\n{ENERGY}{{{BASE}}} 7", "import/line"),
        (f'{ENERGY}{{gpu="0"}} 7', "import/label"),
        (f'{ENERGY}{{gpu="0",UUID=""}} 7', "import/label"),
        (f"{ENERGY}{{{BASE}}} seven", "import/line"),
        (f"{ENERGY}{{{BASE}}}", "import/line"),
        (f"{ENERGY}{{{BASE} 7", "import/line"),
        (f"{ENERGY}{{{BASE}}} 7 1745514105.000", "import/line"),
        (f'{ENERGY}{{{BASE},gpu="1"}} 7', "import/line"),
        ("<html>502 Bad Gateway</html>", "import/line"),
    ],
)
def test_bad_lines_are_refused(line: str, code: str) -> None:
    assert refused(line).code == code


def test_escapes_in_label_values() -> None:
    sample = parse_sample(r'a{x="q\"\\\n}",} 1')
    assert sample is not None
    assert sample.labels == {"x": 'q"\\\n}'}


@given(st.text(max_size=80) | st.from_regex(r'[a-z]+\{[a-z]="[^"]*",?\} [0-9.eE+-]+( [0-9]+)?'))
def test_any_line_is_a_sample_or_none_or_an_error(line: str) -> None:
    with contextlib.suppress(ValueError):
        parse_sample(line)


@given(st.lists(st.binary(max_size=60) | st.just(f"{ENERGY}{{{BASE}}} 7".encode())))
def test_any_bytes_give_scrapes_or_one_error(lines: list[bytes]) -> None:
    try:
        list(read_expositions([("1745514105", lines)], Times(), []))
    except ImportDataError as error:
        assert error.code.startswith("import/")
