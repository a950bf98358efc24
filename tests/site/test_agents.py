"""Agents and their site over real HTTPS: nothing lost, nothing doubled, nothing signed twice, whatever breaks."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest

from attest.errors import AttestError
from attest.format.bodies import UsageBody
from attest.format.cose import parse_sign1
from attest.format.key_acts import KeysBody, Revoke
from attest.format.statement import parse_statement
from attest.format.vocabulary import Kind
from attest.log.merkle import leaf_hash
from attest.record import recorder
from attest.record.chain import sign_next
from attest.record.meeting import Meeting
from attest.record.site import Answer, Site, State
from attest.sign.files import load_key
from attest.store.outbox import Outbox
from attest.store.writer import LogWriter
from tests.collect.test_import import START
from tests.record.rig import MINUTE, Stopped
from tests.site.agent import Agent
from tests.site.faults import Between, Line, away
from tests.site.rig import VKEYS, Lab, Teller, roster, signer, sub


def signed(agent: Agent) -> dict[int, bytes]:
    """What the agent's key signed, by seq, as far as it keeps it."""
    found = {}
    for path in (agent.path / "site" / "receipts").glob("*.cose"):
        found[parse_statement(path.read_bytes()).statement.seq] = path.read_bytes()
    with Outbox(agent.kept.box) as box:
        found |= {each.seq: each.entry for each in box.waiting()}
    return found


def require_whole(agent: Agent, minutes: int) -> None:
    """The log has what the agent signed, each seq once, until the last window's end."""
    mine = [entry for entry in agent.lab.entries() if parse_statement(entry).header.sub == sub(agent.host)]
    assert agent.lab.said(agent.host) == list(range(len(mine)))
    assert signed(agent).items() <= dict(enumerate(mine)).items()
    assert parse_statement(mine[-1]).statement.end == START + minutes * MINUTE


def between(lab: Lab, host: str = "n1", **change: Callable[[Any], Any]) -> Between:
    return Between(cast(Site, lab.site(host)), dict(change))


def test_a_host_hands_on_what_it_signs_and_keeps_receipts(served: Lab) -> None:
    agent = Agent.of(served, "n1", 32)
    agent.run()
    require_whole(agent, 30)
    served.stop()
    served.start()  # which seals
    assert agent.received() == 3
    with Outbox(agent.kept.box) as box:
        assert list(box.waiting()) == []
    acks = [json.loads(line) for line in (agent.path / "site" / "acknowledged.jsonl").read_text().splitlines()]
    entries = served.entries()
    assert [(ack["seq"], leaf_hash(entries[ack["index"]]).hex()) for ack in acks] == [
        (seq, acks[seq]["leaf"]) for seq in range(3)
    ]
    agent.run(10)
    last = parse_statement(served.entries()[-1]).statement
    assert last.seq == 3 and last.anchor is not None


def test_a_line_that_is_cut_anywhere_loses_and_doubles_nothing(shared: Lab) -> None:
    """One connection after another is cut, ever later in what is said or in what is answered."""
    cuts = [(limit, None) for limit in range(300, 9_000, 1_500)] + [(None, limit) for limit in range(300, 9_000, 1_500)]
    agent = Agent.of(shared, "m1", 2)
    agent.run()
    with Line(shared.port, [cut for cut in cuts for _ in range(2)]).open() as line:
        for _ in cuts:
            agent.site = shared.site("m1", line.port)
            agent.run(10)
    assert line.cut > len(cuts)
    agent.site = shared.site("m1")
    agent.run(8)
    require_whole(agent, 10 * len(cuts))


def test_the_site_is_killed_again_and_again(lab: Lab) -> None:
    lab.start()
    agent = Agent.of(lab, "n1", 42)

    def restart() -> None:
        lab.kill()
        lab.start()

    agent.clock.at = dict.fromkeys((10 * MINUTE + 25, 30 * MINUTE + 35), restart)
    try:
        agent.run()
        require_whole(agent, 40)
    finally:
        lab.stop()


