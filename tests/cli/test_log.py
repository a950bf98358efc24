"""`attest log` and `attest key`: a log kept by hand, from its genesis to a recorded head, and what is refused."""

import json
import os
import shutil
from itertools import pairwise
from pathlib import Path

import jsonschema
import pytest

from attest.errors import TrustError
from attest.format.act import CONTENT_TYPE, GenesisAct, VoidAct, parse_act
from attest.format.bodies import GenesisBody, HeadBody, InventoryBody
from attest.format.cose import parse_document, verify_sign1
from attest.format.key_acts import Enrol, KeysBody, Revoke, Rotate, Void
from attest.format.note import parse_note, parse_vkey
from attest.format.roster import parse_roster
from attest.format.statement import Signed, parse_statement
from attest.format.vocabulary import Role
from attest.log.merkle import leaf_hash
from attest.packs import read_block
from attest.sign.seeded import seeded_key
from attest.store.directory import DirectoryBundle
from attest.store.writer import LogWriter
from attest.trust.holders import Holder, Holders, verify_document
from attest.trust.keys import Alg
from attest.trust.notes import log_vkey, verify_note, witness_vkey
from tests.cli.sandbox import HOST, ISS, ROOT, START, log_id, run

Captured = pytest.CaptureFixture[str]
pytestmark = pytest.mark.usefixtures("no_network")


def entries(path: str = "log") -> list[Signed]:
    with LogWriter.open(Path(path), read_only=True) as log:
        return [parse_statement(log.entry(i)) for i in range(log.size + log.pending)]


def test_the_genesis_is_the_root_holders_act(here: Path) -> None:
    genesis = entries()[0]
    assert isinstance(genesis.statement.body, GenesisBody)
    holders = Holders(1, (Holder("Ada", (seeded_key("root").public_key(),)),))
    approved = verify_document(genesis.statement.body.document, holders, content_type=CONTENT_TYPE)
    office = seeded_key("office").public_key()
    assert parse_act(approved.payload) == GenesisAct(
        "acme.example/dc1", ISS, f"{ISS}/dc1/office", int(office.alg), office.raw, None
    )
    verify_sign1(genesis.sign1, office)
    assert (genesis.statement.start, genesis.statement.end) == (START, START)


def test_several_holders_sign_the_genesis_one_after_the_other(here: Path, capsys: Captured) -> None:
    before = (here / "genesis.act").read_bytes()
    assert run("key approve genesis.act --key root2.key") == 0
    assert (here / "genesis.act").read_bytes() != before
    assert run("log init dc9 --act genesis.act --office-key office.key --at 2026-11-09") == 0
    assert "origin  acme.example/dc1" in capsys.readouterr().out
    body = entries("dc9")[0].statement.body
    assert isinstance(body, GenesisBody)
    keys = [seeded_key(name).public_key() for name in ("root", "root2")]
    holders = Holders(2, (Holder("Ada", (keys[0],)), Holder("Ben", (keys[1],))))
    assert verify_document(body.document, holders, content_type=CONTENT_TYPE).signers == ("Ada", "Ben")
    with pytest.raises(TrustError, match="document/signer"):
        verify_document(body.document, Holders(1, holders.holders[:1]), content_type=CONTENT_TYPE)


def test_a_draft_makes_no_log(here: Path) -> None:
    assert not (here / "draft").exists()


def test_another_office_cannot_use_the_act(here: Path, capsys: Captured) -> None:
    assert run("log init dc9 --act genesis.act --office-key n1.key") == 6
    assert "log/act" in capsys.readouterr().err
    assert not (here / "dc9").exists()


def test_a_genesis_needs_a_root_key(here: Path) -> None:
    assert run("log init dc9 --origin a --iss b --office-key office.key") == 2
    assert run("log init dc9 --office-key office.key --root-key root.key") == 2
    assert not (here / "dc9").exists()


def test_a_log_is_not_begun_twice(here: Path, capsys: Captured) -> None:
    assert run("log init log --origin a.example/b --iss https://a --office-key office.key --root-key root.key") == 2
    assert "log/exists" in capsys.readouterr().err


