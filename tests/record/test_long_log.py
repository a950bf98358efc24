"""Work beside a long log: it reads as few of its entries as beside a short one, and carries out each act once."""

import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from attest.errors import KeyFileError
from attest.format.act import possession
from attest.format.key_acts import KeysBody, Revoke, Rotate
from attest.format.vocabulary import Kind, Role
from attest.inventory.site import Site as Accelerators
from attest.keyring import Keyring
from attest.log.merkle import leaf_hash
from attest.record.admission import Admission
from attest.record.chain import key_record, keyring, require_acts, sign_next
from attest.record.site import source_id
from attest.site.budget import Limit, Limits
from attest.site.desk import Desk
from attest.store.directory import DirectoryBundle
from attest.store.writer import Item, LogWriter
from tests.collect.test_import import HOST, START, Site, csv, declare, feed_roster, signer, site
from tests.record.long_log import fill, sign, statements
from tests.record.rig import Rig

__all__ = ["site"]  # a fixture

UNBOUNDED = Limits(Limit(1 << 30, 1 << 30), Limit(1 << 30, 1 << 30))
SHORT, LONG = 1_500, 5_596  # with as many entries in the last tile
FEW = 10  # entry tiles; a recorder that runs opens the log again and again

Work = Callable[[], object]


@pytest.fixture(scope="module")
def others() -> list[bytes]:
    made = statements()
    return [next(made) for _ in range(LONG)]


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The entry tiles that are read."""
    numbers: list[int] = []
    real = DirectoryBundle.entries

    def entries(self: DirectoryBundle, index: int, width: int) -> bytes:
        numbers.append(index)
        return real(self, index, width)

    with monkeypatch.context() as patch:
        patch.setattr(DirectoryBundle, "entries", entries)
        yield numbers


def recorded(site: Site) -> list[Item]:
    """Three statements that the host's recorder signed beside a copy of the log."""
    away = site.path / "away"
    shutil.copytree(site.log, away / "log")
    Rig.of(away, 32).run()
    with LogWriter.open(away / "log") as log:
        found = [log.find(HOST, seq) for seq in range(3)]
        return [(log.entry(index), log.block(index)) for index in found if index is not None]


def recorder(site: Site) -> Work:
    return Rig.of(site.path, 32).run


def server(site: Site) -> Work:
    items = recorded(site)

    def work() -> None:
        with closing(Desk(site.log, [signer("log")], UNBOUNDED, lambda: START)) as desk:
            assert len(desk.admit(source_id(HOST), items, 0.0).taken) == 3
            desk.seal()
            assert (desk.state(HOST).seq, desk.receipt(HOST, 2) is None) == (3, False)

    return work


def append(site: Site) -> Work:
    items = recorded(site)

    def work() -> None:
        with LogWriter.open(site.log) as log:
            admission = Admission(log)
            assert [admission.require(*item) for item in items] == log.extend(items)

    return work


def import_(site: Site) -> Work:
    def work() -> None:
        assert site.power(csv(0, 60))[0] == 0

    return work


def office(site: Site) -> Work:
    def work() -> None:
        with LogWriter.open(site.log) as log:
            declare(log, feed_roster(uids=("GPU-0",)), START + 3600)
            log.seal(sign)

    return work


def books(site: Site) -> Work:
    def work() -> None:
        with LogWriter.open(site.log, read_only=True) as log:
            assert len(Accelerators.of(log).devices) == 2

    return work


@pytest.mark.parametrize("what", [recorder, server, append, import_, office, books])
def test_work_does_not_grow_with_the_log(
    site: Site, others: list[bytes], read: list[int], what: Callable[[Site], Work]
) -> None:
    took = []
    for length in (SHORT, LONG):
        beside = Site(site.path / str(length), site.capsys)
        shutil.copytree(site.log, beside.log)
        fill(beside.log, length, iter(others))
        LogWriter.open(beside.log).close()
        work = what(beside)
        read.clear()
        work()
        took.append(len(read))
    assert took[0] == took[1] <= FEW


# -- acts


def test_each_act_is_carried_out_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    done: Counter[int] = Counter()
    real = Keyring.apply

    def apply(self: Keyring, index: int, *rest: object) -> None:
        done[index] += 1
        real(self, index, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Keyring, "apply", apply)
    with LogWriter.open(site.log) as log:
        first = keyring(log)
        assert (done[1], sorted(keyring(log).sources)) == (2, sorted(first.sources))
        rotate(log)
        keyring(log)
        log.seal(sign)
        assert keyring(log).keys.keys() == first.keys.keys() | {signer("next").public_key().thumbprint}
        assert done[1] == 2
        assert done[3] == 2  # before it was signed, and since


def rotate(log: LogWriter) -> int:
    new = signer("next").public_key()
    proof = signer("next").sign(possession(leaf_hash(log.entry(0)), HOST, Role.HOST, int(new.alg), new.raw))
    return sign_next(log, signer("host"), Kind.KEYS, KeysBody((Rotate(int(new.alg), new.raw, proof),)), START)


def test_an_act_that_is_only_tried_changes_no_keys(site: Site) -> None:
    host = signer("host").public_key()
    with LogWriter.open(site.log) as log:
        require_acts(log, signer("office"), [Revoke(host.thumbprint, 1)])
        assert key_record(log, keyring(log), host).source.sub == HOST
        sign_next(log, signer("office"), Kind.KEYS, KeysBody((Revoke(host.thumbprint, 1),)), START)
        with pytest.raises(KeyFileError, match="key/revoked"):
            key_record(log, keyring(log), host)


def test_a_log_that_is_opened_again_has_its_own_keys(site: Site, tmp_path: Path) -> None:
    other = tmp_path / "copy"
    shutil.copytree(site.log, other)
    with LogWriter.open(site.log) as log, LogWriter.open(other) as copy:
        rotate(log)
        assert len(keyring(log).keys) == len(keyring(copy).keys) + 1
