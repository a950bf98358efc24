"""Agents and their site through a shared folder: what is left there is taken once, whatever else lies there."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import cast

import pytest

from attest.errors import AttestError, LogError
from attest.format.act import CONTENT_TYPE as GENESIS_TYPE
from attest.format.act import GenesisAct, format_act
from attest.format.bodies import GenesisBody
from attest.format.roster import format_roster
from attest.format.statement import Statement, parse_statement
from attest.format.vocabulary import Kind
from attest.log.merkle import leaf_hash
from attest.record.site import (
    Declared,
    Site,
    format_about,
    format_state,
    parse_about,
    parse_answer,
    parse_state,
    source_id,
)
from attest.record.site_folder import FolderSite, entry_name
from attest.sign.documents import sign_document
from attest.sign.seeded import seeded_key
from attest.sign.statements import header_for, sign_statement
from attest.site.config import PEER, SOURCE
from attest.site.desk import Desk
from attest.site.drop import MAX_QUESTIONS, Drop
from attest.site.metrics import SiteMetrics
from attest.store.shared import Shared
from attest.store.writer import LogWriter
from tests.collect.test_import import ISS, ORIGIN, START
from tests.site.agent import Agent
from tests.site.rig import OFFICE, VKEYS, Lab, Teller, roster, signer, sub
from tests.site.test_agents import require_whole, signed


@pytest.fixture
def drop(lab: Lab) -> Path:
    path = lab.path / "drop"
    path.mkdir()
    return path


def collect(lab: Lab) -> int:
    """One pass of the site, which then seals."""
    desk = Desk(lab.log, [seeded_key("import log")], SOURCE)
    taken = Drop(lab.path / "drop", desk, PEER, SiteMetrics()).collect()
    desk.seal()
    desk.close()
    return taken


def mine(drop: Path, host: str) -> Path:
    return drop / source_id(sub(host))


def put(path: Path, data: bytes) -> None:
    with Shared(path.parent) as folder:
        folder.put(path.name, data)


def leave(drop: Path, teller: Teller, intervals: int = 0) -> Path:
    name = entry_name(teller.seq)
    entry, block = teller.next(intervals)
    folder = mine(drop, teller.host)
    folder.mkdir(exist_ok=True)
    if block is not None:
        put(folder / f"{name}.block", block)
    put(folder / f"{name}.entry", entry)
    return folder / f"{name}.entry"


def test_a_host_and_its_site_meet_in_a_folder(lab: Lab, drop: Path) -> None:
    agent = Agent.of(lab, "n1", 22, cast(Site, FolderSite(drop, sub("n1"), VKEYS)))
    agent.run()
    assert signed(agent) == {}  # the site was not there yet
    collect(lab)
    with pytest.raises(AttestError, match="remote/unreachable"):
        agent.closed()  # which log it is the site has not signed yet
    collect(lab)
    assert agent.closed().waiting == 2
    assert collect(lab) == 2
    assert agent.closed().waiting == 0
    for _ in range(2):
        agent.received()
        collect(lab)
    assert agent.received() == 2
    require_whole(agent, 20)
    agent.run(20)
    collect(lab)
    agent.closed()
    require_whole(agent, 40)
    assert parse_statement(lab.entries()[-1]).statement.anchor is not None
    assert sorted(path.name for path in mine(drop, "n1").iterdir() if path.suffix in (".entry", ".block")) == []


def test_nothing_is_left_in_a_folder_but_what_is_asked_next(lab: Lab, drop: Path) -> None:
    """Also of a host that asks seldom: what it left is in the log when it looks again."""
    agent = Agent.of(lab, "n1", 2, cast(Site, FolderSite(drop, sub("n1"), VKEYS)))
    for _ in range(4):
        agent.run(10)
        for _ in range(3):
            collect(lab)
            with suppress(AttestError):
                agent.received()
            collect(lab)
    assert agent.received() >= 3
    left = sorted(path.name for path in mine(drop, "n1").iterdir())
    assert [name for name in left if not name.startswith(("ask-", "said-"))] == ["state.json"]
    assert len(left) < 6


def test_an_outbox_that_is_lost_is_asked_for(lab: Lab, drop: Path) -> None:
    agent = Agent.of(lab, "n1", 12, cast(Site, FolderSite(drop, sub("n1"), VKEYS)))
    collect(lab)
    agent.run()
    collect(lab)
    shutil.rmtree(agent.path / "site")
    agent.run(10)
    collect(lab)
    agent.run(10)
    collect(lab)
    agent.closed()
    collect(lab)
    require_whole(agent, 30)


def test_what_is_out_of_order_waits_and_what_is_there_already_is_answered(lab: Lab, drop: Path) -> None:
    teller = Teller(lab, "n1")
    files = [leave(drop, teller, 20 * (seq % 2)) for seq in range(3)]
    hidden = files[0].rename(lab.path / "first")
    assert collect(lab) == 0
    hidden.rename(files[0])
    assert collect(lab) == 3
    ack = mine(drop, "n1") / f"{entry_name(2)}.ack"
    said = ack.read_bytes()
    ack.unlink()
    again = Teller(lab, "n1")
    items = [again.next(20 * (seq % 2)) for seq in range(3)]
    put(mine(drop, "n1") / f"{entry_name(2)}.entry", items[2][0])
    assert collect(lab) == 1  # acknowledged once more
    assert ack.read_bytes() == said
    other = Teller(lab, "n1")
    other.next()
    other.next()
    leave(drop, other)
    assert collect(lab) == 0
    assert "log/equivocation" in ack.read_text()
    assert lab.said("n1") == [0, 1, 2]


def test_whatever_else_lies_in_the_folder(lab: Lab, drop: Path) -> None:
    """Links, pipes, endless files, folders of nobody: none of it is read, and the others' statements are taken."""
    name = entry_name(0)
    for host in ("n1", "n2", "n3", "n9"):
        mine(drop, host).mkdir()
    secret = lab.path / "log.key"
    (mine(drop, "n1") / f"{name}.entry").symlink_to(secret)
    os.mkfifo(mine(drop, "n2") / f"{name}.entry")
    with (mine(drop, "n3") / f"{name}.entry").open("wb") as file:
        file.truncate(1 << 40)
    (mine(drop, "n9") / f"{name}.entry").write_bytes(b"nobody")
    (mine(drop, "n3") / "ask-growth-99999999").touch()
    (drop / ("f" * 64)).symlink_to(lab.path)
    leave(drop, Teller(lab, "n4"), 9)
    assert collect(lab) == 1
    assert lab.said("n4") == [0]
    assert [lab.said(host) for host in ("n1", "n2", "n3")] == [[], [], []]
    assert secret.exists()
    assert [os.path.lexists(mine(drop, host) / f"{name}.entry") for host in ("n1", "n2", "n3")] == [False] * 3


