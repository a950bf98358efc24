"""No place of a chain is signed twice with different contents, nor handed on as two entries, whatever crashes.

The life (`live`) signs a chain of statements, each of another content every time it is made anew, with signatures
that never repeat, and hands them on. It is cut short; whoever lives on must sign and hand on the very same.
"""

import errno
import os
import random
import shutil
import signal
from collections.abc import Callable
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import pytest

from attest.errors import LogError, MalformedError
from attest.format.bodies import Block, InventoryBody
from attest.format.cose import Header, Sign1, format_header, format_sign1
from attest.format.statement import Statement, format_payload, parse_payload, parse_statement, peek
from attest.format.vocabulary import Kind
from attest.log.merkle import leaf_hash
from attest.store import outbox as module
from attest.store.outbox import DRAFT, UNSIGNED, Outbox, Signed
from tests.store.crashes import Fault, PowerLoss, Told, Volatile, die, forked, lost_at, write_down

COUNT = 4
SUB = "https://acme.example/dc1/n1"
Tell = Callable[[str, int], None]


def payload(seq: int, prev: bytes = b"p" * 32, block: bytes | None = None) -> bytes:
    """A statement that nobody makes twice."""
    body = InventoryBody(Block(os.urandom(32), 1) if block is None else Block(sha256(block).digest(), len(block)), 1)
    return format_payload(Statement(Kind.INVENTORY, b"l" * 32, seq, prev, 1, 1, None, body))


def signed(text: bytes, sub: str = SUB) -> bytes:
    """An entry of it; to sign again makes another one, as ECDSA does."""
    header = format_header(Header(-9, b"k" * 32, "https://acme.example", sub))
    return format_sign1(Sign1(header, b"\xa0", text, os.urandom(64)))


def signed_alike(text: bytes) -> bytes:
    """The same entry each time, as of a key that repeats its signatures."""
    header = format_header(Header(-9, b"k" * 32, "https://acme.example", SUB))
    return format_sign1(Sign1(header, b"\xa0", text, sha256(text).digest() * 2))


def live(path: Path, tell: Tell, together: int) -> None:
    """Signs a chain and hands it on, so many statements at a time; `tell` hears of each payload before it is signed,
    each entry before it is sent."""

    def sign(text: bytes) -> bytes:
        tell(f"signed:{parse_payload(text).seq}:{sha256(text).hexdigest()}", 1)
        return signed(text) if together == 1 else signed_alike(text)

    def send(one: Signed) -> None:
        assert one.block is not None
        assert peek(one.entry).block == Block(sha256(one.block).digest(), len(one.block))
        prev = parse_statement(one.entry).statement.prev or b""
        tell(f"sent:{one.seq}:{leaf_hash(one.entry).hex()}:{prev.hex()}", 1)
        if one.seq % 2:  # somebody keeps them two by two
            box.taken(one.seq)

    with Outbox(path) as box:
        for one in box.waiting():
            send(one)
        while box.last is None or peek(box.last).seq + 1 < COUNT:
            if not box.drafts:
                blocks = [os.urandom(100) for _ in range(together)]
                seq, prev = (0, b"p" * 32) if box.last is None else (peek(box.last).seq + 1, leaf_hash(box.last))
                prevs = [prev] + [UNSIGNED] * (together - 1)
                box.propose(*((payload(seq + n, prevs[n], block), block) for n, block in enumerate(blocks)))
            for one in box.sign(sign):
                send(one)


def require_once(path: Path, together: int, *lives: Told) -> None:
    """Lives to the end, then holds what all lives signed and sent against the rule."""
    last = Told()
    live(path, last, together)
    whats = {what for told in (*lives, last) for what in told}
    for seq in range(COUNT):
        assert len({what for what in whats if what.startswith(f"signed:{seq}:")}) == 1
        assert len({what for what in whats if what.startswith(f"sent:{seq}:")}) == 1
    sent = sorted(what.split(":") for what in whats if what.startswith("sent:"))
    assert all(one[3] == before[2] for before, one in pairwise(sent))
    with Outbox(path) as box:
        assert (list(box.waiting()), box.drafts) == ([], [])
        assert sorted(item.name for item in path.iterdir() if item.name != "tmp") == ["last", "lock"]


@pytest.fixture(autouse=True)
def no_real_disk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda file: None)


@pytest.fixture(scope="module", params=[1, 2, 4], ids=["one", "two", "all"])
def together(request: pytest.FixtureRequest) -> int:
    """How many statements are proposed and signed at a time."""
    return int(request.param)


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory, together: int) -> int:
    """How many changes of the disk a life makes."""
    with pytest.MonkeyPatch.context() as patch:
        count = Fault(patch, -1, lambda name, arguments: None)
        live(tmp_path_factory.mktemp("steps") / "box", Told(), together)
    return count.at


