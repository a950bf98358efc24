"""A site over a shared folder, for hosts that reach it in no other way (schemas/site.md).

    about.json, genesis, rosters/DIGEST      the site's, for everybody
    ID/SEQ.block, ID/SEQ.entry               the host's: a statement, the block first
    ID/SEQ.ack                               the site's: it has it, or refuses it
    ID/state.json                            the site's: where the chain stands
    ID/ask-WHAT, ID/said-WHAT                a question of the host, the site's answer:
                                             entry-SEQ, receipt-SEQ, growth-SIZE, off

ID is the SHA-256 of the source's URI. Every file is put whole, by a rename, and removed by whoever has read it. What is
not there yet is there at the next try.

Any host may write there, and none of it is believed for where it lies (attest.store.shared). What cannot be what it is
said to be is removed, so that the site puts it there again. Which log it is, how the source is enrolled, which
inventories there are and what is planned to be off no chain or tree shows to be true, so the site signs that with the
log's keys, together with its time (attest.record.site_off): of what comes after that the site has not spoken.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Final

from attest.errors import LogError
from attest.format.note import Vkey
from attest.format.roster import MAX_ROSTER
from attest.format.statement import MAX_STATEMENT, peek
from attest.format.upload import Item
from attest.inventory.ledger import Range
from attest.record.site import (
    MAX_ANSWER,
    About,
    Ack,
    Answer,
    Plan,
    State,
    parse_about,
    parse_answer,
    parse_state,
    refuse,
    source_id,
)
from attest.record.site_off import open_plan
from attest.store.shared import Shared

ABOUT: Final = "about.json"
GENESIS: Final = "genesis"
ROSTERS: Final = "rosters"
STATE: Final = "state.json"
ASK: Final = "ask-"
SAID: Final = "said-"
OFF: Final = "off"
MAX_NAMES: Final = 1 << 16  # that are looked at in the folder of one host
_GROWTH: Final = re.compile(rf"(?:{ASK}|{SAID})growth-(\d{{1,18}})", re.ASCII)


class FolderSite:
    """One source's way to its site through a folder."""

    def __init__(self, path: Path, source: str, vkeys: Sequence[Vkey]) -> None:
        """`vkeys` are the log's. Makes the source's own folder. Raises LogError."""
        self._path, self._id = path, source_id(source)
        self._source, self._vkeys = source, vkeys
        self._plan: Plan | None = None
        with self._mine():
            pass

    def about(self) -> About:
        """What the log's key signed of it; until then the site has spoken of no time and of no inventory."""
        with Shared(self._path) as shared:
            about = parse_about(_found(shared, ABOUT, MAX_ANSWER))
        self._look(about.log)
        plan = self._plan
        if plan is None:
            return about._replace(time=0, inventories=())
        return about._replace(log=plan.log, time=plan.time, inventories=plan.inventories)

    def genesis(self) -> bytes:
        with Shared(self._path) as shared:
            return _found(shared, GENESIS, MAX_STATEMENT)

    def roster(self, digest: bytes) -> bytes:
        with Shared(self._path) as shared, shared.below(ROSTERS) as rosters:
            body = _found(rosters, digest.hex(), MAX_ROSTER)
            if sha256(body).digest() != digest:
                rosters.clear(digest.hex())
                refuse(f"a roster whose digest is not {digest.hex()}")
        return body

    def state(self) -> State:
        """What is signed, but for where the chain has come to since: that its own next statement shows."""
        with self._mine() as mine:
            state = parse_state(_found(mine, STATE, MAX_ANSWER))
        if self._plan is None:
            return state
        signed = self._plan.state
        if state.seq <= signed.seq:
            return signed
        return state._replace(role=signed.role, iss=signed.iss, enrolment=signed.enrolment)

    def planned_off(self) -> Mapping[str, Sequence[Range]]:
        return {} if self._plan is None else self._plan.off

    def growth(self, old: int) -> bytes | None:
        """Every answer is followed by the same question, and what is asked of a smaller log nobody reads any more."""
        with self._mine() as mine:
            for match in filter(None, map(_GROWTH.fullmatch, list(islice(mine.names(), MAX_NAMES)))):
                if int(match[1]) < old:
                    mine.clear(match[0])
        return self._answer(f"growth-{old}")

    def receipt(self, seq: int) -> bytes | None:
        """They are asked for in turn, so there is one of what was before; and what is in the log is acknowledged."""
        with self._mine() as mine:
            mine.clear(f"{entry_name(seq)}.ack")
            for word in (ASK, SAID):
                mine.clear(f"{word}receipt-{seq - 1}")
        return self._answer(f"receipt-{seq}")

    def entry(self, seq: int) -> bytes:
        answer = self._answer(f"entry-{seq}")
        if answer is None:
            raise LogError("remote/unreachable", f"{self._path / self._id}: the site has not answered yet")
        return answer

    def hand_on(self, items: Sequence[Item]) -> Answer:
        """Leaves statements; what the site says of them so far."""
        taken: list[Ack] = []
        with self._mine() as mine:
            for entry, block in items:
                name = entry_name(peek(entry).seq)
                said = _take(mine, f"{name}.ack")
                if said is None:
                    _leave(mine, name, entry, block)
                    continue
                answer = parse_answer(said)
                if answer.code:
                    return Answer(tuple(taken), answer.code, answer.detail)
                taken += answer.taken
        return Answer(tuple(taken))

    def _look(self, log: bytes) -> None:
        """What the site signed since the last time, if it is newer. Raises AttestError."""
        data = self._answer(OFF)
        if data is None:
            return
        plan = open_plan(data, self._vkeys)
        if (plan.log, plan.source) != (log, self._source):
            refuse(f"a word to {plan.source} of the log {plan.log.hex()}")
        if self._plan is None or plan.time >= self._plan.time:
            self._plan = plan

    def _answer(self, what: str) -> bytes | None:
        """What was answered since the last time, and the question again."""
        with self._mine() as mine:
            said = _take(mine, f"{SAID}{what}")
            if not mine.has(f"{ASK}{what}"):
                mine.put(f"{ASK}{what}", b"")
        return said

    @contextmanager
    def _mine(self) -> Iterator[Shared]:
        with Shared(self._path) as shared, shared.below(self._id, make=True) as mine:
            yield mine


def entry_name(seq: int) -> str:
    """What the files of a statement are called."""
    return f"{seq:020}"


def _leave(mine: Shared, name: str, entry: bytes, block: bytes | None) -> None:
    if mine.read(f"{name}.entry", MAX_STATEMENT) == entry:
        return
    if block is not None:
        mine.put(f"{name}.block", block)
    mine.put(f"{name}.entry", entry)


def _take(mine: Shared, name: str) -> bytes | None:
    data = mine.read(name, MAX_ANSWER)
    if data is not None:
        mine.clear(name)
    return data


def _found(folder: Shared, name: str, limit: int) -> bytes:
    data = folder.read(name, limit)
    if data is None:
        hint = "has the site's server looked into the folder, and is the source enrolled?"
        raise LogError("remote/unreachable", f"{folder.path / name} is not there", hint=hint)
    return data
