"""`attest import prometheus|redfish|nvml` from files, and from a server on loopback, to a log."""

import json
from pathlib import Path

import pytest

from attest.format.block import Binding, parse_meter
from attest.format.bodies import MeterBody, UsageBody
from attest.format.vocabulary import Column, Quantity
from attest.store.writer import LogWriter
from tests.collect.hostile import Chunks, serve
from tests.collect.test_import import HOST, METER, START, Site, T, declare, feed_roster, site, site_entries
from tests.collect.test_prometheus import Server, body, json_reply, labels

__all__ = ["site"]

PDU = "PowerEquipment/RackPDUs/1/Outlets"


def outlet(site: Site, at: int, name: str = "A1", *, kwh: float | None = 36_170.0, watts: float | None = 360) -> str:
    """A file of an outlet at so many seconds after START."""
    resource = {"@odata.type": "#Outlet.v1_4_2.Outlet", "@odata.id": f"/redfish/v1/{PDU}/{name}"}
    energy = {} if kwh is None else {"EnergykWh": {"Reading": 1, "LifetimeReading": kwh}}
    power = {} if watts is None else {"PowerWatts": {"Reading": watts}}
    return site.file(f"{name}-{START + at}.json", json.dumps(resource | energy | power))


def chain(site: Site) -> tuple[object, ...]:
    return "--log", site.log, "--key", site.key("meter"), "--feed", f"{PDU}/A1=node_0"


def test_lifetime_energies_become_a_register(site: Site) -> None:
    files = [outlet(site, 60 * k, kwh=36_170 + 0.006 * k) for k in range(4)]
    code, out, err = site.run("redfish", *files[:3], *chain(site))
    assert (code, err) == (0, "")
    assert out == (
        f"appended 1 statement of {METER}\n"
        "  window       2025-04-24T17:00:00Z to 2025-04-24T17:02:00Z\n"
        "  energy       43,200 J\n"
        f"  {PDU}/A1 as node_0: 3 readings every 60 s, 43,200 J\n"
        "  irregular    nothing\n"
    )
    assert site.run("redfish", *files, *chain(site))[0] == 0
    read = []
    with LogWriter.open(site.log) as log:
        for index, signed in site_entries(log, METER):
            statement = signed.statement
            assert isinstance(statement.body, MeterBody)
            assert statement.body.quantity is Quantity.REGISTER
            binding = Binding(statement.log or b"", METER, statement.seq)
            ((values, _),) = parse_meter(log.block(index) or b"", binding, statement.body)
            read.append(values.tolist())
    base, step = 36_170 * 3_600_000_000, 21_600_000
    assert read == [
        [base, base + step, base + 2 * step],
        [base + 2 * step, base + 3 * step],
    ]  # the edge closes and opens


def test_a_register_does_not_open_with_the_power_that_closed_the_statement_before(site: Site) -> None:
    site.run("redfish", outlet(site, 0, kwh=None), outlet(site, 60, kwh=None), *chain(site))
    code, _, err = site.run("redfish", *[outlet(site, at) for at in (60, 120)], *chain(site))
    assert (code, err) == (0, "")
    _, last = site.statements(METER)
    assert isinstance(last.body, MeterBody)
    assert [(c.readings, last.body.quantity) for c in last.body.channels] == [(2, Quantity.REGISTER)]


def test_a_node_without_a_register_is_not_lost_silently(site: Site) -> None:
    files = [outlet(site, at, name, kwh=kwh) for at in (0, 60) for name, kwh in (("A1", 1.0), ("A2", None))]
    code, _, err = site.run("redfish", *files, "--dry-run")
    assert (code, "import/quantity" in err, "--only" in err) == (6, True, True)
    code, out, _ = site.run("redfish", *files, "--dry-run", "--quantity", "register", "--format", "json")
    report = json.loads(out)
    assert (code, [node["node"] for node in report["nodes"]]) == (0, [f"{PDU}/A1"])
    assert [(i["kind"], i["who"], i["numbers"]) for i in report["irregularities"]] == [
        ("missing", f"{PDU}/A2", {"readings": 2})
    ]
    code, out, _ = site.run("redfish", *files, "--dry-run", "--quantity", "gauge", "--format", "json")
    assert [node["node"] for node in json.loads(out)["nodes"]] == [f"{PDU}/A1", f"{PDU}/A2"]
    code, out, _ = site.run("redfish", *files, "--dry-run", "--only", f"{PDU}/A2", "--format", "json")
    assert [node["node"] for node in json.loads(out)["nodes"]] == [f"{PDU}/A2"]
    assert site.run("redfish", *files, "--dry-run", "--only", "A9")[2].startswith("attest: error: import/node: ")