def test_a_life_that_nothing_cuts_short(tmp_path: Path, steps: int, together: int) -> None:
    told = Told()
    live(tmp_path / "box", told, together)
    require_once(tmp_path / "box", together, told)
    assert steps > {1: 60, 2: 30, 4: 20}[together]


def test_killed_before_every_change_of_the_disk(tmp_path: Path, steps: int, together: int) -> None:
    path = tmp_path / "box"
    for when in range(steps):

        def run(tell: Tell, when: int = when) -> None:
            Fault(pytest.MonkeyPatch(), when, die)
            live(path, tell, together)

        status, told = forked(run)
        assert status == -signal.SIGKILL
        require_once(path, together, told)
        shutil.rmtree(path)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EIO])
def test_an_error_at_every_change_of_the_disk(tmp_path: Path, steps: int, together: int, number: int) -> None:
    code = {errno.ENOSPC: "log/disk-full", errno.EROFS: "log/read-only"}.get(number, "log/io")

    def fail(name: str, arguments: tuple[int, bytes]) -> None:
        if name == "write" and number == errno.ENOSPC:
            file, data = arguments
            os.write(file, data[: len(data) // 2])
        raise OSError(number, os.strerror(number), "the disk")

    for when in range(steps):
        path, told = tmp_path / str(when), Told()
        with pytest.MonkeyPatch.context() as patch:
            Fault(patch, when, fail)
            with pytest.raises(LogError) as caught:
                live(path, told, together)
        assert caught.value.code == code
        require_once(path, together, told)


@pytest.mark.parametrize("lucky", [False, True], ids=["all-lost", "some-kept"])
def test_power_lost_before_every_change_of_the_disk(tmp_path: Path, steps: int, together: int, lucky: bool) -> None:
    for when in range(steps):
        path, left, told = tmp_path / f"box{when}", tmp_path / f"left{when}", Told()
        with pytest.MonkeyPatch.context() as patch:
            volatile = Volatile(patch, path, lost_at(when))
            with pytest.raises(PowerLoss):
                live(path, told, together)
        volatile.close()
        write_down(volatile.left(random.Random(f"attest outbox {when}") if lucky else None), left)
        require_once(left, together, told)


def test_killed_and_then_power_lost(tmp_path: Path, steps: int, together: int) -> None:
    """Whoever lives on acts upon what it finds, so what it finds must last: a killed life may not have synced it."""
    rng = random.Random("attest outbox twice")
    for when in range(steps):
        for after in (*range(8), *rng.sample(range(8, steps), 4)):
            path, left = tmp_path / f"box{when}-{after}", tmp_path / f"left{when}-{after}"
            first, second = Told(), Told()
            with pytest.MonkeyPatch.context() as patch:
                volatile = Volatile(patch, path, lost_at(when))
                with pytest.raises(PowerLoss):  # of one process: what it wrote is in the system's memory
                    live(path, first, together)
                volatile.before = lost_at(volatile.at + after)
                try:
                    live(path, second, together)
                except PowerLoss:
                    write_down(volatile.left(None), left)
                else:
                    left = path
                volatile.close()
            require_once(left, together, first, second)


# -- its rules


@pytest.fixture
def box(tmp_path: Path) -> Outbox:
    return Outbox(tmp_path / "box")


def refused(act: Callable[[], object]) -> str:
    with pytest.raises(LogError) as caught:
        act()
    return caught.value.code


def test_a_draft_stays_until_it_is_signed(box: Outbox) -> None:
    first = payload(3)
    box.propose((first, b"block"))
    box.propose((first, b"block"))
    assert refused(lambda: box.propose((payload(3), b"block"))) == "outbox/drafted"
    assert refused(lambda: box.propose((first, None))) == "outbox/drafted"
    assert refused(lambda: box.propose((payload(4), None))) == "outbox/drafted"

    def fail(text: bytes) -> bytes:
        raise KeyError("the token is gone")

    with pytest.raises(KeyError):
        box.sign(fail)
    box.close()
    with Outbox(box.path) as again:
        assert again.drafts == [(3, first, b"block")]
        assert [parse_statement(each.entry).statement.seq for each in again.sign(signed)] == [3]
        assert again.drafts == []


def test_no_place_is_signed_again(box: Outbox) -> None:
    assert refused(lambda: box.sign(signed)) == "outbox/empty"
    text = payload(3)
    box.propose((text, None))
    box.sign(signed)
    box.taken(3)
    for seq in (0, 2, 3):
        assert refused(lambda seq=seq: box.propose((payload(seq), None))) == "outbox/place"
    assert refused(lambda: box.propose((text, None))) == "outbox/place"
    box.close()
    with Outbox(box.path) as again:
        assert refused(lambda: again.propose((payload(3), None))) == "outbox/place"
        again.propose((payload(9), None))  # others may have signed the places between


def test_what_comes_back_is_the_draft_signed(box: Outbox) -> None:
    box.propose((payload(0), None))
    assert refused(lambda: box.sign(lambda text: signed(payload(0)))) == "outbox/entry"
    with pytest.raises(MalformedError):
        box.sign(lambda text: b"")
    box.sign(signed)
    box.propose((payload(1), None))
    assert refused(lambda: box.sign(lambda text: signed(text, "https://acme.example/dc1/n2"))) == "outbox/entry"
    assert [each.seq for each in box.sign(signed)] == [1]


def test_what_is_not_taken_waits_in_order(box: Outbox) -> None:
    entries = []
    for seq in range(12):
        box.propose((payload(seq), bytes([seq]) if seq % 3 else None))
        entries += box.sign(signed)
    assert list(box.waiting()) == entries
    box.taken(4)
    box.taken(4)
    box.taken(2)
    assert list(box.waiting()) == entries[5:]
    box.close()
    with Outbox(box.path) as again:
        assert list(again.waiting()) == entries[5:]
        again.taken(99)
        assert list(again.waiting()) == []
        assert again.last == entries[-1].entry


def test_statements_that_follow_are_signed_with_what_they_follow(box: Outbox) -> None:
    items = [(payload(5), b"a"), (payload(6, UNSIGNED), None), (payload(7, UNSIGNED), b"c")]
    box.propose(*items)
    box.propose(*items)
    assert refused(lambda: box.propose(*items[:2])) == "outbox/drafted"

    def gone(text: bytes) -> bytes:
        if parse_payload(text).seq == 7:
            raise KeyError("the token is gone")
        return signed_alike(text)

    with pytest.raises(KeyError):
        box.sign(gone)
    assert list(box.waiting()) == []
    box.close()
    with Outbox(box.path) as again:
        assert [(draft.payload, draft.block) for draft in again.drafts] == items
        entries = again.sign(signed_alike)
        assert [(each.seq, each.block) for each in entries] == [(5, b"a"), (6, None), (7, b"c")]
        for before, after in pairwise(entries):
            assert parse_statement(after.entry).statement.prev == leaf_hash(before.entry)
        assert list(again.waiting()) == entries
        again.taken(5)
        assert list(again.waiting()) == entries[1:]
    with Outbox(box.path) as again:
        assert list(again.waiting()) == entries[1:]
        assert refused(lambda: again.propose((payload(7), None))) == "outbox/place"
        again.propose((payload(8), None))
        entries += again.sign(signed)
        again.taken(7)
        assert list(again.waiting()) == entries[3:]
        assert sorted(item.name for item in box.path.iterdir()) == ["00000000000000000008", "last", "lock"]


@pytest.mark.parametrize("after", [payload(4), payload(5, UNSIGNED), payload(3, UNSIGNED)])
def test_only_what_follows_is_proposed_together(box: Outbox, after: bytes) -> None:
    assert refused(lambda: box.propose((payload(3), None), (after, None))) == "outbox/place"
    assert box.drafts == []


def test_a_file_that_is_too_large_is_not_read(box: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    box.propose((payload(0), b"block"))
    box.close()
    size = (box.path / DRAFT).stat().st_size
    for limit in (size - 1, size):
        monkeypatch.setattr(module, "_MAX_FILE", limit)
        if limit < size:
            assert refused(lambda: Outbox(box.path)) == "outbox/damaged"
    Outbox(box.path).close()


def test_one_process_at_a_time(box: Outbox) -> None:
    assert refused(lambda: Outbox(box.path)) == "log/locked"
    box.close()
    for act in (lambda: box.propose((payload(0), None)), lambda: box.sign(signed), lambda: box.taken(0)):
        assert refused(act) == "outbox/closed"
    assert refused(lambda: list(box.waiting())) == "outbox/closed"
    Outbox(box.path).close()


@pytest.mark.parametrize("name", [DRAFT, "00000000000000000001", "last"])
def test_a_damaged_file_is_said(box: Outbox, name: str) -> None:
    for seq in (0, 1):
        box.propose((payload(seq), b"block"))
        box.sign(signed)
    box.taken(0)
    box.propose((payload(2), b"block"))
    if name == "last":
        box.taken(1)
    box.close()
    path = box.path / name
    whole = path.read_bytes()
    for bad in (b"", whole[:20], whole[:-1], whole + b"\0", whole[:40] + b"\0" * 8 + whole[48:], b"x" + whole[1:]):
        path.write_bytes(bad)
        assert refused(lambda: Outbox(box.path)) == "outbox/damaged"
    path.write_bytes(whole)
    Outbox(box.path).close()
