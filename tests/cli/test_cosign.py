"""`attest log cosign NOTE` and `attest log head NOTE`: what came back from outside is verified, or nothing changes."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from attest.format.note import NoteSignature, format_note, format_vkey, parse_note
from attest.sign.notes import cosign, sign_note
from attest.sign.seeded import seeded_key
from attest.trust.notes import log_vkey, verify_note, witness_vkey
from tests.cli.sandbox import START, done, run

Captured = pytest.CaptureFixture[str]
pytestmark = pytest.mark.usefixtures("no_network")
ORIGIN = "acme.example/dc1"
WITNESS = witness_vkey("witness.example/w1", seeded_key("witness").public_key())


@pytest.fixture
def log(here: Path) -> Path:
    """The log's directory, beside an agreement, known.agreement, that names its key and the witness w1."""
    text = (here / "pact.toml").read_text("utf-8")
    log_key = format_vkey(log_vkey(ORIGIN, seeded_key("log").public_key()))
    text = re.sub(rf'"{ORIGIN}\+[^"]*"', f'"{log_key}"', text)
    text = re.sub(r"witness north \S+", f"witness north {format_vkey(WITNESS)}", text)
    (here / "known.toml").write_text(text, "utf-8")
    done("agreement sign known.toml --key ada.key -o known.agreement")
    return here / "log"


def cosigned(log: Path, name: str = WITNESS.name, key: str = "witness") -> bytes:
    return cosign((log / "checkpoint").read_bytes(), name, seeded_key(key), START + 60)


def bent(note: bytes, name: str) -> bytes:
    """The note with one bit of a signer's signature changed."""
    old = parse_note(note)
    return format_note(
        old._replace(
            signatures=tuple(
                s._replace(signature=s.signature[:-1] + bytes((s.signature[-1] ^ 1,))) if s.name == name else s
                for s in old.signatures
            )
        )
    )


def twice(note: bytes) -> bytes:
    old = parse_note(note)
    return format_note(old._replace(signatures=(*old.signatures, old.signatures[-1])))


def short(note: bytes) -> bytes:
    old = parse_note(note)
    last = old.signatures[-1]
    return format_note(
        old._replace(signatures=(*old.signatures[:-1], NoteSignature(last.name, last.key_id, last.signature[:9])))
    )


def files(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_note_from_a_witness_is_taken_in(log: Path) -> None:
    Path("note").write_bytes(cosigned(log))
    assert run("log cosign log note --agreement known.agreement") == 0
    assert (log / "checkpoint").read_bytes() == Path("note").read_bytes()
    assert verify_note(parse_note(Path("note").read_bytes()), WITNESS) == START + 60


BAD: dict[str, tuple[Callable[[Path], bytes], str]] = {
    "a cosignature that does not verify": (lambda log: bent(cosigned(log), WITNESS.name), "note/signature"),
    "a cosignature cut short": (lambda log: short(cosigned(log)), "note/signature"),
    "the log's own signature changed": (lambda log: bent(cosigned(log), ORIGIN), "note/signature"),
    "a witness that the agreement does not name": (lambda log: cosigned(log, "w9.example"), "unsupported/signature"),
    "another key under a witness's name": (lambda log: cosigned(log, key="n1"), "unsupported/signature"),
    "a cosignature twice": (lambda log: twice(cosigned(log)), "unsupported/signature"),
    "no note": (lambda log: b"\0\1\2", "note/malformed"),
    "nothing": (lambda log: b"", "note/malformed"),
}


@pytest.mark.parametrize(("make", "code"), BAD.values(), ids=BAD)
def test_what_no_verifier_would_take_changes_nothing(
    make: Callable[[Path], bytes], code: str, log: Path, capsys: Captured
) -> None:
    Path("note").write_bytes(make(log))
    before = files(log)
    assert run("log cosign log note --agreement known.agreement") == 6
    assert f"attest: error: {code}: " in capsys.readouterr().err
    assert files(log) == before


def test_without_an_agreement_nothing_can_be_verified(log: Path, capsys: Captured) -> None:
    Path("note").write_bytes(cosigned(log))
    before = files(log)
    assert run("log cosign log note") == 2
    assert "--agreement" in capsys.readouterr().err
    assert files(log) == before


def test_an_agreement_that_does_not_name_the_log_verifies_nothing(log: Path, capsys: Captured) -> None:
    text = Path("known.toml").read_text("utf-8").replace(ORIGIN, "acme.example/dc7")
    key = format_vkey(log_vkey("acme.example/dc7", seeded_key("log").public_key()))
    Path("other.toml").write_text(re.sub(r'"acme.example/dc7\+[^"]*"', f'"{key}"', text), "utf-8")
    done("agreement sign other.toml --key ada.key -o other.agreement")
    Path("note").write_bytes(cosigned(log))
    before = files(log)
    assert run("log cosign log note --agreement other.agreement") == 6
    assert "head/unknown-origin" in capsys.readouterr().err
    assert files(log) == before


def test_a_head_whose_log_signature_is_bad_is_not_recorded(log: Path, capsys: Captured) -> None:
    Path("note").write_bytes(bent(cosigned(log), ORIGIN))
    before = files(log)
    assert run("log head log note --key office.key --at 2026-11-09 --agreement known.agreement") == 6
    assert "note/signature" in capsys.readouterr().err
    assert run("log head log note --key office.key --at 2026-11-09") == 2
    Path("note").write_bytes(sign_note(parse_note(cosigned(log)).text, ORIGIN, [seeded_key("n1")]))
    assert run("log head log note --key office.key --at 2026-11-09 --agreement known.agreement") == 6
    assert "checkpoint/unsigned" in capsys.readouterr().err
    assert files(log) == before


def test_a_head_is_recorded_with_what_its_witnesses_gave(log: Path) -> None:
    shutil.copy(log / "checkpoint", "old")
    assert run("log head log old --key office.key --at 2026-11-09") == 0
    Path("note").write_bytes(bent(cosigned(log), WITNESS.name))
    assert run("log head log note --key office.key --at 2026-11-09 --agreement known.agreement") == 0
