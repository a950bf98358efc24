"""What an agent keeps of its site, beside its outbox: which log it is, what was seen of it, and what it owes.

    about.json              the log's genesis, the source and its enrolment: they never change
    seen                    the newest checkpoint that was verified
    head                    the end of the chain, where it was not signed here
    acknowledged.jsonl      what the site said it has: seq, index, leaf
    receipts/SEQ.cose       an entry of the source, and
    receipts/SEQ.tlog-proof that it is in the log (c2sp.org/tlog-proof)
    rosters/DIGEST          bodies of inventories
    opening.json            of a meter: until when, of which quantity, and by feed the reading at the very end
    box/                    the outbox (attest.store.outbox)

Every file but the list is put whole. Raises LogError.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from attest.errors import LogError
from attest.record.site import Ack
from attest.store import disk, jsonl


class Origin(NamedTuple):
    """Which chain it is that is gone on with."""

    log: str
    source: str
    iss: str
    enrolment: str


class Kept:
    """An agent's folder."""

    def __init__(self, path: Path) -> None:
        """Made where it is not there."""
        self.path = path
        self.box = path / "box"
        self._receipts, self._rosters = path / "receipts", path / "rosters"
        with disk.failures(path):
            for folder in (path, self._receipts, self._rosters):
                disk.keep_directory(folder)

    def require_origin(self, origin: Origin) -> None:
        """Raise LogError `remote/other-log` where it is another one than before."""
        before = self._read("about.json")
        if before is None:
            self._put("about.json", json.dumps(origin._asdict()).encode())
        elif json.loads(before) != origin._asdict():
            detail = f"{self.path} belongs to another chain than the site speaks of: {origin}, not {json.loads(before)}"
            raise LogError("remote/other-log", detail, hint="nothing was signed; ask whoever keeps the site's log")

    @property
    def knows(self) -> bool:
        """Whether the log was met before."""
        return (self.path / "about.json").exists()

    @property
    def seen(self) -> bytes | None:
        """The newest checkpoint that was verified."""
        return self._read("seen")

    def see(self, note: bytes) -> None:
        self._put("seen", note)

    @property
    def head(self) -> bytes | None:
        """The entry with which the chain ends, where the outbox did not sign it."""
        return self._read("head")

    def adopt(self, entry: bytes) -> None:
        self._put("head", entry)

    def acknowledge(self, acks: Sequence[Ack]) -> None:
        """Keeps what the site said it has."""
        lines = "".join(f'{{"seq": {a.seq}, "index": {a.index}, "leaf": "{a.leaf.hex()}"}}\n' for a in acks)
        if lines:
            jsonl.add(self.path / "acknowledged.jsonl", lines)

    def receive(self, seq: int, entry: bytes, receipt: bytes) -> None:
        """Keeps an entry and its receipt."""
        self._put(f"receipts/{seq:020}.cose", entry)
        self._put(f"receipts/{seq:020}.tlog-proof", receipt)

    def received(self) -> Iterator[bytes]:
        """The entries of which there are receipts."""
        with disk.failures(self._receipts):
            for path in sorted(self._receipts.glob("*.cose")):
                yield path.read_bytes()

    def opening(self, until: int | None, quantity: int) -> dict[str, int]:
        """By feed the reading that a meter's chain ends with, if it is of that time and quantity."""
        data = self._read("opening.json")
        kept = {} if data is None else json.loads(data)
        return kept["feeds"] if (kept.get("until"), kept.get("quantity")) == (until, quantity) else {}

    def keep_opening(self, until: int, quantity: int, feeds: Mapping[str, int]) -> None:
        self._put("opening.json", json.dumps({"until": until, "quantity": quantity, "feeds": feeds}).encode())

    def roster(self, digest: bytes) -> bytes | None:
        """The body of an inventory, as it was kept."""
        return self._read(f"rosters/{digest.hex()}")

    def keep_roster(self, digest: bytes, body: bytes) -> None:
        self._put(f"rosters/{digest.hex()}", body)

    def forget_rosters(self, needed: Sequence[bytes]) -> None:
        """Removes the bodies that nothing needs any more."""
        names = {digest.hex() for digest in needed}
        with disk.failures(self._rosters):
            for path in self._rosters.iterdir():
                if path.name not in names:
                    disk.unlink(path)

    def _read(self, name: str) -> bytes | None:
        path = self.path / name
        with disk.failures(path):
            return path.read_bytes() if path.exists() else None

    def _put(self, name: str, data: bytes) -> None:
        path = self.path / name
        with disk.failures(path):
            disk.replace(self.path / "tmp", path, [data])
            disk.sync_directory(path.parent)