def test_the_inventory_is_what_the_roster_says(here: Path) -> None:
    inventory = entries()[1].statement
    assert isinstance(inventory.body, InventoryBody)
    pack = DirectoryBundle("log").blocks(0, 3)
    assert pack is not None
    roster = parse_roster(read_block(pack, 0, inventory.body.block.size))
    assert [(f.name, f.parent) for f in roster.feeds] == [("dc1", None), ("dc1-r1", 0)]
    assert [(h.sub, [d.uid for d in h.devices]) for h in roster.hosts] == [(HOST, ["GPU-1", "GPU-2"])]
    assert inventory.body.devices == 2


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('feed = "dc1-r1"', 'feed = "dc9"', "roster/unknown-feed: no feed dc9 above this line (line 8"),
        ('parent = "dc1"', 'parent = "dc1-r1"', "roster/unknown-feed: no feed dc1-r1 above this line (line 5"),
        ('"GPU-2"', '"GPU-1"', "roster/device-twice"),
        ("model =", "modle =", "toml/unknown-key: unknown key modle (line 9"),
        ('name = "dc1-r1"', 'name = "dc1"', "roster/"),
        ('["GPU-1", "GPU-2"]', "[]", "toml/empty"),
    ],
)
def test_a_bad_roster_is_refused_with_line_and_key(
    old: str, new: str, message: str, here: Path, capsys: Captured
) -> None:
    text = (here / "roster.toml").read_text("utf-8").replace(old, new)
    (here / "roster.toml").write_text(text, "utf-8")
    assert run("inventory declare log roster.toml --key office.key") == 6
    assert message in capsys.readouterr().err
    assert len(entries()) == 3


def test_a_roster_may_mix_models_in_a_host_and_none_changes_silently(here: Path, capsys: Captured) -> None:
    text = (
        (here / "roster.toml").read_text("utf-8").split("[[host]]")[0]
        + f"""
[[host]]
source = "{HOST}"
[[host.device]]
uid = "GPU-1"
model = "NVIDIA H100 SXM5 80GB"
feed = "dc1"
[[host.device]]
uid = "GPU-2"
model = "NVIDIA A100 SXM4 80GB"
feed = "dc1-r1"
"""
    )
    (here / "roster.toml").write_text(text, "utf-8")
    assert run("inventory declare log roster.toml --key office.key") == 6
    assert "inventory/model: GPU-2 is a NVIDIA H100 SXM5 80GB" in capsys.readouterr().err
    assert run("inventory declare log roster.toml --key office.key --again misread") == 0


def test_the_office_speaks_without_a_hole(here: Path) -> None:
    run("inventory declare log roster.toml --key office.key --at 2026-11-10")
    run("log head log --key office.key --at 2026-11-11")
    office = [e for e in entries() if e.header.sub.endswith("office")]
    assert [e.statement.seq for e in office] == [0, 1, 2, 3, 4]
    for before, after in pairwise(office):
        assert after.statement.start == before.statement.end
    # From the first seal on, statements are anchored in what was sealed.
    assert [e.statement.anchor is not None for e in office] == [False, False, False, True, True]


def test_enrolment_proves_possession(here: Path, capsys: Captured) -> None:
    body = entries()[2].statement.body
    assert isinstance(body, KeysBody)
    (act,) = body.acts
    assert isinstance(act, Enrol)
    assert (act.sub, act.role, act.key) == (HOST, Role.HOST, seeded_key("n1").public_key().raw)


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (f'source = "{HOST[:-1]}2"', 'source = "https://acme.example/dc1/n3"', "request/proof"),
        ('role = "host"', 'role = "meter"', "request/proof"),
        ('role = "host"', 'role = "office"', "request/role"),
        ('log = "', 'log = "00', "toml/type"),
        ('proof = "', 'proof = "AAAA', "request/proof"),
        ('key = "ed25519:', 'key = "rsa:', "key/text"),
    ],
)
def test_a_request_that_its_key_did_not_sign_is_refused(
    old: str, new: str, code: str, here: Path, capsys: Captured
) -> None:
    text = (here / "n2.request").read_text("utf-8")
    assert old in text
    (here / "n2.request").write_text(text.replace(old, new), "utf-8")
    assert run("key enrol log n2.request --key office.key") == 6
    assert code in capsys.readouterr().err
    assert len(entries()) == 3


def test_a_request_for_another_log_is_refused(here: Path, capsys: Captured) -> None:
    assert run(f"key request n2.key --log {'0' * 64} --source {ISS}/dc1/n2 -o n2.request") == 0
    assert run("key enrol log n2.request --key office.key") == 6
    assert "request/other-log" in capsys.readouterr().err


def test_a_key_or_source_is_enrolled_once(here: Path, capsys: Captured) -> None:
    assert run("key enrol log n1.request --key office.key") == 6
    assert "key/reused" in capsys.readouterr().err
    assert run(f"key request n2.key --log {log_id(here / 'log').hex()} --source {HOST} -o again.request") == 0
    assert run("key enrol log again.request --key office.key") == 6
    assert "key/sub-taken" in capsys.readouterr().err
    assert run("key enrol log n2.request n2.request --key office.key") == 6
    assert len(entries()) == 3


