"""What is planned to be off a host learns from its site, over real HTTPS, and states it where nobody read anything."""

import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from attest.collect.stamps import format_time
from attest.compute.columns import SPAN
from attest.errors import AttestError, LogError, SignatureError
from attest.format.bodies import UsageBody
from attest.format.cbor import encode
from attest.format.cose import format_document, parse_document
from attest.format.roster import Host, Roster
from attest.format.statement import parse_statement
from attest.format.vocabulary import Role, State
from attest.inventory.ledger import FOREVER, path_of
from attest.log.merkle import leaf_hash
from attest.record.site import MAX_ANSWER, Declared, Plan, Site, format_off, format_plan, parse_off, parse_state
from attest.record.site import State as Chain
from attest.record.site_folder import FolderSite
from attest.record.site_off import CONTENT_TYPE, open_plan, sign_plan
from attest.sign.documents import sign_document
from attest.sign.seeded import seeded_key
from attest.site.config import PEER, SOURCE
from attest.site.desk import Desk
from attest.site.drop import Drop
from attest.site.metrics import SiteMetrics
from attest.store.writer import LogWriter
from attest.trust.keys import Alg
from attest.trust.notes import log_vkey
from tests.collect.test_import import START
from tests.record.rig import MINUTE, UIDS
from tests.site.agent import Agent
from tests.site.rig import VKEYS, Lab, roster, signer, sub
from tests.site.test_folder import collect, drop, mine, put

__all__ = ["drop"]  # a fixture


