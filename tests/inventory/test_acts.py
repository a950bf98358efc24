"""The life of an accelerator by the books, and everything that the books refuse."""

import time

import pytest

from attest.format.block import commit
from attest.format.bodies import InventoryBody
from attest.format.roster import Device, Roster, format_roster
from attest.format.vocabulary import Kind
from attest.inventory.ledger import Named, path_of
from attest.inventory.site import Place
from attest.record.chain import sign_next
from attest.store.writer import LogWriter
from tests.collect.test_import import feed_roster, signer
from tests.inventory.books import (
    H100,
    HOST,
    HOUR,
    OTHER,
    START,
    Site,
    act,
    at,
    books,
    done,
    lines,
    listed,
    newest,
    placed,
    refused,
    roster_text,
    site,
)

__all__ = ["site"]  # a fixture

NEW = ("--model", H100)


def test_a_life(site: Site) -> None:
    assert done(site, "add", "GPU-9=165", *NEW, *at(1)) == "1 arrived in stock\n"
    assert books(site.log).get("165").place is Place.STOCK
    out = done(site, "move", "165", "--to", HOST, "--feed", "node_1", *at(2))
    assert out.startswith("entry 3 declares 3 accelerators of 1 host from 2025-04-24T19:00:00Z on: 1 moved")
    assert placed(site.log) == {HOST: ["GPU-0", "GPU-1", "GPU-9"]}
    assert newest(site.log)[1].hosts[0].devices[2] == Device("GPU-9", H100, 1)
    done(site, "power-off", "GPU-9", *at(3))
    assert books(site.log).off == {"GPU-9": START + 3 * HOUR}
    done(site, "move", "GPU-9", "--from", HOST, "--to", OTHER, "--feed", "node_0", *at(4))
    assert placed(site.log) == {HOST: ["GPU-0", "GPU-1"], OTHER: ["GPU-9"]}
    assert books(site.log).off  # it was moved while it was off
    done(site, "power-on", "GPU-9", *at(5))
    assert books(site.log).off == {}
    assert "1 retired" in done(site, "retire", "GPU-9", *at(6))
    assert placed(site.log) == {HOST: ["GPU-0", "GPU-1"]}
    device = books(site.log).get("GPU-9")
    assert (device.place, device.since) == (Place.RETIRED, START + 6 * HOUR)
    assert [line["act"] for line in lines(site.log)] == [
        "begin", "add", "move", "power-off", "move", "power-on", "retire",
    ]  # fmt: skip
    done(site, "add", "GPU-9", *NEW, "--to", HOST, "--feed", "node_0", "--again", "repaired", *at(7))
    assert lines(site.log)[-1]["again"] == "repaired"
    assert books(site.log).get("165").where == f"declared at {HOST}"  # its serial is not forgotten


def test_the_ledger_is_beside_the_log_and_is_the_labs_own(site: Site) -> None:
    done(site, "add", "GPU-9", *NEW, *at(1))
    path = path_of(site.log)
    assert path == site.path / "log.inventory.jsonl"
    assert path.stat().st_mode & 0o777 == 0o600
    assert not list(site.log.rglob("*.jsonl"))