def test_a_bmc_of_75_w_steps_is_told_as_coarse(site: Site) -> None:
    files = [outlet(site, 60 * k, kwh=None, watts=75 * n) for k, n in enumerate((4, 5, 7, 8, 8))]
    _, out, _ = site.run("redfish", *files, "--dry-run")
    assert "1 x coarse" in out
    assert "step_mw 75,000" in out


def test_files_without_readings_are_an_empty_import(site: Site, shared: Path) -> None:
    chassis = shared / "data" / "bmc-pdu-smi-samples" / "redfish" / "dell_chassis.json"
    code, _, err = site.run("redfish", chassis, "--dry-run", "--start", "2025-04-24T17:00:00Z")
    assert (code, err.startswith("attest: error: import/empty: ")) == (6, True)


def history(seconds: int) -> list[tuple[int, str]]:
    return [(T + 1000 * s, str(1_000_000 + 70_000 * s)) for s in range(0, seconds, 15)]


def test_history_is_asked_of_prometheus_and_appended(site: Site) -> None:
    pytest.importorskip("httpx")
    with LogWriter.open(site.log) as log:
        declare(log, feed_roster(uids=("GPU-0",)), START)
    server = Server([(labels("GPU-0"), history(601)), (labels("GPU-9", host="n2"), history(601))])
    with serve(server) as url:
        code, out, err = site.run(
            "prometheus", url, "--from", "2025-04-24T16:59:59Z", "--until", "2025-04-24T17:10:00Z", "--host", "n1",
            "--log", site.log, "--key", site.key("host"),
        )  # fmt: skip
    assert (code, err) == (0, "")
    assert "GPU-0 (NVIDIA L4): 10 sampled; 42,000 J" in out
    assert "GPU-9" not in out
    *_, statement = site.statements(HOST)
    assert isinstance(statement.body, UsageBody)
    assert statement.body.columns == (Column.ENERGY,)


def test_a_partial_reply_is_told(site: Site) -> None:
    name = site.file("history.json", body([(labels("GPU-0"), history(181))], warnings=["a store is gone"]).decode())
    _, out, _ = site.run("prometheus", name, "--dry-run")
    assert "1 x partial" in out
    assert "warnings 1" in out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("prometheus", "http://127.0.0.1:1"), "--from before --until"),
        (("prometheus", "http://127.0.0.1:1", "http://127.0.0.1:2"), "one URL"),
        (("prometheus", "history.json", "--from", "2025-04-24T17:00:00Z"), "are of a URL"),
        (("nvml", "smi.xml", "--step", "60"), "go together"),
        (("redfish", "a.json", "b.json", "--start", "2025-04-24T17:00:00Z"), "go together"),
    ],
)
def test_wrong_usage(site: Site, words: tuple[str, ...], says: str) -> None:
    code, _, err = site.run(*words, "--dry-run")
    assert (code, says in err) == (2, True)


def test_a_server_that_fails_is_an_error_with_its_endpoint(site: Site) -> None:
    pytest.importorskip("httpx")

    def answer(_: str) -> Chunks:
        return json_reply(b'{"status":"error","errorType":"bad_data","error":"parse error"}', "400 Bad Request")

    with serve(answer) as url:
        words = ("--from", "2025-04-24T16:00:00Z", "--until", "2025-04-24T17:00:00Z")
        code, out, err = site.run("prometheus", url, *words, "--dry-run")
    assert (code, out) == (6, "")
    assert err.startswith(f"attest: error: collect/status: {url}/api/v1/query: status 400, bad_data: parse error")


def test_nvidia_smi_is_presence_and_rocm_smi_energy(site: Site) -> None:
    for k in range(3):
        stamp = f"Thu Apr 24 17:0{k}:00 2025"
        gpu = "<gpu><uuid>GPU-0</uuid><clocks><sm_clock>1980 MHz</sm_clock></clocks></gpu>"
        log = f"<nvidia_smi_log><timestamp>{stamp}</timestamp><attached_gpus>1</attached_gpus>{gpu}</nvidia_smi_log>"
        site.file(f"smi-{k}.xml", log)
        card = {"Unique ID": "0x79", "Accumulated Energy (uJ)": str(10**12 + 21_000_000_000 * k)}
        site.file(f"rocm-{START + 60 * k}.json", json.dumps({"card0": card}))
    files = [site.path / f"smi-{k}.xml" for k in range(3)]
    _, out, _ = site.run("nvml", *files, "--utc-offset", "+00:00", "--dry-run")
    assert "GPU-0: 2 sampled; 0 J" in out
    assert "1 x presence-only" in out
    files = [site.path / f"rocm-{START + 60 * k}.json" for k in range(3)]
    _, out, _ = site.run("nvml", *files, "--dry-run")
    assert "0x79: 2 sampled; 42,000 J" in out
