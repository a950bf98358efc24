"""Power logs: columns by name, times and watts exactly, every irregularity as what it is."""

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attest.collect.columns import Wanted
from attest.collect.irregular import Irregularity, Kind
from attest.collect.power import Options, read_power
from attest.collect.readings import MeterLog
from attest.collect.stamps import parse_offset, parse_power, parse_time
from attest.errors import ImportDataError

T = 1_745_514_105_000


def read(text: str, options: Options | None = None) -> MeterLog:
    lines = [line.encode() + b"\n" for line in text.splitlines()]
    return read_power([("p.csv", lines)], options or Options())


def log_of(*readings: tuple[int, str]) -> MeterLog:
    """A log of one node from (seconds after T, watts)."""
    return read("time_ms,node,watts\n" + "\n".join(f"{T + s * 1000},n,{w}" for s, w in readings))


def refused(text: str, options: Options | None = None) -> ImportDataError:
    with pytest.raises(ImportDataError) as info:
        read(text, options)
    return info.value


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("time_ms,node,watts", "1745514105000,a,683.8"),
        ("watts,time,host", "683.8,1745514105,a"),
        ("Host;Power (kW);Timestamp", "a;0.6838;2025-04-24T17:01:45Z"),
        ("hostname\tpower_mw\tdatetime", "a\t683800\t2025-04-24 19:01:45+02:00"),
        ('"Node","Watts","Time [s]"', '"a","683.8","1745514105.000"'),
        ("result,time_ms,node,watts", "0,1745514105000,a,683.8"),
        ("\ufeffts,server,Active Power (W)", "20250424T170145Z,a,6.838e2"),
    ],
)
def test_columns_are_found_by_their_names_in_any_order_and_unit(header: str, row: str) -> None:
    series = read(f"{header}\n{row}").nodes["a"]
    assert (series.time_ms.tolist(), series.values.tolist()) == ([T], [683_800])


@pytest.mark.parametrize(
    ("header", "named"),
    [
        ("when,node,watts", "--time-column"),
        ("time,timestamp,node,watts", "--time-column"),
        ("time,node,load", "--power-column"),
        ("time,node,power_ac,watts", "--power-column"),
        ("time,watts", "--node-column"),
        ("time,node,host,watts", "--node-column"),
    ],
)
def test_an_ambiguous_or_absent_column_names_the_option_that_settles_it(header: str, named: str) -> None:
    error = refused(header + "\n" + "1," * header.count(",") + "1")
    assert error.code == "import/column"
    assert "p.csv:1" in error.detail
    assert named in error.hint


def test_what_the_caller_names_wins() -> None:
    wanted = Wanted(time="t0", node="rack", power="dc")
    log = read("rack,t0,time,watts,dc\nr1,1745514105,7,1,2", Options(wanted))
    assert log.nodes["r1"].values.tolist() == [2_000]
    assert refused("time,watts,node\n1,1,1", Options(Wanted(power="dc"))).code == "import/column"


def test_rows_can_be_kept_by_the_value_of_a_column() -> None:
    text = f"result,time_ms,node,watts\n0,{T},a,1\n1,{T + 1000},a,2\n0,{T + 2000},a,3"
    series = read(text, Options(Wanted(where=(("result", "0"),)))).nodes["a"]
    assert series.values.tolist() == [1_000, 3_000]


def test_numbers_in_place_of_a_header_are_refused() -> None:
    assert refused(f"{T},a,1\n{T + 1},a,2").code == "import/column"


def test_a_duplicate_stamp_with_the_same_value_is_dropped_and_recorded() -> None:
    log = log_of((0, "5"), (0, "5"), (1, "6"))
    assert log.nodes["n"].values.tolist() == [5_000, 6_000]
    assert log.irregularities == [Irregularity(Kind.DUPLICATE, "p.csv:3", "n", T, {"power_mw": 5_000})]