def test_without_a_time_it_is_the_next_full_hour(site: Site) -> None:
    before = int(time.time())
    done(site, "add", "GPU-9", *NEW, "--to", HOST, "--feed", "node_0")
    assert newest(site.log)[0] in {(before // HOUR + 1) * HOUR, (int(time.time()) // HOUR + 1) * HOUR}


@pytest.mark.parametrize(
    ("code", "verb", "words"),
    [
        ("inventory/already", "add", ("GPU-0", *NEW)),
        ("inventory/already", "add", ("GPU-8", *NEW)),
        ("inventory/identity", "add", ("GPU-9=S8", *NEW)),  # the serial of another
        ("inventory/identity", "add", ("GPU-8=S9", *NEW)),  # a UUID with another serial
        ("inventory/identity", "add", ("S8", *NEW)),  # by its serial, as if it were another
        ("inventory/identity", "add", ("GPU-9=GPU-8", *NEW)),
        ("inventory/identity", "add", ("GPU-9", "GPU-9", *NEW)),
        ("inventory/identity", "add", ("GPU-9=S1", "GPU-10=S1", *NEW)),
        ("inventory/identity", "retire", ("GPU-8", "S8")),
        ("inventory/retired", "add", ("GPU-7", *NEW)),
        ("inventory/retired", "move", ("GPU-7", "--to", HOST)),
        ("inventory/retired", "retire", ("GPU-7",)),
        ("inventory/past", "add", ("GPU-7", *NEW, "--again", "found")),
        ("inventory/not-arrived", "move", ("GPU-9", "--from", HOST, "--to", OTHER)),
        ("inventory/not-arrived", "retire", ("GPU-0", "GPU-9")),
        ("inventory/not-arrived", "power-off", ("GPU-9",)),
        ("inventory/not-there", "move", ("GPU-0", "--from", OTHER, "--to", HOST)),
        ("inventory/not-there", "move", ("GPU-0", "--to", OTHER)),
        ("inventory/not-there", "move", ("GPU-8", "--from", HOST)),
        ("inventory/not-there", "power-off", ("GPU-8",)),
        ("inventory/power", "power-off", ("GPU-1",)),
        ("inventory/power", "power-on", ("GPU-0",)),
        ("roster/unknown-feed", "add", ("GPU-9", *NEW, "--to", HOST, "--feed", "node_7")),
        ("roster/unknown-feed", "add", ("GPU-9", *NEW, "--to", OTHER)),
        ("inventory/name", "add", ("GPU-9\x1b[2J", *NEW)),
        ("inventory/name", "add", ("GPU-9=\u202e1", *NEW)),
        ("inventory/name", "add", ("", *NEW)),
        ("inventory/name", "add", ("GPU-9=", *NEW)),
        ("inventory/name", "add", ("G" * 513, *NEW)),
        ("inventory/name", "add", ("GPU-9", "--model", "H100\nH200")),
        ("inventory/name", "add", ("GPU-7", *NEW, "--again", "\n")),
        ("statement/text", "add", ("GPU-9", *NEW, "--to", "https://a\u200b.example", "--feed", "node_0")),
    ],
)
def test_what_is_refused(site: Site, code: str, verb: str, words: tuple[str, ...]) -> None:
    done(site, "add", "GPU-7", "GPU-8=S8", *NEW, *at(1))
    done(site, "power-off", "GPU-1", *at(1))
    done(site, "retire", "GPU-7", *at(5))
    refused(site, code, verb, *words, *at(4))


def test_several_are_moved_or_none(site: Site) -> None:
    refused(site, "inventory/not-there", "move", "GPU-0", "GPU-1", "--from", OTHER, "--to", HOST, *at(1))
    done(site, "move", "GPU-0", "GPU-1", "--from", HOST, "--to", OTHER, "--feed", "node_0", *at(1))
    assert placed(site.log) == {OTHER: ["GPU-0", "GPU-1"]}


def test_only_the_office_declares(site: Site) -> None:
    site.key("office").write_bytes(site.key("host").read_bytes())
    refused(site, "key/role", "add", "GPU-9", *NEW)
    refused(site, "key/role", "retire", "GPU-0", *at(1))


def test_wrong_usage(site: Site) -> None:
    assert act(site, "move", "GPU-0")[0] == 2
    assert act(site, "move", "GPU-0", "--from", HOST, "--to", HOST)[0] == 2
    assert act(site, "add", "GPU-9", *NEW, "--beside", site.log)[0] == 2
    assert act(site, "scan", "--source", HOST)[0] == 2


# -- a whole roster


def test_a_roster_places_what_has_arrived_and_nothing_else(site: Site) -> None:
    refused(site, "inventory/not-arrived", "declare", roster_text(site, listed("GPU-0", "GPU-1", "GPU-9")), *at(1))
    done(site, "add", "GPU-9", *NEW, *at(1))
    done(site, "declare", roster_text(site, listed("GPU-9", "GPU-0", "GPU-1"), "node_1"), *at(1))
    assert placed(site.log) == {HOST: ["GPU-9", "GPU-0", "GPU-1"]}
    assert books(site.log).get("GPU-9").place is Place.DECLARED
    refused(site, "inventory/vanished", "declare", roster_text(site, listed("GPU-0", "GPU-1")), *at(2))
    done(site, "retire", "GPU-9", *at(2))
    refused(site, "inventory/retired", "declare", roster_text(site, listed("GPU-0", "GPU-1", "GPU-9")), *at(3))


def test_a_model_does_not_change_silently(site: Site) -> None:
    alias = listed("GPU-0", "GPU-1", model="NVIDIA H100 80GB HBM3")
    done(site, "declare", roster_text(site, alias), *at(1))  # the same one by another name
    other = roster_text(site, listed("GPU-0", "GPU-1", model="NVIDIA L4"))
    refused(site, "inventory/model", "declare", other, *at(2))
    done(site, "declare", other, "--again", "they were misread", *at(2))
    assert lines(site.log)[-1]["again"] == "they were misread"
    refused(site, "inventory/model", "declare", roster_text(site, alias), *at(3))


def test_serials_in_a_roster_are_kept_in_the_ledger(site: Site) -> None:
    table = '[[host.device]]\nuid = "{}"\nserial = "{}"\nmodel = "' + H100 + '"\nfeed = "node_0"\n'
    done(site, "declare", roster_text(site, table.format("GPU-0", "S0") + table.format("GPU-1", "S1")), *at(1))
    assert books(site.log).get("S1").named == Named("GPU-1", "S1", H100)
    assert [line["devices"] for line in lines(site.log)[1:]] == [[["GPU-0", "S0", H100], ["GPU-1", "S1", H100]]]
    refused(site, "inventory/identity", "add", "GPU-2=S0", *NEW, *at(2))
    twice = roster_text(site, table.format("GPU-0", "S0") + table.format("GPU-1", "S0"))
    refused(site, "inventory/identity", "declare", twice, *at(2))


def test_an_inventory_signed_past_the_ledger_stops_every_act(site: Site) -> None:
    done(site, "add", "GPU-9", *NEW, *at(1))
    stray = feed_roster(uids=("GPU-0", "GPU-1", "GPU-9", "GPU-66"))
    declare_past(site, stray, START + HOUR)
    for words in (("add", "GPU-10", *NEW), ("retire", "GPU-0"), ("power-off", "GPU-0")):
        assert f"GPU-66 at {HOST}" in refused(site, "inventory/not-arrived", *words, *at(2))
    roster = roster_text(site, listed("GPU-0", "GPU-1", "GPU-9"))
    refused(site, "inventory/not-arrived", "declare", roster, *at(2))
    done(site, "declare", roster, "--again", "signed at the other desk, and wrong", *at(2))
    assert placed(site.log) == {HOST: ["GPU-0", "GPU-1", "GPU-9"]}
    refused(site, "inventory/not-arrived", "retire", "GPU-66", *at(3))


def test_the_log_decides_what_is_there(site: Site) -> None:
    done(site, "add", "GPU-9", *NEW, "--to", HOST, "--feed", "node_0", *at(1))
    declare_past(site, feed_roster(), START + 2 * HOUR)
    assert books(site.log).get("GPU-9").place is Place.RETIRED
    refused(site, "inventory/retired", "add", "GPU-9", *NEW, *at(3))


def test_a_log_without_a_ledger_begins_with_what_it_declared(site: Site) -> None:
    declare_past(site, feed_roster(uids=("GPU-1", "GPU-2")), START + HOUR)
    refused(site, "inventory/already", "add", "GPU-2", *NEW, *at(2))
    refused(site, "inventory/retired", "add", "GPU-0", *NEW, *at(2))
    done(site, "add", "GPU-3", *NEW, *at(2))
    begin = lines(site.log)[0]
    assert [begin["act"], begin["devices"], begin["gone"]] == [
        "begin",
        [["GPU-1", None, H100], ["GPU-2", None, H100]],
        [["GPU-0", None, H100]],
    ]
    refused(site, "inventory/retired", "add", "GPU-0", *NEW, *at(3))


def declare_past(site: Site, roster: Roster, at: int) -> None:
    body = format_roster(roster)
    with LogWriter.open(site.log) as log:
        sign_next(log, signer("office"), Kind.INVENTORY, InventoryBody(commit(body), roster.count()), at, body)
