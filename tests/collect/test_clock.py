"""A meter's clock against its session's: a whole number of quarter-hours is a zone, anything else is not."""

import json

import pytest

from attest.collect.clock import Session, find_shift, read_session, session_of_mark
from attest.errors import ImportDataError

START, END = 1_677_278_400_000, 1_677_279_100_000


def shift_of(ahead_s: float, *, first: int = 26_000, last: int = 680_000) -> int | None:
    ahead = int(ahead_s * 1000)
    return find_shift(START + first + ahead, START + last + ahead, Session("s", START, END)).zone_s


@pytest.mark.parametrize("zone", [0, 3600, -28_800, 20_700, 45_900, -900])
def test_a_clock_in_another_zone_is_found(zone: int) -> None:
    assert shift_of(zone) == zone
    assert shift_of(zone + 3) == zone  # set by hand


def test_a_clock_that_is_just_wrong_is_no_zone() -> None:
    assert shift_of(200) is None
    assert shift_of(3600 + 200) is None
    assert shift_of(100 * 86_400) is None


def test_readings_longer_than_their_session_fit_nowhere() -> None:
    assert find_shift(START, END + 60_000, Session("s", START, END)).zone_s is None


def test_where_several_quarter_hours_fit_the_one_whole_hour_is_taken() -> None:
    session = Session("s", START, START + 3_000_000)
    assert find_shift(START + 28_800_000, START + 28_900_000, session).zone_s == 28_800


def test_where_several_whole_hours_fit_none_is_taken() -> None:
    session = Session("s", START, START + 3 * 3_600_000)
    assert find_shift(START + 36_000_000, START + 36_100_000, session).zone_s is None


def test_a_mark_says_when_its_session_began() -> None:
    session = session_of_mark("2023-02-24_14-28-21_testing")
    assert session == Session("2023-02-24_14-28-21_testing", 1_677_248_901_000, None)
    assert session_of_mark("run 17") is None
    assert session_of_mark("2023-02-31_14-28-21_testing") is None


def test_the_testing_phase_of_a_session_file() -> None:
    phases = {"ranging": [[1.0, 0]], "testing": [[1677278404.29, 1.5], [1677278426.04, 2], [1677279084.63, 3]]}
    data = json.dumps({"session_name": "x", "phases": phases}).encode()
    assert read_session(data, "s.json") == Session("x", 1_677_278_404_290, 1_677_279_084_630)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b'{"phases": {"testing": []}, "session_name": 1}',
        b'{"phases": {"testing": [["a"]]}, "session_name": ""}',
        b'{"phases": {"testing": [[NaN, 1]]}, "session_name": ""}',
        b'{"phases": {"testing": [[true]]}, "session_name": ""}',
        b"[" * 100_000,
    ],
)
def test_a_session_file_of_another_shape_is_refused(data: bytes) -> None:
    with pytest.raises(ImportDataError) as info:
        read_session(data, "s.json")
    assert info.value.code == "import/session"