def test_of_a_duplicate_stamp_with_another_value_the_larger_stays() -> None:
    log = log_of((0, "5"), (0, "7"), (0, "6"), (1, "6"))
    assert log.nodes["n"].values.tolist() == [7_000, 6_000]
    kinds = [(i.kind, i.where, dict(i.numbers)) for i in log.irregularities]
    assert kinds == [
        (Kind.CONFLICT, "p.csv:3", {"kept_mw": 7_000, "dropped_mw": 5_000}),
        (Kind.CONFLICT, "p.csv:4", {"kept_mw": 7_000, "dropped_mw": 6_000}),
    ]


def test_after_a_step_back_readings_are_set_aside_until_time_goes_on() -> None:
    log = log_of((0, "1"), (1, "2"), (2, "3"), (1, "9"), (2, "3"), (3, "4"))
    assert log.nodes["n"].time_ms.tolist() == [T, T + 1000, T + 2000, T + 3000]
    (step,) = log.irregularities
    assert (step.kind, step.where) == (Kind.BACKWARDS, "p.csv:5")
    assert step.numbers == {"step_ms": 1000, "set_aside": 2, "same": 1}


def test_files_in_the_wrong_order_are_refused() -> None:
    day = 86_400
    error = refused(f"time,node,watts\n{1_745_514_105 + 2 * day},n,1\n1745514105,n,1")
    assert error.code == "import/order"


def test_a_gap_is_more_than_two_and_a_half_median_steps() -> None:
    log = log_of((0, "1"), (1, "1"), (2, "1"), (4, "1"), (5, "1"), (8, "1"))
    (gap,) = log.irregularities
    assert (gap.kind, gap.where, gap.time_ms) == (Kind.GAP, "p.csv:7", T + 5000)
    assert gap.numbers == {"gap_ms": 3000, "median_step_ms": 1000}


@pytest.mark.parametrize("watts", ["-1", "-0.5", "NaN", "nan", "inf", "-inf", "", "1e12", "5,5", "0x10", "1_000", "١"])
def test_a_power_that_is_none_ends_the_import_with_its_line(watts: str) -> None:
    error = refused(f'time,node,watts\n1745514105,n,1\n1745514106,n,"{watts}"')
    assert error.code == "import/value"
    assert "p.csv:3" in error.detail


@pytest.mark.parametrize(
    "time", ["12", "99999999999999", "yesterday", "2025-13-01T00:00:00Z", "04/24/2025 17:01:45", ""]
)
def test_a_time_that_is_none_ends_the_import_with_its_line(time: str) -> None:
    error = refused(f"time,node,watts\n{time},n,1")
    assert (error.code, "p.csv:2" in error.detail) == ("import/time", True)


def test_a_time_without_a_zone_needs_to_be_told_its_zone() -> None:
    text = "time,node,watts\n2025-04-24T17:01:45,n,1"
    error = refused(text)
    assert (error.code, "--utc-offset" in error.hint) == ("import/zone", True)
    assert read(text, Options(utc_offset=-3600)).nodes["n"].time_ms.tolist() == [T + 3_600_000]


def test_an_empty_log_is_refused() -> None:
    assert refused("").code == "import/empty"
    assert refused("time,node,watts").code == "import/empty"
    with pytest.raises(ImportDataError):
        read_power([], Options())


@pytest.mark.parametrize("row", ["1745514105,n", "1745514105,n,1,2", '1745514105,"n,1', "1745514105,,1"])
def test_a_row_of_another_shape_is_refused(row: str) -> None:
    assert refused(f"time,node,watts\n{row}").code == "import/line"


def test_a_text_that_is_no_text_is_refused() -> None:
    with pytest.raises(ImportDataError) as info:
        read_power([("p.csv", [b"time,node,watts\n", b"1745514105,\xff,1\n"])], Options())
    assert info.value.code == "import/line"


YOKOGAWA = (
    "Time,02-24-2023 22:40:26.303,Watts,683.800000,Volts,206.373333,Amps,1.167333,PF,0.946347,"
    "Mark,2023-02-24_14-28-21_testing,Ch1,Watts,274.300000,Volts,206.550000"
)


