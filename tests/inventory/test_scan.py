"""What is on a host against what is declared there: every difference by its code, and nothing passes on nothing."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from attest.collect.collector import Refusal
from attest.inventory.scan import Item, Seen, compare
from attest.inventory.site import Site as Books
from tests.inventory.books import H100, HOST, OTHER, START, Site, act, at, books, done, kept, second_log, site
from tests.record.exporter import exporting

__all__ = ["site"]  # a fixture

NEW = ("--model", H100)
HBM3 = "NVIDIA H100 80GB HBM3"
SCHEMA = Path(__file__).resolve().parents[2] / "schemas" / "inventory-scan.schema.json"


def found(*devices: Seen, site: Books, beside: tuple[Books, ...] = (), refused: tuple[Refusal, ...] = ()) -> list[Item]:
    return compare(site, beside, HOST, devices, refused)


def codes(items: list[Item]) -> dict[str, str | None]:
    return {item.device: item.code for item in items}


def seen(uid: str, serial: str = "", model: str = HBM3) -> Seen:
    return Seen(uid, serial, model)


@pytest.fixture
def known(site: Site) -> Books:
    """GPU-0 and GPU-1 here, GPU-2 elsewhere, GPU-3 in stock, GPU-4 retired, GPU-5 here and off."""
    done(site, "add", "GPU-2=S2", "GPU-3", "GPU-4", *NEW, *at(1))
    done(site, "add", "GPU-5=S5", *NEW, "--to", HOST, "--feed", "node_0", *at(1))
    done(site, "move", "GPU-2", "--to", OTHER, "--feed", "node_0", *at(1))
    done(site, "retire", "GPU-4", *at(1))
    done(site, "power-off", "GPU-5", *at(1))
    return books(site.log)


def test_as_declared(known: Books) -> None:
    items = found(seen("GPU-0", "S0"), seen("GPU-1", model=""), site=known)
    assert codes(items) == {"GPU-0": None, "GPU-1": None, "GPU-5": None}
    assert items[2].text == "powered off since 2025-04-24T18:00:00Z"


@pytest.mark.parametrize(
    ("device", "code", "text"),
    [
        (seen("GPU-9"), "scan/undeclared", "it never arrived"),
        (seen("GPU-3"), "scan/undeclared", "in stock"),
        (seen("GPU-4"), "scan/undeclared", "retired"),
        (seen("GPU-2"), "scan/elsewhere", f"declared at {OTHER}"),
        (seen("", "S2"), "scan/elsewhere", f"declared at {OTHER}"),
        (seen("GPU-5"), "scan/on", "to be off since 2025-04-24T18:00:00Z"),
        (seen("GPU-5", "S6"), "scan/identity", "log knows it as GPU-5=S5"),
        (seen("GPU-6", "S5"), "scan/identity", "log knows it as GPU-5=S5"),
        (seen("GPU-5", model="NVIDIA L4"), "scan/model", f"declared as a {H100}"),
    ],
)
def test_what_differs(known: Books, device: Seen, code: str, text: str) -> None:
    items = found(seen("GPU-0"), seen("GPU-1"), device, site=known)
    assert [(item.code, item.text) for item in items if item.code] == [(code, text)]


def test_what_is_declared_and_not_there(known: Books) -> None:
    assert codes(found(seen("GPU-0"), site=known)) == {"GPU-0": None, "GPU-1": "scan/absent", "GPU-5": None}


def test_one_serial_for_two_devices_is_found(known: Books) -> None:
    items = found(seen("GPU-0", "S0"), seen("GPU-1", "S0"), site=known)
    assert codes(items)["GPU-1"] == "scan/twice"


def test_two_devices_of_the_books_that_are_one_are_found(site: Site) -> None:
    done(site, "add", "S0", *NEW, "--to", HOST, "--feed", "node_0", *at(1))  # declared twice, by either name
    items = found(seen("GPU-0", "S0"), seen("GPU-1"), site=books(site.log))
    assert (codes(items)["GPU-0"], items[0].text) == ("scan/identity", "its names are those of two devices")


def test_what_could_not_be_read_is_neither_there_nor_absent(known: Books) -> None:
    lost = Refusal("nvml", "n1", "GPU-1", 0, "collect/lost", "fell off the bus")
    stranger = Refusal("nvml", "n1", "GPU-77", 0, "collect/lost", "fell off the bus")
    items = found(seen("GPU-0"), site=known, refused=(lost, stranger))
    assert codes(items) == {"GPU-0": None, "GPU-1": "scan/unread", "GPU-5": None, "GPU-77": "collect/lost"}
    assert items[1].text == "collect/lost: fell off the bus"


def test_a_device_of_another_log_is_found(site: Site, known: Books) -> None:
    log = second_log(site)
    done(site, "add", "GPU-1", "GPU-9=S9", *NEW, *at(1), log=log)
    there = (books(log),)
    items = found(seen("GPU-0"), seen("GPU-1"), seen("GPU-9"), site=known, beside=there)
    assert [(item.code, item.text) for item in items if item.code] == [
        ("scan/elsewhere", "in stock in dc2"),
        ("scan/elsewhere", "in stock in dc2"),
    ]
    assert codes(found(seen("GPU-8", "S9"), site=known, beside=there))["GPU-8"] == "scan/identity"
    done(site, "retire", "GPU-1", *at(1), log=log)
    assert codes(found(seen("GPU-0"), seen("GPU-1"), site=known, beside=(books(log),)))["GPU-1"] is None


# -- the command


def exposition(site: Site, *uids: str, model: str = HBM3, host: str = "n1", name: str = "scan.prom") -> str:
    rows = [f'DCGM_FI_DEV_POWER_USAGE{{UUID="{uid}",modelName="{model}",Hostname="{host}"}} 70\n' for uid in uids]
    return site.file(name, "".join(rows))


def test_equal_is_0_and_anything_else_is_6(site: Site) -> None:
    before = kept(site.log)
    code, out, _ = act(site, "scan", exposition(site, "GPU-0", "GPU-1"), "--source", HOST)
    assert (code, out.splitlines()[0]) == (0, f"{HOST}: as declared by the inventory from 2025-04-24T16:59:00Z")
    code, out, _ = act(site, "scan", exposition(site, "GPU-0", "GPU-9"), "--source", HOST)
    assert (code, out.splitlines()[0]) == (6, f"{HOST}: 2 differences to the inventory from 2025-04-24T16:59:00Z")
    assert "  scan/absent      GPU-1 (NVIDIA H100 SXM5 80GB): declared here, and not there\n" in out
    assert kept(site.log) == before


def test_a_host_that_is_not_declared_has_nothing_as_declared(site: Site) -> None:
    code, out, _ = act(site, "scan", exposition(site, "GPU-0"), "--source", OTHER)
    assert code == 6 and f"scan/elsewhere   GPU-0 ({HBM3}): declared at {HOST}" in out
    code, out, _ = act(site, "scan", exposition(site, "GPU-0"), "--source", HOST, log=second_log(site))
    assert code == 6 and "1 difference to no inventory" in out


def test_json_is_as_its_schema_says(site: Site) -> None:
    schema = json.loads(SCHEMA.read_text("utf-8"))
    for uids, equal in ((("GPU-0", "GPU-1"), True), (("GPU-0", "GPU-9"), False)):
        code, out, _ = act(site, "scan", exposition(site, *uids), "--source", HOST, "--format", "json")
        data: dict[str, Any] = json.loads(out)
        jsonschema.validate(data, schema)
        assert (data["equal"], code) == (equal, 0 if equal else 6)
    assert data["from"] == START - 60
    assert [(d["device"], d["code"]) for d in data["devices"]] == [
        ("GPU-0", None), ("GPU-1", "scan/absent"), ("GPU-9", "scan/undeclared"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "import/empty"),
        ("# nothing\n", "import/empty"),
        ("not a sample\n", "import/line"),
        (None, "import/unreadable"),
    ],
)
def test_nothing_passes_on_nothing(site: Site, text: str | None, code: str) -> None:
    name = "missing.prom" if text is None else site.file("scan.prom", text)
    exit_code, out, err = act(site, "scan", name, "--source", HOST)
    assert (exit_code, out) == (6, "") and err.startswith(f"attest: error: {code}")


def test_of_several_hosts_one_is_named(site: Site) -> None:
    exposition(site, "GPU-0", "GPU-1", name="a.prom")
    other = (site.path / "a.prom").read_text() + (site.path / "a.prom").read_text().replace('"n1"', '"n2"').replace(
        "GPU-1", "GPU-8"
    )
    name = site.file("both.prom", other)
    assert "import/host: several hosts: n1, n2" in act(site, "scan", name, "--source", HOST)[2]
    assert act(site, "scan", name, "--source", HOST, "--host", "n1")[0] == 0
    assert act(site, "scan", name, "--source", HOST, "--host", "n2")[0] == 6
    assert "import/host" in act(site, "scan", name, "--source", HOST, "--host", "n3")[2]


def test_of_a_history_the_end_counts(site: Site) -> None:
    rows = [
        f'DCGM_FI_DEV_POWER_USAGE{{UUID="{uid}",Hostname="n1"}} 70 {START * 1000 + second * 1000}\n'
        for second in (0, 30, 60)
        for uid in ("GPU-0", "GPU-1", "GPU-9")
        if uid != "GPU-9" or second < 60
    ]
    assert act(site, "scan", site.file("history.prom", "".join(rows)), "--source", HOST)[0] == 0
    assert act(site, "scan", site.file("history.prom", "".join(rows[:-2])), "--source", HOST)[0] == 6


def smi(*uids: str, attached: int) -> str:
    cards = "".join(
        f"<gpu><product_name>{HBM3}</product_name><uuid>{uid}</uuid><serial>S{uid[-1]}</serial></gpu>" for uid in uids
    )
    stamp = "<timestamp>Fri Aug  4 11:44:30 2023</timestamp>"
    return f"<nvidia_smi_log>{stamp}<attached_gpus>{attached}</attached_gpus>{cards}</nvidia_smi_log>"


def test_what_nvidia_smi_prints(site: Site) -> None:
    name = site.file("smi.xml", smi("GPU-0", "GPU-1", attached=2))
    assert act(site, "scan", name, "--source", HOST)[0] == 0
    done(site, "add", "GPU-9=S1", *NEW, *at(1))
    code, out, _ = act(site, "scan", name, "--source", HOST)
    assert code == 6 and "scan/identity    GPU-1" in out
    # A lost card is counted, and not described.
    code, out, _ = act(site, "scan", site.file("smi.xml", smi("GPU-0", attached=2)), "--source", HOST)
    assert code == 6 and "scan/unread      -: accelerators: 2 attached, 1 described" in out
    code, out, _ = act(site, "scan", site.file("smi.xml", smi(attached=0)), "--source", HOST)
    assert (code, out) == (6, "")


def test_what_rocm_smi_prints(site: Site) -> None:
    name = site.file("rocm.json", json.dumps({"card0": {"Unique ID": "GPU-0", "Serial Number": "S0"}}))
    code, out, _ = act(site, "scan", name, "--source", HOST)
    assert code == 6 and "ok               GPU-0" in out and "scan/absent      GPU-1" in out


def test_what_a_device_says_of_itself_steers_no_terminal(site: Site) -> None:
    name = exposition(site, "GPU-0", "GPU-1", model="H100\x1b[2J\u202e\x07")
    code, out, _ = act(site, "scan", name, "--source", HOST)
    assert code == 6 and "H100\\x1b[2J\\u202e\\x07" in out
    assert not set(out) & {"\x1b", "\u202e", "\x07"}


def test_a_live_exporter_is_asked(site: Site) -> None:
    with exporting("GPU-0", "GPU-1") as exporter:
        words = ("--source", HOST, "--collect", "dcgm", "--url", exporter.url)
        assert act(site, "scan", *words)[0] == 0
        exporter.uids = ("GPU-0",)
        assert act(site, "scan", *words)[0] == 6
        exporter.body = "# an exporter without devices\n"
        code, out, err = act(site, "scan", *words)
        assert (code, out) == (6, "") and "import/empty" in err
    code, out, err = act(site, "scan", *words)
    assert (code, out) == (6, "") and "collect/" in err


def test_a_thousand_devices_of_which_none_is_known(site: Site) -> None:
    code, out, _ = act(site, "scan", exposition(site, *(f"GPU-X{n}" for n in range(1_000))), "--source", HOST)
    assert code == 6
    assert out.count("scan/undeclared") == 1_000 and out.count("scan/absent") == 2