def switch(lab: Lab, verb: str, uid: str, minute: int) -> None:
    """`attest inventory power-off` or `power-on`, beside the server if it runs."""
    at = format_time((START + minute * MINUTE) * 1000)
    words = [sys.executable, "-m", "attest", "inventory", verb, str(lab.log), uid, "--at", at]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def said(lab: Lab, host: str = "n1") -> dict[str, dict[int, State]]:
    """By device the state of each minute after START, of each once."""
    found: dict[str, dict[int, State]] = {uid: {} for uid in UIDS}
    for entry in lab.entries():
        signed = parse_statement(entry)
        body = signed.statement.body
        if signed.header.sub != sub(host) or not isinstance(body, UsageBody):
            continue
        length = (signed.statement.end - signed.statement.start) // body.interval
        spans = np.frombuffer(body.spans, SPAN)
        states = np.repeat(spans["state"], np.diff(np.append(spans["first"], length * body.devices)))
        for uid, row in zip(UIDS, states.reshape(-1, length).tolist(), strict=True):
            for minute, state in enumerate(row, (signed.statement.start - START) // MINUTE):
                assert minute not in found[uid]
                found[uid][minute] = State(state)
    return found


def minutes(lab: Lab, state: State, uid: str = "GPU-1") -> list[int]:
    return [minute for minute, one in said(lab)[uid].items() if one is state]


def test_what_is_switched_off_is_off_and_not_missing(served: Lab) -> None:
    """Planned beside the running server, in two steps, of a device that stops to answer sooner than it was to."""
    agent = Agent.of(served, "n1", 12)
    agent.run()
    switch(served, "power-off", "n1-GPU-1", 15)
    agent.absent = frozenset({"n1-GPU-1"})
    agent.run(10)
    switch(served, "power-on", "n1-GPU-1", 35)
    agent.run(20)
    assert minutes(served, State.OFF) == list(range(15, 35))
    assert minutes(served, State.MISSING) == [11, 12, 13, 14, *range(35, 40)]
    assert set(said(served)["GPU-0"].values()) <= {State.SAMPLED, State.MISSING}  # it is begun again in between
    assert State.OFF not in said(served)["GPU-0"].values()


def test_a_reading_counts_before_the_plan(served: Lab) -> None:
    switch(served, "power-off", "n1-GPU-1", 5)
    Agent.of(served, "n1", 12).run()
    assert minutes(served, State.SAMPLED) == list(range(1, 10))


def test_each_host_learns_of_its_own_devices_what_it_has_not_spoken_of(served: Lab) -> None:
    for host, minute in (("n1", 5), ("n2", 6)):
        switch(served, "power-off", f"{host}-GPU-1", minute)
    switch(served, "power-on", "n1-GPU-1", 8)
    first, second = START + 5 * MINUTE, START + 8 * MINUTE
    assert served.site("n1").planned_off() == {"n1-GPU-1": [(first, second)]}
    assert served.site("n2").planned_off() == {"n2-GPU-1": [(START + 6 * MINUTE, FOREVER)]}
    assert served.site("n3").planned_off() == {}
    Agent.of(served, "n1", 12).run()
    assert served.site("n1").planned_off() == {}
    switch(served, "power-off", "n1-GPU-1", 30)
    assert served.site("n1").planned_off() == {"n1-GPU-1": [(START + 30 * MINUTE, FOREVER)]}


def test_a_device_that_moves_takes_its_plan_along(served: Lab) -> None:
    switch(served, "power-off", "n1-GPU-1", 5)
    with LogWriter.open(served.log) as log:
        before = roster(served.hosts)
        one, two, *others = before.hosts
        hosts = (Host(one.sub, one.devices[:1]), Host(two.sub, (*two.devices, one.devices[1])), *others)
        served.declare(log, Roster(before.feeds, hosts), START + 20 * MINUTE)
    planned = {"n1-GPU-1": [(START + 5 * MINUTE, FOREVER)]}
    assert served.site("n1").planned_off() == served.site("n2").planned_off() == planned


def test_with_a_ledger_that_cannot_be_read_nothing_is_signed(lab: Lab) -> None:
    """What the lab planned is not known then: to say missing would be to forget it."""
    switch(lab, "power-off", "n1-GPU-1", 5)
    ledger = path_of(lab.log)
    whole = ledger.read_bytes()
    ledger.write_bytes(b"{}\n" + whole)
    agent = Agent.of(lab, "n1", 12)
    agent.absent = frozenset({"n1-GPU-1"})
    with lab.serving():
        agent.run()
        with pytest.raises(LogError, match="inventory/ledger"):
            agent.closed()
    assert lab.said("n1") == []
    ledger.write_bytes(whole)
    with lab.serving():
        agent.closed()
    assert minutes(lab, State.OFF) == list(range(5, 10))


def folder_agent(lab: Lab, drop: Path, minutes: int = 12) -> Agent:
    agent = Agent.of(lab, "n1", minutes, cast(Site, FolderSite(drop, sub("n1"), VKEYS)))
    agent.absent = frozenset({"n1-GPU-1"})
    return agent


def test_what_is_to_be_off_is_told_in_a_folder(lab: Lab, drop: Path) -> None:
    switch(lab, "power-off", "n1-GPU-1", 5)
    agent = folder_agent(lab, drop)
    collect(lab)
    agent.run()
    for _ in range(2):
        collect(lab)
        agent.closed()
    collect(lab)
    assert minutes(lab, State.MISSING) == list(range(1, 5))
    assert minutes(lab, State.OFF) == list(range(5, 10))


def test_no_window_is_closed_beyond_what_the_site_has_said_is_off(lab: Lab, drop: Path) -> None:
    """One desk for the site, whose clock is played: what it said before a window ended is no word about that window."""
    agent = folder_agent(lab, drop, 9)
    desk = Desk(lab.log, [signer("log")], SOURCE, lambda: agent.clock.true_ms / 1000)
    site = Drop(drop, desk, PEER, SiteMetrics())
    site.collect()
    agent.run()
    site.collect()
    said = mine(drop, "n1") / "said-off"
    early = said.read_bytes()
    agent.run(3)
    assert agent.closed().statements == 0
    site.collect()
    put(said, early)  # by whoever can write there
    assert agent.closed().statements == 0
    site.collect()
    assert agent.closed().statements == 1
    desk.close()


def by_kid(document: bytes, kid: Any) -> bytes:
    """The same, said to be signed by another key, or by what is none."""
    parsed = parse_document(document)
    signature = parsed.signatures[0]._replace(protected=encode({1: -8, 4: kid}))
    return format_document(parsed._replace(signatures=(signature,)))


def test_who_else_writes_in_a_folder_says_nothing_of_what_is_off(lab: Lab, drop: Path) -> None:
    agent = folder_agent(lab, drop)
    collect(lab)
    agent.run()
    collect(lab)
    said, log = mine(drop, "n1") / "said-off", leaf_hash(lab.entries()[0])
    state = parse_state((mine(drop, "n1") / "state.json").read_bytes())
    plan = Plan(log, sub("n1"), START + 3600, (), state, {"n1-GPU-1": [(START, FOREVER)]})
    key, other = signer("log"), signer("n2")
    for data, code in (
        (b"", "cbor/"),
        (bytes(MAX_ANSWER), "cbor/"),
        (format_plan(plan), "cbor/"),
        (sign_plan(plan, [other]), "note/unsigned"),
        *((by_kid(sign_plan(plan, [key]), kid), "note/unsigned") for kid in ([1], {1: 2}, None, "log")),
        (sign_document(format_plan(plan), "application/vnd.attest.agreement+toml", [key]), "document/header"),
        (sign_plan(plan._replace(source=sub("n2")), [key]), "remote/answer"),
        (sign_plan(plan._replace(log=bytes(32)), [key]), "remote/answer"),
        (sign_document(b"[]", CONTENT_TYPE, [key]), "remote/answer"),
    ):
        put(said, data)
        with pytest.raises(AttestError, match=code):
            agent.closed()
    put(said, bytes(MAX_ANSWER + 1))  # nobody reads it, and nothing was said
    with pytest.raises(AttestError, match="remote/unreachable"):
        agent.closed()
    assert not said.exists()
    collect(lab)
    agent.closed()
    collect(lab)
    assert minutes(lab, State.MISSING) == list(range(1, 10))


def test_any_key_of_the_log_signs_what_is_off() -> None:
    keys = [seeded_key("off"), seeded_key("off pq", Alg.ML_DSA_44)]
    vkeys = [log_vkey("acme.example/dc1", key.public_key()) for key in keys]
    state = Chain(Role.HOST, "https://acme.example", bytes(32), 3, bytes(32), 5, None)
    off = {"GPU-0": [(5, 7), (9, FOREVER)]}
    plan = Plan(bytes(32), "https://acme.example/dc1/n1", 7, (Declared(0, bytes(32)),), state, off)
    both = sign_plan(plan, keys)
    assert open_plan(both, vkeys) == open_plan(both, vkeys[:1]) == open_plan(both, vkeys[1:]) == plan
    document = parse_document(both)
    first = document.signatures[0]
    wrong = first._replace(signature=first.signature[:-1] + bytes([first.signature[-1] ^ 1]))
    broken = format_document(document._replace(signatures=(wrong, *document.signatures[1:])))
    with pytest.raises(SignatureError):
        open_plan(broken, vkeys)
    with pytest.raises(LogError, match="upload/size"):
        sign_plan(plan._replace(off={f"GPU-{number}": [(0, FOREVER)] for number in range(50_000)}), keys[:1])


def test_what_is_off_is_said_and_read_alike() -> None:
    planned = {"GPU-0": [(5, 7), (9, FOREVER)], "GPU-1": [(0, FOREVER)]}
    assert parse_off(format_off(planned)) == planned
    assert b"null" in format_off(planned)