def test_an_analysers_log_is_known_by_its_first_line() -> None:
    log = read(YOKOGAWA, Options(node="sut", utc_offset=0))
    assert log.nodes["sut"].time_ms.tolist() == [1_677_278_426_303]
    assert log.nodes["sut"].values.tolist() == [683_800]
    assert [mark.text for mark in log.marks] == ["2023-02-24_14-28-21_testing"]


def test_an_analysers_log_needs_a_node_and_a_zone() -> None:
    assert "--node" in refused(YOKOGAWA, Options(utc_offset=0)).hint
    assert "--utc-offset" in refused(YOKOGAWA, Options(node="sut")).hint
    assert refused(YOKOGAWA + "\nTime,1,Watts", Options(node="sut", utc_offset=0)).code == "import/line"
    assert refused("Time,2023-02-24 22:40:26,Watts,1", Options(node="s", utc_offset=0)).code == "import/time"


@given(st.decimals(0, 4_000_000, places=6))
def test_watts_become_milliwatts_exactly_or_the_next(watts: Decimal) -> None:
    exact = watts * 1000
    assert exact <= parse_power(str(watts) if "E" not in str(watts) else f"{watts:f}") < exact + 1


@given(st.integers(946_684_800_000, 4_102_444_799_999))
def test_seconds_milliseconds_and_iso_are_the_same_time(time_ms: int) -> None:
    from attest.collect.stamps import format_time

    seconds = f"{time_ms // 1000}.{time_ms % 1000:03}"
    assert parse_time(seconds) == parse_time(str(time_ms)) == parse_time(format_time(time_ms)) == time_ms


@pytest.mark.parametrize("text", ["", "2", "+2:00", "+02:60", "+16:00", "02:00", "Europe/Berlin"])
def test_an_offset_is_a_sign_hours_and_minutes(text: str) -> None:
    with pytest.raises(ValueError):
        parse_offset(text)


@given(st.lists(st.binary(max_size=60) | st.sampled_from([b"time,node,watts", b"1745514105,n,1", YOKOGAWA.encode()])))
def test_any_bytes_give_a_log_or_one_error(lines: list[bytes]) -> None:
    try:
        log = read_power([("f", lines)], Options(node="n", utc_offset=0))
    except ImportDataError as error:
        assert error.code.startswith("import/")
    else:
        for series in log.nodes.values():
            assert (series.time_ms[1:] > series.time_ms[:-1]).all()


MLLOG = ':::MLLOG {{"time_ms": {}, "event_type": "POINT_IN_TIME", "key": "{}", "value": {}, "metadata": ""}}'


def test_the_log_of_a_node_of_an_mlperf_run(shared: Path) -> None:
    lines = [MLLOG.format(T, "power_measurement_start", "null"), MLLOG.format(T + 1000, "power_reading", "4316.5")]
    log = read("\n".join(lines), Options(node="node_1"))
    assert (log.nodes["node_1"].values.tolist(), log.irregularities) == ([4_316_500], [])
    raw = shared / "data" / "mlperf-train-512h100-smc" / "raw-format-sample" / "node_1.txt"
    values = read(raw.read_text(), Options(node="node_1")).nodes["node_1"].values
    assert (len(values), values[:2].tolist()) == (1_702, [4_316_000, 6_930_000])


@pytest.mark.parametrize(
    ("line", "options", "code"),
    [
        (MLLOG.format(T, "power_reading", "-5"), Options(node="a"), "import/value"),
        (MLLOG.format(T, "power_reading", "null"), Options(node="a"), "import/value"),
        (MLLOG.format("null", "power_reading", "5"), Options(node="a"), "import/time"),
        (MLLOG.format(T, "power_reading", "5"), Options(), "import/column"),
        (MLLOG.format(T, "run_start", "5"), Options(node="a"), "import/empty"),
        (":::MLLOG {", Options(node="a"), "import/line"),
        (":::MLLOG []", Options(node="a"), "import/line"),
    ],
)
def test_what_is_wrong_in_such_a_log(line: str, options: Options, code: str) -> None:
    with pytest.raises(ImportDataError) as info:
        read(line, options)
    assert info.value.code == code