def test_many_requests_are_spread_over_statements(here: Path, capsys: Captured) -> None:
    log = log_id(here / "log").hex()
    for i in range(20):
        run(f"key new m{i}.key --alg ml-dsa-65")
        run(f"key request m{i}.key --log {log} --source {ISS}/dc1/m{i} --role meter -o m{i}.request")
    assert run("key enrol log " + " ".join(f"m{i}.request" for i in range(20)) + " --key office.key") == 0
    capsys.readouterr()  # five kilobytes a key
    bodies = [e.statement.body for e in entries()[3:]]
    assert [len(b.acts) for b in bodies if isinstance(b, KeysBody)] == [8, 8, 4]


def test_rotation_stands_in_the_sources_own_chain(here: Path) -> None:
    assert run("log append log n1-0.cose n1-1.cose") == 0
    assert run("key rotate log --key n1.key --new n1-2.key") == 0
    rotated = entries()[5]
    body = rotated.statement.body
    assert isinstance(body, KeysBody)
    assert isinstance(body.acts[0], Rotate)
    assert (rotated.header.sub, rotated.statement.seq) == (HOST, 2)
    # No hole: its window is empty, at the end of what the host has spoken for.
    assert (rotated.statement.start, rotated.statement.end) == (START + 120, START + 120)
    # The new key goes on in the same chain.
    assert run("key rotate log --key n1-2.key --new n2.key") == 0
    assert (entries()[6].header.sub, entries()[6].statement.seq) == (HOST, 3)


def test_a_key_that_the_log_does_not_know_signs_nothing(here: Path, capsys: Captured) -> None:
    assert run("key rotate log --key n2.key --new n1-2.key") == 6
    assert "key/not-enrolled" in capsys.readouterr().err
    assert run("inventory declare log roster.toml --key n2.key") == 6
    assert len(entries()) == 3


def test_revocation_names_key_and_index(here: Path) -> None:
    thumbprint = seeded_key("n1").public_key().thumbprint
    assert run(f"key revoke log {thumbprint.hex()} --last 2 --key office.key") == 0
    body = entries()[3].statement.body
    assert body == KeysBody((Revoke(thumbprint, 2),))


@pytest.mark.parametrize("key", ["00", "Z" * 64, "A" * 64, "rsa:AAAA"])
def test_a_revoked_key_is_given_in_full(key: str, here: Path) -> None:
    assert run(f"key revoke log {key} --last 2 --key office.key") in (2, 6)
    assert len(entries()) == 3


def test_append_is_idempotent_and_refuses_equivocation(here: Path, capsys: Captured) -> None:
    assert run("log append log n1-0.cose") == 0
    assert run("log append log n1-0.cose n1-1.cose") == 0
    assert capsys.readouterr().out.split("\n")[:3] == [
        "entry 3 is n1-0.cose",
        "entry 3 is n1-0.cose",
        "entry 4 is n1-1.cose",
    ]
    shutil.rmtree(here / "log")
    assert run("log append log n1-0.cose") == 6


def test_what_is_no_statement_is_not_appended(here: Path, capsys: Captured) -> None:
    assert run("log append log roster.toml") == 6
    assert run("log append log n1-0.cose nope.cose") == 6
    assert len(entries()) == 3


def test_seals_are_signed_by_every_key_of_the_log(here: Path) -> None:
    run("log append log n1-0.cose")
    assert run("log seal log --key log.key --key log-pq.key") == 0
    note = parse_note((here / "log" / "checkpoint").read_bytes())
    for name, alg in (("log", Alg.ED25519), ("log-pq", Alg.ML_DSA_44)):
        verify_note(note, log_vkey("acme.example/dc1", seeded_key(name, alg).public_key()))


def test_a_log_is_not_sealed_with_a_key_that_notes_do_not_know(here: Path, capsys: Captured) -> None:
    run("log append log n1-0.cose")
    run("key new p.key --alg p256")
    assert run("log seal log --key p.key") == 6
    assert "vkey/malformed" in capsys.readouterr().err


def test_a_log_has_its_keys_for_life(here: Path, capsys: Captured) -> None:
    run("log append log n1-0.cose")
    before = (here / "log" / "checkpoint").read_bytes()
    assert run("log seal log --key witness.key") == 6
    assert "log/other-key" in capsys.readouterr().err
    assert (here / "log" / "checkpoint").read_bytes() == before
    assert run("log seal log --key witness.key --key log.key") == 0


