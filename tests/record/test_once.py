"""Signing onto a chain of a local log: no place twice with different contents, and what was begun comes first."""

import shutil
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from attest.cli.import_files import Meter, Where, import_power
from attest.collect.columns import Wanted
from attest.collect.power import Options
from attest.collect.statements import Draft
from attest.errors import KeyFileError, LogError
from attest.format.act import possession
from attest.format.block import commit
from attest.format.bodies import InventoryBody, MeterBody
from attest.format.cose import Header
from attest.format.key_acts import KeysBody, Rotate, Void
from attest.format.roster import format_roster
from attest.format.statement import Statement, parse_payload, parse_statement
from attest.format.vocabulary import Kind, Quantity, Role
from attest.log.merkle import leaf_hash
from attest.record import chain
from attest.record.chain import key_record, keyring, outbox_of, place, settle, sign_next, together
from attest.sign.seeded import seeded_key
from attest.sign.signer import Signer
from attest.sign.statements import header_for, payload_to_sign, sign_payload
from attest.store import disk
from attest.store.outbox import MAX_TOGETHER
from attest.store.writer import LogWriter
from attest.trust.keys import Alg, PublicKey
from tests.collect.test_import import HOST, METER, START, Site, csv, feed_roster, signer, site
from tests.record.rig import Stopped
from tests.store.crashes import Fault

__all__ = ["site"]  # a fixture

NEXT = seeded_key("import p256", Alg.ESP256)


def watch_signing(monkeypatch: pytest.MonkeyPatch) -> dict[tuple[str, int], set[bytes]]:
    """By source and seq every payload that was signed for it."""
    signed: dict[tuple[str, int], set[bytes]] = defaultdict(set)
    real = chain.sign_payload

    def watched(header: Header, payload: bytes, key: Signer) -> bytes:
        signed[header.sub, parse_payload(payload).seq].add(payload)
        return real(header, payload, key)

    monkeypatch.setattr(chain, "sign_payload", watched)
    return signed


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

    def stop(change: str, arguments: Any) -> None:
        raise Stopped

    signed = watch_signing(monkeypatch)
    before = count(site.log)
    deadly = 0
    while True:
        path = site.path / f"life {deadly}"
        shutil.copytree(site.log, path)
        signed.clear()
        with pytest.MonkeyPatch.context() as patch:
            Fault(patch, deadly, stop)
            try:
                with LogWriter.open(path) as log:
                    act(log, signer(name))
            except Stopped:
                pass
            else:
                break
        deadly += 1
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
        with outbox_of(log, source) as box, pytest.raises(LogError, match="outbox/overtaken"):
            settle(log, source, signer("office"), box)
        with pytest.raises(LogError, match="outbox/overtaken"):
            declare(log, signer("office"), START + 120)
        assert log.size + log.pending == size


def test_what_is_signed_and_not_appended_is_appended_next(site: Site) -> None:
    office = signer("office")
    with LogWriter.open(site.log) as log:
        source = key_record(log, keyring(log), office.public_key()).source
        seq, prev, _ = place(log, source)
        size = log.size + log.pending
        body = InventoryBody(commit(b"roster"), 0)
        statement = Statement(Kind.INVENTORY, leaf_hash(log.entry(0)), seq, prev, START, START, None, body)
        header = header_for(office, source.iss, source.sub)
        with outbox_of(log, source) as box:
            assert settle(log, source, office, box) == []
            box.propose((payload_to_sign(header, statement, office), b"roster"))
            (signed,) = box.sign(lambda payload: sign_payload(header, payload, office))
        assert log.size + log.pending == size
        with outbox_of(log, source) as box:
            assert settle(log, source, office, box) == [signed.entry]
            assert log.block(size) == b"roster"
            assert settle(log, source, office, box) == []
        assert parse_statement(log.entry(size)).statement == statement


def test_what_no_log_could_hold_is_not_proposed(site: Site) -> None:
    """It would wait for its signature for ever, and nothing else could be signed."""
    office = signer("office")
    with LogWriter.open(site.log) as log:
        acts = KeysBody((Void(bytes(60_000)), Void(bytes(5_400))))
        with pytest.raises(LogError, match="statement/size"):
            sign_next(log, office, Kind.KEYS, acts, START)
        declare(log, office)


# -- many at once

DAYS = 4


def imported(site: Site, log: Path) -> int:
    """A meter's readings of some days, a statement each."""
    name = site.file("power.csv", csv(0, DAYS * 86_400, step=3_600))
    meter = Meter({}, Quantity.MEAN_POWER, 0, None, None)
    where = Where(str(log), str(site.key("meter")), None, None, False)
    return int(import_power([name], Options(Wanted(None, None, None, ()), None, None), meter, where)["appended"])


def said(log: Path) -> list[Statement]:
    return Site(log.parent, None).statements(METER)  # type: ignore[arg-type]


def test_an_import_killed_at_every_change_of_the_disk_and_given_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(change: str, arguments: Any) -> None:
        raise Stopped

    signed = watch_signing(monkeypatch)
    deadly = 0
    while True:
        path = site.path / f"life {deadly}" / "log"
        shutil.copytree(site.log, path)
        signed.clear()
        with pytest.MonkeyPatch.context() as patch:
            Fault(patch, deadly, stop)
            try:
                assert imported(site, path) == DAYS + 1
            except Stopped:
                pass
            else:
                break
        deadly += 1
        name = site.file("power.csv", csv(0, DAYS * 86_400, step=3_600))
        code, _, err = site.run("power", name, "--log", path, "--key", site.key("meter"))
        assert code == 0 or "import/nothing-new" in err  # all of it is there, or was begun and is appended first
        assert {len(payloads) for payloads in signed.values()} == {1}
        assert len(signed) == DAYS + 1
        statements = said(path)
        assert [statement.seq for statement in statements] == list(range(DAYS + 1))
        assert (statements[0].start, statements[-1].end) == (START, START + DAYS * 86_400)
    assert deadly > 15


def syncs(site: Site, monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> int:
    done = []
    with monkeypatch.context() as patch:
        for name in ("sync", "sync_directory"):
            real = getattr(disk, name)
            patch.setattr(disk, name, lambda what, real=real: (done.append(what), real(what)))
        act()
    return len(done)


def test_many_statements_are_imported_with_as_many_syncs_as_one(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    other = site.path / "other" / "log"
    shutil.copytree(site.log, other)
    one = syncs(site, monkeypatch, lambda: site.power(csv(0, 60)))
    assert len(site.statements(METER)) == 1
    assert syncs(site, monkeypatch, lambda: imported(site, other)) == one
    assert len(said(other)) == DAYS + 1


def test_a_key_elsewhere_signs_one_after_the_other() -> None:
    """Nobody can say whether a token would give the same signature again, nor what it keeps."""
    drafts = [
        Draft(at, at + 1, MeterBody(Quantity.MEAN_POWER, 1, 0, 0, (), None), b"x" * size)  # type: ignore[arg-type]
        for at, size in enumerate((1, 1, MAX_TOGETHER, 1, 1))
    ]
    key = signer("meter")
    assert [len(batch) for batch in together(drafts, key)] == [2, 1, 2]
    assert [len(batch) for batch in together(drafts, Gone(key))] == [1] * 5
    assert [len(batch) for batch in together(drafts, seeded_key("import p256", Alg.ESP256))] == [2, 1, 2]
    assert [len(batch) for batch in together(drafts, seeded_key("import pq", Alg.ML_DSA_44))] == [1] * 5
    assert list(together([], key)) == []
