"""Keys on tokens and in services' keeping on the command line: all verbs take them, a failing one changes nothing."""

import hashlib
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from pkcs11 import exceptions

from attest.format.cose import verify_sign1
from attest.format.key_acts import KeysBody, Rotate
from attest.format.note import parse_note, parse_vkey
from attest.format.statement import parse_statement
from attest.record.chain import keyring, signer_of
from attest.sign import hsm, kms
from attest.sign.hsm import TokenSigner
from attest.sign.keys import PROBE
from attest.sign.seeded import seeded_key
from attest.store.writer import LogWriter
from attest.trust.keys import Alg, format_key
from attest.trust.notes import verify_note
from tests.cli.sandbox import HOST, ISS, KEYS, START, exposition, log_id, run
from tests.cli.test_help import ALL
from tests.cli.transcript import examples
from tests.sign.softhsm import PIN, Tokens

Captured = pytest.CaptureFixture[str]
pytestmark = pytest.mark.usefixtures("no_network")
NOWHERE = "pkcs11:token=lab;object=x?module-path=/no/module.so"
KEY_FILES = {f"{name}.key" for name in KEYS}
OTHERS = {"both.agreement": "pact.agreement", "mine.event": "pause.event"}  # what an example goes on from


def key_words() -> list[tuple[str, int]]:
    """Every example that succeeds and names private keys, with the place of each."""
    found = []
    for ctx in ALL:
        for step in examples(getattr(ctx.command, "example", "")):
            words = step.command.removeprefix("attest ").split()
            if step.code == 0 and "$(attest" not in words:
                found += [(" ".join(words), place) for place, word in enumerate(words) if word in KEY_FILES]
    return found