def piped(path: Path) -> None:
    os.mkfifo(path)


def linked(path: Path) -> None:
    path.symlink_to(path.parents[len(path.parts) - path.parts.index("drop") - 1] / "log" / "checkpoint")


def filled(path: Path) -> None:
    (path / "more").mkdir(parents=True)


def huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


@pytest.mark.parametrize("poison", [piped, linked, filled, huge])
def test_what_is_put_in_the_place_of_a_file_keeps_nobody_from_the_site(
    lab: Lab, drop: Path, poison: Callable[[Path], None]
) -> None:
    """Once, under every name that the site or the host reads or writes: the next try goes on."""
    agent = Agent.of(lab, "n1", 22, cast(Site, FolderSite(drop, sub("n1"), VKEYS)))
    agent.run()
    collect(lab)
    before = lab.log.joinpath("checkpoint").read_bytes()
    roster = next((drop / "rosters").iterdir())
    name, folder = entry_name(0), mine(drop, "n1")
    ours = [folder / each for each in ("state.json", f"{name}.entry", f"{name}.block", f"{name}.ack", "said-off")]
    for path in (drop / "about.json", drop / "genesis", roster, *ours):
        for each in (path, path.with_name(f".tmp-{path.name}")):
            each.unlink(missing_ok=True)
            poison(each)
    assert lab.log.joinpath("checkpoint").read_bytes() == before
    for _ in range(6):
        with suppress(AttestError):
            agent.closed()
        collect(lab)
    assert agent.closed().waiting == 0
    require_whole(agent, 20)


def test_a_wrong_roster_in_the_place_of_the_right_one_is_removed_and_put_again(lab: Lab, drop: Path) -> None:
    collect(lab)
    site = FolderSite(drop, sub("n1"), VKEYS)
    roster = next((drop / "rosters").iterdir())
    right = roster.read_bytes()
    roster.write_bytes(b"wrong")
    with pytest.raises(LogError, match="remote/answer"):
        site.roster(bytes.fromhex(roster.name))
    collect(lab)
    assert site.roster(bytes.fromhex(roster.name)) == right