def test_a_root_holders_key_is_no_offices(here: Path, capsys: Captured) -> None:
    genesis = (
        "log init dc9 --origin acme.example/dc9 --iss https://acme.example --office-key root.key --root-key root.key"
    )
    assert run(genesis) == 6
    assert "key/reused" in capsys.readouterr().err
    assert not (here / "dc9").exists()


def test_witnesses_cosign_and_the_head_is_recorded(here: Path) -> None:
    assert run("log cosign log --name witness.example/w1 --key witness.key --at 2026-11-09T01:00:00Z") == 0
    cosigned = (here / "log" / "checkpoint").read_bytes()
    vkey = witness_vkey("witness.example/w1", seeded_key("witness").public_key())
    assert verify_note(parse_note(cosigned), vkey) == START + 3600
    assert run("log head log --key office.key --at 2026-11-09T01:00:00Z") == 0
    assert entries()[3].statement.body == HeadBody(cosigned)


@pytest.mark.parametrize("options", ["", "--name w", "--key witness.key", "note --name w --key witness.key"])
def test_cosigning_takes_a_note_or_a_key(options: str, here: Path) -> None:
    assert run(f"log cosign log {options}") == 2


def test_a_note_of_another_log_is_refused(here: Path, capsys: Captured) -> None:
    run("log init dc9 --origin acme.example/dc9 --iss https://acme.example --office-key office.key --root-key root.key")
    run("log seal dc9 --key log.key")
    assert run("log head log dc9/checkpoint --key office.key") == 6
    assert run("log cosign log dc9/checkpoint") == 6
    assert "log/note" in capsys.readouterr().err


def test_void_names_index_and_leaf(here: Path, capsys: Captured) -> None:
    run("log append log n1-0.cose")
    assert run("log void log 3 3 --number 1 --key office.key --root-key root.key") == 0
    body = entries()[4].statement.body
    assert isinstance(body, KeysBody)
    assert isinstance(body.acts[0], Void)
    holders = Holders(1, (Holder("Ada", (seeded_key("root").public_key(),)),))
    approved = verify_document(body.acts[0].document, holders, content_type=CONTENT_TYPE)
    leaf = leaf_hash((here / "n1-0.cose").read_bytes())
    assert parse_act(approved.payload) == VoidAct(log_id(here / "log"), 1, ((3, leaf),))


def test_several_holders_sign_a_void(here: Path, capsys: Captured) -> None:
    run("log append log n1-0.cose")
    assert run("log void log 3 --number 1 --key office.key --root-key root.key --draft void.act") == 0
    assert len(entries()) == 4
    assert run("key approve void.act --key root2.key") == 0
    assert run("log void log 2 --number 1 --key office.key --act void.act") == 6
    assert "log/act" in capsys.readouterr().err
    assert run("log void log 3 --number 1 --key office.key --act void.act") == 0


def test_voids_count_up(here: Path, capsys: Captured) -> None:
    run("log append log n1-0.cose n1-1.cose")
    assert run("log void log 3 --key office.key --root-key root.key --draft other.act") == 0
    assert run("log void log 3 --key office.key --root-key root.key") == 0
    capsys.readouterr()
    for late in ("--number 1 --root-key root.key", "--act other.act", "--number 2 --act other.act"):
        assert run(f"log void log 3 --key office.key {late}") == 6
        assert "void/replayed" in capsys.readouterr().err
    assert run("log void log 4 --key office.key --root-key root.key") == 0
    bodies = [signed.statement.body for signed in entries()[5:]]
    documents = [
        act.document for body in bodies if isinstance(body, KeysBody) for act in body.acts if isinstance(act, Void)
    ]
    acts = [parse_act(parse_document(document).payload or b"") for document in documents]
    assert [act.number for act in acts if isinstance(act, VoidAct)] == [1, 2]


def test_a_head_of_another_tree_is_not_recorded(here: Path, capsys: Captured) -> None:
    shutil.copytree(here / "log", here / "twin")
    run("log append log n1-0.cose")
    run("key enrol twin n2.request --key office.key --at 2026-11-09")
    for name in ("log", "twin"):
        run(f"log seal {name} --key log.key")
    capsys.readouterr()
    assert run("log head log twin/checkpoint --key office.key") == 6
    assert "log/fork" in capsys.readouterr().err
    run("log append twin n1-0.cose n1-1.cose")
    run("log seal twin --key log.key")
    assert run("log head log twin/checkpoint --key office.key") == 6
    assert "head/ahead" in capsys.readouterr().err
    assert run("log head log log/checkpoint --key office.key") == 0


