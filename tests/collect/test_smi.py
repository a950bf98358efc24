"""nvidia-smi's XML and rocm-smi's JSON: whose cards, and what of them is a value."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attest.collect.dcgm import Scrape
from attest.collect.dcgm_fields import Field
from attest.collect.irregular import Irregularity, Kind
from attest.collect.smi import read_smi
from attest.collect.times import Times
from attest.errors import ImportDataError

T = 1_745_514_105_000
SAMPLES = "bmc-pdu-smi-samples"
UTC = Times(utc_offset=0)


def read(body: bytes, name: str = "1745514105.json", times: Times = UTC) -> tuple[list[Scrape], list[Irregularity]]:
    found: list[Irregularity] = []
    return list(read_smi([(name, body)], "n1", times, found)), found


def refused(body: bytes, name: str = "1745514105.json", times: Times = UTC) -> ImportDataError:
    with pytest.raises(ImportDataError) as info:
        read(body, name, times)
    return info.value


def test_a_real_a100_under_mig_and_the_three_that_are_not_described(shared: Path) -> None:
    body = (shared / "data" / SAMPLES / "nvidia-smi" / "a100_q.xml").read_bytes()
    ((only,), found) = read(body, "a100_q.xml", Times(utc_offset=7_200))
    assert (only.uid, only.serial, only.model, only.time_ms) == (
        "GPU-513536b6-7d19-9063-b049-1e69664bb298", "1650522003820", "NVIDIA A100-SXM4-80GB", 1_691_142_270_000,
    )  # fmt: skip
    assert only.values == {Field.POWER: 67_030, Field.CLOCK: 1_275}
    assert [(i.kind, i.who, i.numbers) for i in found] == [(Kind.MISSING, "n1", {"attached": 4, "described": 1})]
    assert refused(body, times=Times()).code == "import/zone"


@pytest.mark.parametrize(("file", "count"), [("mi100_rocm571.json", 6), ("mi100_rocm602.json", 4)])
def test_real_mi100s(shared: Path, file: str, count: int) -> None:
    body = (shared / "data" / SAMPLES / "amd" / file).read_bytes()
    cards = [card for key, card in json.loads(body).items() if key.startswith("card")]
    scrapes, found = read(body)
    assert len(scrapes) == len(cards) == len({s.uid for s in scrapes}) == count
    assert {s.serial for s in scrapes} == {""}  # "0" and "N/A" are nobody's
    for scrape, card in zip(scrapes, cards, strict=True):
        watts = float(card["Average Graphics Package Power (W)"])
        assert scrape.values == {Field.POWER: int(watts * 1000), Field.CLOCK: 300, Field.SM: 0}
        assert "MI100" in scrape.model
        if card["Unique ID"] == "N/A":
            assert scrape.uid == f"PCI-{card['PCI Bus']}"
        else:
            assert scrape.uid == card["Unique ID"]
    assert found == []


def card(**values: str) -> bytes:
    return json.dumps({"card0": {"Unique ID": "0x79", **values}, "system": {"Driver version": "6.2.4"}}).encode()


def test_the_energy_counter_where_it_was_asked_for() -> None:
    ((only,), _) = read(card(**{"Accumulated Energy (uJ)": "5551899580000.5", "Energy counter": "7"}))
    assert only.values == {Field.ENERGY: 5_551_899_580}
    assert only.time_ms == T


@pytest.mark.parametrize("text", ["N/A", "", "[N/A]"])
def test_what_is_not_available_is_no_value(text: str) -> None:
    ((only,), _) = read(card(**{"Accumulated Energy (uJ)": text, "GPU use (%)": text}))
    assert only.values == {}


def smi(gpu: str = "", stamp: str = "Fri Aug  4 11:44:30 2023", count: str = "1") -> bytes:
    head = f"<timestamp>{stamp}</timestamp><attached_gpus>{count}</attached_gpus>"
    return f"<nvidia_smi_log>{head}<gpu><uuid>GPU-1</uuid>{gpu}</gpu></nvidia_smi_log>".encode()


@pytest.mark.parametrize(
    ("group", "name"),
    [
        ("gpu_power_readings", "power_draw"),
        ("gpu_power_readings", "average_power_draw"),
        ("power_readings", "power_draw"),
    ],
)
def test_power_under_the_names_of_all_versions(group: str, name: str) -> None:
    ((only,), found) = read(smi(f"<{group}><{name}>67.03 W</{name}></{group}>"))
    assert (only.values, found) == ({Field.POWER: 67_030}, [])


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (smi("<clocks><sm_clock>ERR!</sm_clock></clocks>"), "import/value"),
        (smi("<clocks><sm_clock>-5 MHz</sm_clock></clocks>"), "import/value"),
        (smi("<clocks><sm_clock>5 GHz</sm_clock></clocks>"), "import/value"),
        (smi("<clocks><sm_clock>1275000000 MHz</sm_clock></clocks>"), "import/value"),
        (smi(stamp="2023-08-04"), "import/time"),
        (smi(stamp="Fri Foo  4 11:44:30 2023"), "import/time"),
        (smi(stamp="Fri Feb 31 11:44:30 2023"), "import/time"),
        (smi().replace(b"GPU-1", b""), "import/label"),
        (b"<html></html>", "import/smi"),
        (b"<nvidia_smi_log>", "import/smi"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><nvidia_smi_log/>', "import/smi"),
        (smi().replace(b"<gpu><uuid>GPU-1</uuid></gpu>", b""), "import/empty"),
        (b"", "import/smi"),
        (b"[]", "import/smi"),
        (b"{}", "import/smi"),
        (b'{"card0": 7}', "import/smi"),
        (b'{"card0": {"Unique ID": 7}}', "import/smi"),
        (b"[" * 100_000, "import/smi"),
        (b'{"card0": {}}', "import/label"),
        (b'{"card0": {"Unique ID": "a"}, "card1": {"Unique ID": "a"}}', "import/label"),
        (card(**{"GPU use (%)": "570"}), "import/value"),
        (card(**{"Accumulated Energy (uJ)": "-1"}), "import/value"),
    ],
)
def test_what_is_wrong_is_refused(body: bytes, code: str) -> None:
    assert refused(body).code == code


def test_a_file_without_a_time_is_refused() -> None:
    assert refused(card(), "rocm.json").code == "import/time"
    assert read(card(), "rocm.json", Times(T))[0][0].time_ms == T


@given(st.binary(max_size=200) | st.recursive(st.none() | st.text(), lambda v: st.dictionaries(st.text(), v)))
def test_anything_is_scrapes_or_one_error(value: Any) -> None:
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    try:
        assert read(body)[0]
    except ImportDataError as error:
        assert error.code.startswith("import/")
