"""A log takes only what a verifier would take: whoever reaches its door cannot make its lab look invalid."""

from collections.abc import Callable
from pathlib import Path

import pytest

from attest.format.bodies import Body, CloseBody, HeadBody
from attest.format.key_acts import KeysBody, Revoke
from attest.format.statement import Statement, parse_statement
from attest.format.vocabulary import Kind
from attest.log.merkle import leaf_hash
from attest.sign.seeded import seeded_key
from attest.sign.statements import header_for, sign_statement
from attest.store.writer import LogWriter
from tests.cli.sandbox import HOST, ISS, START, log_id, run

Captured = pytest.CaptureFixture[str]
GRID = "https://grid.example"
METER = f"{GRID}/meters/dc1"


def size() -> int:
    with LogWriter.open(Path("log"), read_only=True) as log:
        return log.size + log.pending


def close(
    *,
    signer: str = "n1",
    iss: str = ISS,
    sub: str = HOST,
    seq: int = 0,
    prev: bytes | None = None,
    log: bytes | None = None,
    kind: Kind = Kind.CLOSE,
    body: Body | None = None,
    start: int = START,
) -> bytes:
    """A host's closing statement, or what differs from it."""
    key = seeded_key(signer)
    with LogWriter.open(Path("log"), read_only=True) as writer:
        enrolment = leaf_hash(writer.entry(2))
    name = log_id(Path("log")) if log is None else log
    statement = Statement(kind, name, seq, prev or enrolment, start, start, None, body or CloseBody())
    return sign_statement(header_for(key, iss, sub), statement, key)


def forged() -> bytes:
    entry = close()
    return entry[:-1] + bytes((entry[-1] ^ 1,))


def after_the_first(**fields: object) -> Callable[[], bytes]:
    """The statement that would follow n1-0.cose, with something else in it."""

    def made() -> bytes:
        run("log append log n1-0.cose")
        prev = leaf_hash(Path("n1-0.cose").read_bytes())
        return close(**{"seq": 1, "prev": prev, "start": START + 60, **fields})  # type: ignore[arg-type]

    return made


def after_a_close() -> bytes:
    first = close()
    Path("close.cose").write_bytes(first)
    run("log append log close.cose")
    return close(seq=1, prev=leaf_hash(first))


def rotated_away() -> bytes:
    run("key rotate log --key n1.key --new n1-2.key --at 2026-11-09")
    with LogWriter.open(Path("log"), read_only=True) as log:
        last = log.entry(3)
    return close(seq=1, prev=leaf_hash(last), start=parse_statement(last).statement.end)


def revoked() -> bytes:
    run(f"key revoke log {seeded_key('n1').public_key().thumbprint.hex()} --last 2 --key office.key --at 2026-11-09")
    return close()


REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "a key that nobody enrolled": (lambda: close(signer="n2"), "key/unknown"),
    "a signature that is not the key's": (forged, "signature/invalid"),
    "a host in another's name": (lambda: close(sub=f"{ISS}/dc1/n7"), "key/header"),
    "a host in another party's name": (lambda: close(iss="https://rival.example"), "key/header"),
    "a statement of another log": (lambda: close(log=bytes(32)), "chain/foreign-log"),
    "a host that signs a head": (lambda: close(kind=Kind.HEAD, body=HeadBody(b"x")), "key/role"),
    "a host that revokes": (
        lambda: close(kind=Kind.KEYS, body=KeysBody((Revoke(seeded_key("n1").public_key().thumbprint, 1),))),
        "key/role",
    ),
    "a hole in the chain": (after_the_first(seq=2), "chain/gap"),
    "another predecessor": (after_the_first(prev=bytes(32)), "chain/prev"),
    "a window that overlaps": (after_the_first(start=START + 30), "chain/window"),
    "a window that leaves a hole": (after_the_first(start=START + 90), "chain/window"),
    "more after the close": (after_a_close, "chain/closed"),
    "a key that was rotated away": (rotated_away, "key/retired"),
    "a key that is revoked": (revoked, "key/revoked"),
    "an independent meter, unasked": (lambda: close(signer="n2", iss=GRID, sub=METER), "key/unknown"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_verifier_would_refuse_is_not_appended(name: str, here: Path, capsys: Captured) -> None:
    made, code = REFUSED[name]
    (here / "bad.cose").write_bytes(made())
    before = size()
    capsys.readouterr()
    assert run("log append log bad.cose") == 6
    assert f"attest: error: {code}: " in capsys.readouterr().err
    assert size() == before


def test_one_bad_file_keeps_the_others_out(here: Path) -> None:
    (here / "bad.cose").write_bytes(forged())
    assert run("log append log n1-0.cose bad.cose") == 6
    assert size() == 3


def test_the_next_link_is_taken_and_order_matters(here: Path, capsys: Captured) -> None:
    assert run("log append log n1-1.cose n1-0.cose") == 6
    assert "chain/gap" in capsys.readouterr().err
    assert run("log append log n1-0.cose n1-1.cose n1-1.cose") == 0
    assert size() == 5


def test_a_meter_of_the_issuer_that_is_named(here: Path, capsys: Captured) -> None:
    genesis = log_id(here / "log")
    (here / "meter.cose").write_bytes(close(signer="n2", iss=GRID, sub=METER, prev=genesis))
    (here / "head.cose").write_bytes(
        close(signer="n2", iss=GRID, sub=METER, prev=genesis, kind=Kind.HEAD, body=HeadBody(b"x"))
    )
    assert run(f"log append log head.cose --issuer {GRID}") == 6
    assert "key/role" in capsys.readouterr().err
    assert run(f"log append log meter.cose --issuer {GRID}") == 0


def test_an_act_that_a_verifier_would_refuse_is_not_signed(here: Path, capsys: Captured) -> None:
    assert run("key rotate log --key n1.key --new n1-2.key --at 2026-11-09") == 0
    for command, code in (
        ("key rotate log --key n1.key --new n2.key", "key/retired"),
        ("key rotate log --key n1-2.key --new n1.key", "key/reused"),
        ("key enrol log n1.request --key office.key", "key/reused"),
        ("key enrol log n2.request --key n1-2.key", "key/role"),
        (f"key revoke log {bytes(32).hex()} --last 2 --key office.key", "key/unknown"),
        (f"key revoke log {seeded_key('n1').public_key().thumbprint.hex()} --last 9 --key office.key", "revoked-ahead"),
        (f"key revoke log {seeded_key('office').public_key().thumbprint.hex()} --last 2 --key office.key", "key/role"),
    ):
        capsys.readouterr()
        assert run(command) == 6, command
        assert code in capsys.readouterr().err
    assert size() == 4
    assert run("key rotate log --key n1-2.key --new n2.key") == 0
    assert size() == 5