def test_void_of_what_is_not_there_is_refused(here: Path, capsys: Captured) -> None:
    assert run("log void log 3 --number 1 --key office.key --root-key root.key") == 6
    assert "log/no-entry" in capsys.readouterr().err


def test_status_says_where_a_log_stands(here: Path, capsys: Captured) -> None:
    run("log append log n1-0.cose")
    capsys.readouterr()
    assert run("log status log --format json") == 0
    status = json.loads(capsys.readouterr().out)
    jsonschema.validate(status, json.loads((ROOT / "schemas" / "log-status.schema.json").read_text("utf-8")))
    assert (status["log"], status["size"], status["pending"]) == (log_id(here / "log").hex(), 3, 1)
    assert [s["name"] for s in status["signatures"]] == ["acme.example/dc1"]
    assert run("log status log") == 0
    assert f"log        {status['log']}\n" in capsys.readouterr().out


def test_status_of_a_log_without_a_checkpoint(here: Path, capsys: Captured) -> None:
    run("log init dc9 --origin acme.example/dc9 --iss https://acme.example --office-key office.key --root-key root.key")
    capsys.readouterr()
    assert run("log status dc9") == 0
    assert "root       none: nothing is sealed yet" in capsys.readouterr().out
    assert run("log head dc9 --key office.key") == 6
    assert run("log cosign dc9 --name w --key witness.key") == 6


@pytest.mark.parametrize(
    "verb", ["status nope", "status roster.toml", "seal nope --key log.key", "append nope n1-0.cose"]
)
def test_what_is_no_log_is_6(verb: str, here: Path, capsys: Captured) -> None:
    assert run(f"log {verb}") == 6
    assert capsys.readouterr().err.startswith("attest: error: ")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_log_that_cannot_be_written_stays_valid(here: Path) -> None:
    (here / "log").chmod(0o500)
    assert run("log append log n1-0.cose") == 6


@pytest.mark.parametrize("alg", ["ed25519", "p256", "p384", "ml-dsa-44", "ml-dsa-65"])
def test_a_new_key_is_its_owners_alone(alg: str, here: Path, capsys: Captured) -> None:
    assert run(f"key new fresh.key --alg {alg}") == 0
    made = capsys.readouterr().out
    assert (here / "fresh.key").stat().st_mode & 0o777 == 0o600
    assert made.startswith(f"key         {alg}:")
    assert run("key show fresh.key") == 0
    assert capsys.readouterr().out == made
    assert run("key new fresh.key") == 2
    (here / "fresh.key").chmod(0o640)
    assert run("key show fresh.key") == 6
    assert "key/exposed" in capsys.readouterr().err


def test_names_make_verifier_keys(here: Path, capsys: Captured) -> None:
    assert run("key show log.key --name acme.example/dc1") == 0
    lines = dict(line.split("  ", 1) for line in capsys.readouterr().out.splitlines())
    key = seeded_key("log").public_key()
    assert lines["thumbprint"] == key.thumbprint.hex()
    assert parse_vkey(lines["vkey"].strip()) == log_vkey("acme.example/dc1", key)
    assert parse_vkey(lines["as witness"].strip()) == witness_vkey("acme.example/dc1", key)
    assert run("key show log-pq.key --name acme.example/dc1") == 0
    assert "as witness" not in capsys.readouterr().out
    assert run("key show root.key --name two+words") == 6


def test_passphrases_come_from_a_file(here: Path, capsys: Captured) -> None:
    (here / "phrase").write_text("correct horse\nnot this line\n", "utf-8")
    (here / "wrong").write_text("battery staple\n", "utf-8")
    assert run("key new locked.key --passphrase-file phrase") == 0
    assert run("key show locked.key --passphrase-file phrase") == 0
    assert run("key show n1.key --passphrase-file phrase") == 0  # has none, needs none
    for options in ("", "--passphrase-file wrong", "--passphrase-file nope"):
        assert run(f"key show locked.key {options}") == 6
    assert b"ENCRYPTED" in (here / "locked.key").read_bytes()


def test_reminders_are_quiet_when_asked(here: Path, capsys: Captured) -> None:
    assert run("-q key enrol log n2.request --key office.key") == 0
    assert capsys.readouterr() == (f"entry 3 enrols {ISS}/dc1/n2\n", "")
