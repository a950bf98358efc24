"""A site over a shared folder, for hosts that reach it in no other way (schemas/site.md).

    about.json, genesis, rosters/DIGEST      the site's, for everybody
    ID/SEQ.block, ID/SEQ.entry               the host's: a statement, the block first
    ID/SEQ.ack                               the site's: it has it, or refuses it
    ID/state.json                            the site's: where the chain stands
    ID/ask-WHAT, ID/said-WHAT                a question of the host, the site's answer:
                                             entry-SEQ, receipt-SEQ, growth-SIZE

ID is the SHA-256 of the source's URI. Every file is put whole, by a rename, and removed by whoever has read it. What is
not there yet is there at the next try.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from attest.errors import LogError
from attest.format.statement import peek
from attest.format.upload import Item
from attest.inventory.ledger import Range
from attest.record.site import About, Ack, Answer, State, parse_about, parse_answer, parse_state, source_id
from attest.store import disk

ABOUT: Final = "about.json"
GENESIS: Final = "genesis"
ROSTERS: Final = "rosters"
STATE: Final = "state.json"
ASK: Final = "ask-"
SAID: Final = "said-"
TEMPORARY: Final = ".tmp"


class FolderSite:
    """One source's way to its site through a folder."""

    def __init__(self, path: Path, source: str) -> None:
        """Makes the source's own folder. Raises LogError."""
        self._shared, self._mine = path, path / source_id(source)
        with disk.failures(path):
            self._mine.mkdir(exist_ok=True)

    def about(self) -> About:
        return parse_about(self._read(self._shared / ABOUT))

    def genesis(self) -> bytes:
        return self._read(self._shared / GENESIS)

    def roster(self, digest: bytes) -> bytes:
        return self._read(self._shared / ROSTERS / digest.hex())

    def state(self) -> State:
        return parse_state(self._read(self._mine / STATE))

    def planned_off(self) -> dict[str, list[Range]]:
        """None: another host that may write there could say it, and no signature would tell."""
        return {}

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
            data = path.read_bytes()
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