def test_an_agent_that_was_away_for_a_week_catches_up_without_gaps(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """It samples all the week; an inventory that was declared meanwhile is in what it signs afterwards."""
    monkeypatch.setattr(recorder, "MAX_WAIT", 3_600.0)
    agent = Agent.of(lab, "n1", 7 * 24 * 60 + 10)
    agent.interval, agent.window = 3_600, 21_600
    with LogWriter.open(lab.log) as log:
        lab.declare(log, roster((*lab.hosts, "n5")), START + 3 * 86_400)
    agent.run()
    assert signed(agent) == {}
    with lab.serving():
        while agent.closed().more:
            pass
        ends = [parse_statement(entry).statement.end for entry in signed(agent).values()]
        assert lab.said("n1") == list(range(len(ends)))
    assert max(ends) == (START + 7 * 86_400) // 21_600 * 21_600
    bodies = [parse_statement(entry).statement.body for entry in signed(agent).values()]
    assert len({body.roster for body in bodies if isinstance(body, UsageBody)}) == 2


@pytest.mark.parametrize(
    ("moment", "host"), [("before it is sent", "m2"), ("after it is sent", "m3"), ("before it is kept", "m4")]
)
def test_an_agent_that_is_killed_signs_nothing_twice(shared: Lab, moment: str, host: str) -> None:
    def die(*_: object) -> Any:
        raise Stopped

    site = between(shared, host)
    agent = Agent.of(shared, host, 12, cast(Site, site))
    name = "before hand_on" if moment.startswith("before it is sent") else "hand_on"
    site.change = {name: die}
    agent.run()
    before = signed(agent)
    assert len(before) == 1
    site.change = {}
    agent.run(12)
    assert before.items() <= signed(agent).items()
    require_whole(agent, 20)


def test_a_site_that_lies_about_the_chain_makes_nobody_sign_twice(shared: Lab) -> None:
    site = between(shared, "m5")
    agent = Agent.of(shared, "m5", 12, cast(Site, site))
    agent.run()
    before = signed(agent)
    assert list(before) == [0]

    def back(state: State) -> State:
        return state._replace(seq=0, prev=state.enrolment, until=None)

    site.change = {"state": back}
    agent.run(10)
    assert before.items() <= signed(agent).items()
    site.change = {"state": lambda state: state._replace(seq=9, prev=bytes(32))}
    agent.run(10)
    site.change = {}
    agent.run(2)
    require_whole(agent, 30)


LIES: dict[str, tuple[str, Callable[[Any], Any], str]] = {
    "another log": ("about", lambda about: about._replace(log=bytes(32)), "remote/answer"),
    "another name": ("about", lambda about: about._replace(origin="rival.example/dc1"), "remote/answer"),
    "no key in force": ("state", lambda state: state._replace(kid=None), "key/revoked"),
    "another key in force": ("state", lambda state: state._replace(kid=bytes(32)), "key/not-enrolled"),
    "more of the chain than there is": ("state", lambda state: state._replace(seq=3), "remote/refused"),
    "another roster": ("roster", lambda body: body + b"x", "remote/answer"),
    "another log's checkpoint": ("growth", lambda data: data.replace(b"dc1", b"dc2"), "checkpoint/origin"),
    "a forged checkpoint": ("growth", lambda data: data[:-8] + b"AAAAAA=\n", "note/signature"),
    "no genesis": ("genesis", lambda entry: entry[:-1] + b"x", "remote/answer"),
    "nothing": ("about", away, "remote/unreachable"),
}


@pytest.mark.parametrize("lie", LIES)
def test_what_the_site_says_is_verified(shared: Lab, lie: str) -> None:
    asked, change, code = LIES[lie]
    agent = Agent.of(shared, "n1", 12, cast(Site, between(shared, **{asked: change})))
    agent.folder = lie.replace(" ", "-")
    agent.run()
    with pytest.raises(AttestError, match=code):
        agent.closed()
    assert signed(agent) == {}


def test_an_acknowledgement_of_something_else_is_not_kept(shared: Lab, caplog: pytest.LogCaptureFixture) -> None:
    def other(answer: Answer) -> Answer:
        return answer._replace(taken=tuple(replace(ack, leaf=bytes(32)) for ack in answer.taken))

    agent = Agent.of(shared, "n2", 12, cast(Site, between(shared, "n2", hand_on=other)))
    agent.run()
    assert "not handed on" in caplog.messages
    assert not (agent.path / "site" / "acknowledged.jsonl").exists()
    require_whole(agent, 10)


def test_an_outbox_that_is_an_old_copy_takes_over_what_its_key_signed(shared: Lab, tmp_path: Path) -> None:
    agent = Agent.of(shared, "n3", 12)
    agent.run()
    shutil.copytree(agent.path / "site", tmp_path / "old")
    agent.run(20)
    assert list(signed(agent)) == [0, 1, 2]
    shutil.rmtree(agent.path / "site")
    (tmp_path / "old").rename(agent.path / "site")
    agent.run(10)
    require_whole(agent, 40)
    shutil.rmtree(agent.path / "site")
    agent.run(10)
    require_whole(agent, 50)


def test_a_second_host_with_the_key_is_told_from_an_old_copy(shared: Lab) -> None:
    """Two that sign for one place are found out before either goes on."""
    agent = Agent.of(shared, "n4", 12)
    agent.run()
    for ahead in range(2):
        other = Agent.of(shared, "n4", 12)
        other.folder = f"other-{ahead}"
        with Outbox(other.kept.box) as box:
            entry, _ = Teller(shared, "n4").next()  # another one for seq 0
            box.propose((parse_sign1(entry).payload or b"", None))
            box.sign(lambda _, entry=entry: entry)  # type: ignore[misc]
        with pytest.raises(AttestError, match="remote/ahead"):
            other.closed()
        agent.run(10)
    require_whole(agent, 30)


def test_a_rotated_key_signs_what_comes_after(shared: Lab) -> None:
    agent = Agent.of(shared, "m6", 12)
    agent.run()
    agent.meeting().rotate(signer("m6 next"))
    assert shared.said("m6") == [0, 1]
    agent.run(10)  # it has not got the next key
    assert shared.said("m6") == [0, 1]
    agent.keys = ("m6 next", "m6")
    agent.run(10)
    require_whole(agent, 30)
    last = [header for entry in shared.entries() if (header := parse_statement(entry).header).sub == sub("m6")][-1]
    assert last.kid == signer("m6 next").public_key().thumbprint


def test_a_key_is_rotated_once_its_chain_has_begun(shared: Lab) -> None:
    agent = Agent.of(shared, "m7", 5)
    agent.run()
    with pytest.raises(AttestError, match="key/early"):
        agent.meeting().rotate(signer("m7 next"))
    assert shared.said("m7") == []
    agent.run(27)
    require_whole(agent, 30)


def test_a_key_that_does_not_open_is_passed_over_for_the_one_in_force(shared: Lab, tmp_path: Path) -> None:
    agent = Agent.of(shared, "n1", 12)
    gone, exposed = partial(load_key, tmp_path / "gone.key"), tmp_path / "exposed.key"
    exposed.touch(0o644)
    keys = [gone, partial(load_key, exposed), lambda: signer("n1")]
    meeting = Meeting(agent.site, sub("n1"), VKEYS, keys, agent.kept)
    with Outbox(agent.kept.box) as box:
        meeting.go_on(box)
        shut = Meeting(agent.site, sub("n1"), VKEYS, keys[:2], agent.kept)
        with pytest.raises(AttestError, match="key/exposed"):
            shut.go_on(box)


def test_a_source_that_is_revoked_meanwhile_is_refused_from_there_on(lab: Lab) -> None:
    agent = Agent.of(lab, "n1", 12)
    with lab.serving():
        agent.run()
        teller = Teller(lab, "n1")
        teller.go_on()
    before = len(lab.entries())
    with LogWriter.open(lab.log) as log:
        act = Revoke(signer("n1").public_key().thumbprint, before - 1)
        sign_next(log, signer("office"), Kind.KEYS, KeysBody((act,)), START + 11 * MINUTE)
    with lab.serving():
        agent.run(10)
        with pytest.raises(AttestError, match="key/revoked"):
            agent.closed()
        assert served_refuses(lab, teller) == "key/revoked"
        assert len(signed(agent)) == 1
        Agent.of(lab, "n2", 12).run()
    assert (lab.said("n1"), lab.said("n2")) == ([0], [0])


def served_refuses(lab: Lab, teller: Teller) -> str:
    return lab.site(teller.host).hand_on([teller.next()]).code