def tree(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


@pytest.mark.parametrize(("command", "place"), key_words())
@pytest.mark.parametrize(("name", "code"), [(NOWHERE, "key/module"), ("hv:n1/1#none.pub", "key/unreadable")])
def test_every_verb_takes_every_kind_of_key(
    here: Path, capsys: Captured, command: str, place: int, name: str, code: str
) -> None:
    for path, source in OTHERS.items():
        (here / path).write_bytes((here / source).read_bytes())
    words = command.split()
    words[place] = name
    before = tree(here)
    assert run(" ".join(words)) == 6
    assert f"attest: error: {code}: " in capsys.readouterr().err
    assert tree(here) == before


def test_every_verb_that_signs_has_such_an_example() -> None:
    assert {" ".join(command.split()[:2]) for command, _ in key_words()} >= {
        "agreement sign", "event sign", "key approve", "key enrol", "key request", "key revoke", "key rotate",
        "key show", "log cosign", "log event", "log head", "log init", "log notice", "log seal", "log void",
        "inventory declare", "inventory add", "inventory move", "inventory retire",
    }  # fmt: skip


@pytest.mark.parametrize("name", [NOWHERE, "hv:n1/1", "awskms:alias/n1#n1.pub"])
def test_a_key_that_is_elsewhere_is_not_made_here(here: Path, capsys: Captured, name: str) -> None:
    before = tree(here)
    assert run(f"key new {name}") == 2
    assert "made with its own tool" in capsys.readouterr().err
    assert tree(here) == before


def test_a_file_may_have_the_name_of_a_uri(here: Path, capsys: Captured) -> None:
    (here / "n1.key").rename(here / "hv:n1.key")
    assert run("key show ./hv:n1.key") == 0
    assert format_key(seeded_key("n1").public_key()) in capsys.readouterr().out


@pytest.mark.parametrize(
    ("module", "name", "extra"), [(hsm.__name__, NOWHERE, "hsm"), (kms.__name__, "hv:n1/1#x", "kms")]
)
def test_without_its_package_a_key_says_what_to_install(
    here: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch, module: str, name: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    assert run(f"key show {name}") == 6
    said = capsys.readouterr().err
    assert "key/package" in said
    assert f"pip install 'compute-attest[{extra}]'" in said


def test_no_pin_is_said(here: Path, capsys: Captured) -> None:
    assert run(f"key show {NOWHERE}&pin-value={PIN}") == 6
    assert PIN not in capsys.readouterr().err


# -- real ones


@pytest.fixture
def uris(tokens: Tokens) -> dict[str, str]:
    """What a lab might keep on tokens: root holder's and office's keys on one, a host's and the log's on another."""
    return {
        "root": tokens.generate("root", Alg.ESP256, "other"),
        "office": tokens.generate("office", Alg.ESP256, "other"),
        "log": tokens.generate("log"),
        "n1": tokens.generate("n1"),
        "n2": tokens.generate("n2", Alg.ESP256),
        "n3": tokens.generate("n3", Alg.ED25519, "other"),
    }


def test_a_log_whose_keys_are_on_tokens(here: Path, capsys: Captured, uris: dict[str, str]) -> None:
    genesis = f"--origin acme.example/hsm --iss {ISS} --office-key {uris['office']} --root-key {uris['root']}"
    assert run(f"log init hsm {genesis} --at 2026-11-09") == 0
    assert run(f"inventory declare hsm roster.toml --key {uris['office']}") == 0
    assert run(f"key request {uris['n1']} --log {log_id(here / 'hsm').hex()} --source {HOST} -o hsm.request") == 0
    assert run(f"key enrol hsm hsm.request --key {uris['office']}") == 0
    capsys.readouterr()
    assert run(f"key show {uris['log']} --name acme.example/hsm") == 0
    vkey = parse_vkey(capsys.readouterr().out.split("vkey")[1].split()[0])
    assert run(f"log seal hsm --key {uris['log']} --key log-pq.key") == 0
    assert run(f"log head hsm --key {uris['office']}") == 0
    # From one key of a token to another, to one of another token, to a file; what was rotated away does not come back.
    for old, new in pairwise((uris["n1"], uris["n2"], uris["n3"], "n2.key")):
        assert run(f"key rotate hsm --key {old} --new {new} --at 2026-11-09") == 0
    assert run(f"key rotate hsm --key n2.key --new {uris['n1']}") == 6
    assert "key/reused" in capsys.readouterr().err
    assert run(f"log seal hsm --key {uris['log']} --key log-pq.key") == 0
    with LogWriter.open(here / "hsm", read_only=True) as log:
        keys = {key.thumbprint: key for key in (signer_of(name).public_key() for name in uris.values())}
        signed = [parse_statement(log.entry(index)) for index in range(log.size)]
        for entry in signed:
            verify_sign1(entry.sign1, keys[entry.header.kid])
        bodies = [entry.statement.body for entry in signed]
        acts = [act for body in bodies if isinstance(body, KeysBody) for act in body.acts]
        assert [type(act) for act in acts].count(Rotate) == 3
        assert keyring(log).keys[seeded_key("n2").public_key().thumbprint].source.sub == HOST
        verify_note(parse_note(log.checkpoint or b""), vkey)


def test_agreements_and_events_are_signed_on_tokens(here: Path, capsys: Captured, uris: dict[str, str]) -> None:
    text = (here / "pact.toml").read_text("utf-8")
    for name, holder in (("root", "ada"), ("n1", "uma")):
        public = signer_of(uris[name]).public_key()
        old = format_key(seeded_key(holder).public_key())
        assert old in text
        text = text.replace(old, format_key(public))
    (here / "pact.toml").write_text(text, "utf-8")
    for command in (
        f"agreement sign pact.toml --key {uris['root']} -o hsm.agreement",
        f"event sign pause.toml --agreement hsm.agreement --key {uris['n1']} -o hsm.event",
        "event show hsm.event --agreement hsm.agreement",
    ):
        assert run(command) == 0
    assert "Uma" in capsys.readouterr().out


class Failing:
    """A token that is pulled out after some signatures of a command, those of openings aside."""

    def __init__(self, patch: pytest.MonkeyPatch, good: int) -> None:
        self.good, self.real = good, TokenSigner._signed
        patch.setattr(TokenSigner, "_signed", lambda signer, message: self.signed(signer, message))

    def signed(self, signer: TokenSigner, message: bytes) -> bytes:
        self.good -= message != PROBE
        if self.good < 0:
            raise exceptions.DeviceRemoved
        return self.real(signer, message)


NEW = "log init new --origin x.example --iss https://x.example --office-key {office} --root-key {root}"


@pytest.mark.parametrize(
    ("command", "good"),
    [
        ("key request {n3} --log {id} --source https://acme.example/x -o new.request", 0),
        ("key rotate log --key {n1} --new {n2} --at 2026-11-09", 0),
        ("key rotate log --key {n1} --new {n2} --at 2026-11-09", 1),
        ("import dcgm now.prom --log log --interval 30 --key {n1}", 0),
        ("log seal log --key log.key --key {log}", 0),
        ("log cosign log --name witness.example/w1 --key {n3}", 0),
        ("key approve genesis.act --key {n3}", 0),
        (NEW, 0),
        (NEW, 1),
    ],
)
def test_a_token_that_is_pulled_out_leaves_nothing_half_done(
    here: Path, capsys: Captured, uris: dict[str, str], command: str, good: int
) -> None:
    assert run(f"key rotate log --key n1.key --new {uris['n1']} --at 2026-11-09") == 0
    (here / "now.prom").write_text("".join(exposition(i, (START + 30 * i) * 1_000) for i in range(4)), "utf-8")
    named = command.format(**uris, id=log_id(here / "log").hex())
    before = tree(here)
    with pytest.MonkeyPatch.context() as patch:
        Failing(patch, good)
        assert run(named) == 6
    assert "attest: error: key/token: " in capsys.readouterr().err
    # What might have been signed stays proposed, and is signed first when the command is given again.
    after = {path: digest for path, digest in tree(here).items() if not path.startswith("log/.outbox/")}
    before = {path: digest for path, digest in before.items() if not path.startswith("log/.outbox/")}
    # A seal writes tiles before its checkpoint; without one they are nothing, and the next seal writes them again.
    assert before.items() <= after.items()
    assert all(path.startswith(("log/tile/", "log/blocks/")) for path in after.keys() - before.keys())
    ends = run(named)
    if command.startswith("import"):  # the statement that was begun is the whole of it
        assert ends == 6
        said = capsys.readouterr().err
        assert "first appended what was begun before: 1 statement" in said
        assert "import/nothing-new" in said
    else:
        assert ends == 0
