"""A site over a shared folder, for hosts that reach it in no other way (schemas/site.md).

    about.json, genesis, rosters/DIGEST      the site's, for everybody
    ID/SEQ.block, ID/SEQ.entry               the host's: a statement, the block first
    ID/SEQ.ack                               the site's: it has it, or refuses it
    ID/state.json                            the site's: where the chain stands
    ID/ask-WHAT, ID/said-WHAT                a question of the host, the site's answer:
                                             entry-SEQ, receipt-SEQ, growth-SIZE, off

ID is the SHA-256 of the source's URI. Every file is put whole, by a rename, and removed by whoever has read it. What is
not there yet is there at the next try.

Any host may write there, and none of it is believed for where it lies. What is planned to be off no chain or tree shows
to be true, so the site signs it with the log's keys, together with its time (attest.record.site_off): of what comes
after that the site has not spoken.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from attest.errors import LogError
from attest.format.note import Vkey
from attest.format.statement import peek
from attest.format.upload import Item
from attest.format.vocabulary import Role
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
from attest.store import disk

ABOUT: Final = "about.json"
GENESIS: Final = "genesis"
ROSTERS: Final = "rosters"
STATE: Final = "state.json"
ASK: Final = "ask-"
SAID: Final = "said-"
OFF: Final = "off"
TEMPORARY: Final = ".tmp"


class FolderSite:
    """One source's way to its site through a folder."""

    def __init__(self, path: Path, source: str, vkeys: Sequence[Vkey]) -> None:
        """`vkeys` are the log's. Makes the source's own folder. Raises LogError."""
        self._shared, self._mine = path, path / source_id(source)
        self._source, self._vkeys = source, vkeys
        self._plan: Plan | None = None
        with disk.failures(path):
            self._mine.mkdir(exist_ok=True)

    def about(self) -> About:
        """To a host the site has spoken until the time of its word about what is to be off; without one, of no time."""
        about = parse_about(self._read(self._shared / ABOUT))
        if self.state().role is not Role.HOST:
            return about
        self._look(about.log)
        return about._replace(time=min(about.time, self._plan.time if self._plan else 0))

    def genesis(self) -> bytes:
        return self._read(self._shared / GENESIS)

    def roster(self, digest: bytes) -> bytes:
        return self._read(self._shared / ROSTERS / digest.hex())

    def state(self) -> State:
        return parse_state(self._read(self._mine / STATE))

    def planned_off(self) -> Mapping[str, Sequence[Range]]:
        return {} if self._plan is None else self._plan.off

    def growth(self, old: int) -> bytes | None:
        return self._answer(f"growth-{old}")

    def receipt(self, seq: int) -> bytes | None:
        return self._answer(f"receipt-{seq}")

    def entry(self, seq: int) -> bytes:
        answer = self._answer(f"entry-{seq}")
        if answer is None:
            raise LogError("remote/unreachable", f"{self._mine}: the site has not answered yet")
        return answer

    def hand_on(self, items: Sequence[Item]) -> Answer:
        """Leaves statements; what the site says of them so far."""
        taken: list[Ack] = []
        for entry, block in items:
            name = entry_name(peek(entry).seq)
            said = self._take(self._mine / f"{name}.ack")
            if said is None:
                self._leave(name, entry, block)
                continue
            answer = parse_answer(said)
            if answer.code:
                return Answer(tuple(taken), answer.code, answer.detail)
            taken += answer.taken
        return Answer(tuple(taken))

    def _look(self, log: bytes) -> None:
        """What was said since the last time of what is to be off, if it is newer. Raises AttestError."""
        data = self._answer(OFF)
        if data is None:
            return
        plan = open_plan(data, self._vkeys)
        if (plan.log, plan.source) != (log, self._source):
            refuse(f"what is planned to be off of {plan.source} in the log {plan.log.hex()}")
        if self._plan is None or plan.time >= self._plan.time:
            self._plan = plan

    def _leave(self, name: str, entry: bytes, block: bytes | None) -> None:
        if (self._mine / f"{name}.entry").exists():
            return
        if block is not None:
            put(self._mine / f"{name}.block", block)
        put(self._mine / f"{name}.entry", entry)

    def _answer(self, what: str) -> bytes | None:
        """What was answered since the last time, and the question again."""
        said = self._take(self._mine / f"{SAID}{what}")
        if not (self._mine / f"{ASK}{what}").exists():
            put(self._mine / f"{ASK}{what}", b"")
        return said

    def _take(self, path: Path) -> bytes | None:
        with disk.failures(path):
            if not path.exists():
                return None
            with path.open("rb") as file:
                data = file.read(MAX_ANSWER + 1)
            disk.unlink(path)
            return data

    def _read(self, path: Path) -> bytes:
        try:
            return path.read_bytes()
        except FileNotFoundError as error:
            hint = "has the site's server looked into the folder, and is the source enrolled?"
            raise LogError("remote/unreachable", f"{path} is not there", hint=hint) from error
        except OSError as error:
            raise LogError("remote/unreachable", f"{path}: {error.strerror}") from error


def entry_name(seq: int) -> str:
    """What the files of a statement are called."""
    return f"{seq:020}"


def put(path: Path, data: bytes) -> None:
    """A whole file in its place. Raises LogError."""
    with disk.failures(path):
        disk.replace(path.with_name(f"{TEMPORARY}-{path.name}"), path, [data])
        disk.sync_directory(path.parent)