def test_an_inventory_that_somebody_else_put_there_is_not_believed(lab: Lab, drop: Path) -> None:
    """Under it a host would sign what no log takes, and its chain would end there."""
    agent = Agent.of(lab, "n1", 22, cast(Site, FolderSite(drop, sub("n1"), VKEYS)))
    agent.run()
    collect(lab)
    with suppress(AttestError):
        agent.closed()
    collect(lab)
    body = format_roster(roster(("n1",), ("GPU-0",)))
    digest = sha256(body).digest()
    put(drop / "rosters" / digest.hex(), body)
    about = parse_about((drop / "about.json").read_bytes())
    put(drop / "about.json", format_about(about._replace(inventories=(Declared(START - 60, digest),))))
    for _ in range(3):
        agent.closed()
        collect(lab)
    require_whole(agent, 20)


def test_another_log_or_enrolment_is_not_believed_at_a_first_meeting(lab: Lab, drop: Path) -> None:
    agent = Agent.of(lab, "n1", 22, cast(Site, FolderSite(drop, sub("n1"), VKEYS)))
    agent.run()
    collect(lab)
    rival = signer("rival")
    public = rival.public_key()
    act = format_act(GenesisAct(ORIGIN, ISS, OFFICE, int(public.alg), public.raw, None))
    body = GenesisBody(sign_document(act, GENESIS_TYPE, [rival]))
    genesis = Statement(Kind.GENESIS, None, 0, None, START - 120, START - 120, None, body)
    entry = sign_statement(header_for(rival, ISS, OFFICE), genesis, rival)
    put(drop / "genesis", entry)
    about, state = drop / "about.json", mine(drop, "n1") / "state.json"
    put(about, format_about(parse_about(about.read_bytes())._replace(log=leaf_hash(entry))))
    put(state, format_state(parse_state(state.read_bytes())._replace(enrolment=bytes(32))))
    with pytest.raises(AttestError, match="remote/unreachable"):
        agent.closed()
    assert not agent.kept.knows
    for _ in range(4):
        collect(lab)
        with suppress(AttestError):
            agent.closed()
    require_whole(agent, 20)


@pytest.mark.parametrize("code", ["\ud800/x", "log/" + "x" * 900, "no code", 7])
def test_what_is_no_code_becomes_no_label_of_metrics(code: object) -> None:
    with pytest.raises(LogError, match="remote/answer"):
        parse_answer(json.dumps({"taken": [], "refused": {"code": code, "detail": ""}}).encode())


def test_a_statement_is_left_in_the_place_of_what_somebody_else_left(lab: Lab, drop: Path) -> None:
    site, teller = FolderSite(drop, sub("n1"), VKEYS), Teller(lab, "n1")
    item = teller.next()
    (mine(drop, "n1") / f"{entry_name(0)}.entry").write_bytes(b"somebody else's")
    site.hand_on([item])
    assert collect(lab) == 1


def test_a_crowd_of_names_hides_no_question(lab: Lab, drop: Path) -> None:
    site = FolderSite(drop, sub("n1"), VKEYS)
    for number in range(MAX_QUESTIONS + 500):
        (mine(drop, "n1") / f"{number}").touch()
    assert site.growth(0) is None
    for _ in range(2):
        collect(lab)
    assert site.growth(0) is not None


def test_a_site_that_was_never_there_is_unreachable(lab: Lab, drop: Path) -> None:
    with pytest.raises(AttestError, match="remote/unreachable"):
        FolderSite(drop, sub("n1"), VKEYS).about()


def test_the_command_and_the_server_collect(lab: Lab, drop: Path) -> None:
    text = (lab.path / "site.toml").read_text()
    (lab.path / "site.toml").write_text('drop = "drop"\n' + text)
    teller = Teller(lab, "n1")
    leave(drop, teller, 7)
    words = [sys.executable, "-m", "attest", "site", "collect", "--config", str(lab.path / "site.toml")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "took 1 statement, sealed 7 entries\n"), done.stderr
    leave(drop, teller, 8)
    with lab.serving():
        while lab.said("n1") != [0, 1]:
            pass
    assert (mine(drop, "n1") / f"{entry_name(1)}.ack").exists()
    with LogWriter.open(lab.log, read_only=True) as log:
        assert parse_statement(log.entry(log.size + log.pending - 1)).statement.start == START + 7
