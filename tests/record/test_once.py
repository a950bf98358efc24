"""Signing onto a chain of a local log: no place twice with different contents, and what was begun comes first."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from attest.errors import KeyFileError, LogError
from attest.format.act import possession
from attest.format.block import commit
from attest.format.bodies import InventoryBody
from attest.format.key_acts import KeysBody, Rotate
from attest.format.roster import format_roster
from attest.format.statement import parse_statement
from attest.format.vocabulary import Kind, Role
from attest.log.merkle import leaf_hash
from attest.record.chain import key_record, keyring, sign_next
from attest.record.once import finish, signing
from attest.record.place import place
from attest.sign.seeded import seeded_key
from attest.sign.signer import Signer
from attest.store.writer import LogWriter
from attest.trust.keys import Alg, PublicKey
from tests.collect.test_import import HOST, OFFICE, START, Site, feed_roster, signer, site
from tests.record.rig import Stopped, watch_signing
from tests.record.test_recorder import Changes

__all__ = ["site"]  # a fixture

NEXT = seeded_key("import p256", Alg.ESP256)


class Gone:
    """A key whose token is pulled out."""

    def __init__(self, key: Signer) -> None:
        self.key = key

    def public_key(self) -> PublicKey:
        return self.key.public_key()

    def sign(self, message: bytes) -> bytes:
        raise KeyFileError("key/token", "device removed")


def rotate(log: LogWriter, old: Signer, at: int = START) -> int:
    """To a key whose proofs never repeat."""
    new = NEXT.public_key()
    proof = NEXT.sign(possession(leaf_hash(log.entry(0)), HOST, Role.HOST, int(new.alg), new.raw))
    return sign_next(log, old, Kind.KEYS, KeysBody((Rotate(int(new.alg), new.raw, proof),)), at)


def declare(log: LogWriter, office: Signer, at: int = START) -> int:
    body = format_roster(feed_roster())
    return sign_next(log, office, Kind.INVENTORY, InventoryBody(commit(body), 0), at, body)


def count(path: Path) -> int:
    with LogWriter.open(path) as log:
        return log.size + log.pending


@pytest.mark.parametrize(("act", "name"), [(rotate, "host"), (declare, "office")])
def test_killed_at_every_change_of_the_disk_and_given_again(
    site: Site, monkeypatch: pytest.MonkeyPatch, act: Callable[..., int], name: str
) -> None:
    """The same command once more, a minute later, says it once, whatever of it there was."""
    changes, signed = Changes(monkeypatch), watch_signing(monkeypatch)
    before = count(site.log)
    changes.count = 0
    deadly = 0
    while True:
        deadly += 1
        path = site.path / f"life {deadly}"
        shutil.copytree(site.log, path)
        changes.count, changes.deadly = 0, deadly
        signed.clear()
        try:
            with LogWriter.open(path) as log:
                act(log, signer(name))
        except Stopped:
            pass
        else:
            break
        changes.deadly = 0
        with LogWriter.open(path) as log:
            try:
                index = act(log, signer(name), START + 60)
            except KeyFileError as error:  # it was done, and everything of it is in the log
                assert (error.code, act) == ("key/retired", rotate)
                index = log.size + log.pending - 1
        assert {len(payloads) for payloads in signed.values()} == {1}
        assert index >= before
        assert count(path) <= before + 2
    assert deadly > 15


def test_what_a_token_failed_to_sign_is_signed_first(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    signed = watch_signing(monkeypatch)
    before = count(site.log)
    with LogWriter.open(site.log) as log:
        with pytest.raises(KeyFileError, match="device removed"):
            declare(log, Gone(signer("office")))
        assert log.size + log.pending == before
        assert rotate(log, signer("host")) == before  # another source is not held up
        assert declare(log, signer("office"), START + 60) == before + 1
        statement = parse_statement(log.entry(before + 1)).statement
        assert statement.end == START  # it was begun then
        assert {len(payloads) for payloads in signed.values()} == {1}


def test_another_act_comes_after_what_was_begun(site: Site) -> None:
    before = count(site.log)
    with LogWriter.open(site.log) as log:
        with pytest.raises(KeyFileError):
            rotate(log, Gone(signer("host")))
        new = signer("next").public_key()
        proof = signer("next").sign(possession(leaf_hash(log.entry(0)), HOST, Role.HOST, int(new.alg), new.raw))
        with pytest.raises(KeyFileError, match="key/retired"):  # by the rotation that was begun
            sign_next(log, signer("host"), Kind.KEYS, KeysBody((Rotate(int(new.alg), new.raw, proof),)), START)
        assert log.size + log.pending == before + 1
        assert key_record(log, keyring(log), NEXT.public_key()).source.sub == HOST


def test_a_chain_that_went_on_without_what_was_begun(site: Site) -> None:
    """Somebody else signs with this key: an incident, which nobody makes worse."""
    with LogWriter.open(site.log) as log:
        source = key_record(log, keyring(log), signer("office").public_key()).source
        with pytest.raises(KeyFileError):
            declare(log, Gone(signer("office")))
        draft = next(path for path in (site.log / ".outbox").rglob("draft"))
        kept = draft.read_bytes()
        draft.unlink()
        declare(log, signer("office"), START + 60)
        (draft.parent / "last").unlink()
        draft.write_bytes(kept)
        size = log.size + log.pending
        for act in (lambda: finish(log, source, signer("office")), lambda: declare(log, signer("office"), START + 120)):
            with pytest.raises(LogError, match="outbox/overtaken"):
                act()
        assert log.size + log.pending == size


def test_what_is_signed_and_not_appended_is_appended_next(site: Site) -> None:
    with LogWriter.open(site.log) as log:
        source = key_record(log, keyring(log), signer("office").public_key()).source
        seq = place(log, source).seq
        size = log.size + log.pending
        with pytest.raises(Stopped), signing(log, source, signer("office")) as sign:
            raise Stopped
        assert finish(log, source, signer("office")) == []
        statement = parse_statement(log.entry(0)).statement
        later = statement._replace(
            kind=Kind.INVENTORY, log=leaf_hash(log.entry(0)), seq=seq, prev=place(log, source).prev,
            body=InventoryBody(commit(b"roster"), 0),
        )  # fmt: skip
        with pytest.raises(Stopped), signing(log, source, signer("office")) as sign:
            sign(later, b"roster")
            raise Stopped
        assert log.size + log.pending == size
        assert finish(log, source, signer("office")) == [later]
        assert log.block(size) == b"roster"
        assert finish(log, source, signer("office")) == []
        assert parse_statement(log.entry(size)).header.sub == OFFICE
