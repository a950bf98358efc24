"""The site's log and everything that is done with it: admitting, telling, proving, sealing; one thread at a time.

    desk = Desk(path, signers, limits)
    answer = desk.admit(source, items, now)     # in order, up to the first that is refused
    desk.seal()

What a source may add to the log is bounded, and counted only of what its key signed: nobody uses up another one's
share. After an error of the disk the log is opened again, with the next thing that is done.
"""

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from attest.agreement import Meter
from attest.errors import AttestError, LogError
from attest.format.checkpoint import parse_checkpoint
from attest.format.note import parse_note
from attest.format.statement import parse_statement
from attest.format.upload import Item, room
from attest.inventory.ledger import Range
from attest.keyring import Keyring
from attest.log.merkle import consistency_proof, inclusion_proof, leaf_hash
from attest.log.proof import Growth, Receipt, format_growth, format_receipt
from attest.log.tiles import tile_hashes
from attest.record.admission import Admission
from attest.record.site import About, Ack, Answer, Declared, Plan, State, source_id
from attest.record.site_off import sign_plan
from attest.sign.notes import sign_note
from attest.sign.signer import Signer
from attest.site.budget import Budgets, Limits
from attest.site.off import Off
from attest.store import handover
from attest.store.directory import DirectoryBundle
from attest.store.writer import LogWriter

LIMITED: Final = "upload/limit"


class Desk:
    """Keeps a log open; `clock` tells Unix s."""

    def __init__(
        self,
        path: Path,
        signers: Sequence[Signer],
        limits: Limits,
        clock: Callable[[], float] = time.time,
        meters: Sequence[Meter] = (),
    ) -> None:
        """`meters` are the independent ones that the agreement enrols in this log. Raises LogError."""
        self._path, self._signers, self._clock, self._meters = path, signers, clock, meters
        self._budgets = Budgets(limits)
        self._subs: dict[str, str] = {}
        self._off: tuple[int, Off] | None = None
        self._open()

    def close(self) -> None:
        """Gives the log back."""
        handover.withdraw(self._path)
        self._log.close()

    def hand_over_if_asked(self) -> None:
        """Gives the log to whoever waits for it, and takes it back. Raises LogError where that does not end."""
        if handover.asked(self._path):
            self._log.close()
            handover.wait(self._path)
            self._open()

    # -- admitting

    def admit(self, source: str, items: Sequence[Item], now: float) -> Answer:
        """Of statements of the source with this id, one after the other, what the log takes; `now` in s of a steady
        clock."""
        admission = self._admission()
        taken: list[Ack] = []
        fresh: list[Item] = []
        refused: AttestError | None = None
        for item in items:
            try:
                taken.append(self._require(admission, source, item, now))
            except AttestError as error:
                refused = error
                break
            if taken[-1].index >= self._log.size + self._log.pending:
                fresh.append(item)
        self._log.extend(fresh)
        return Answer(tuple(taken), refused.code, refused.detail) if refused else Answer(tuple(taken))

    def _require(self, admission: Admission, source: str, item: Item, now: float) -> Ack:
        entry, block = item
        signed = parse_statement(entry)
        if source_id(signed.header.sub) != source:
            raise LogError("upload/other-source", f"a statement of {signed.header.sub}, handed on as another's")
        size = room(len(entry), None if block is None else len(block))
        index = admission.require(entry, block, lambda: self._spend(source, size, now))
        return Ack(signed.statement.seq, index, leaf_hash(entry))

    def _spend(self, source: str, size: int, now: float) -> None:
        wait = self._budgets.take(source, size, 1, now)
        if wait:
            detail = f"the source has had its share of the log: more in {math.ceil(wait)} s"
            raise LogError(LIMITED, detail, hint="see what it signs, and raise [source] if it is meant to")

    # -- telling

    def about(self) -> About:
        """What drafts need."""
        admission = self._admission()
        inventories = tuple(Declared(record.start, record.digest) for record in admission.rosters.records)
        return About(admission.genesis, self._log.origin, int(self._clock()), inventories)

    def genesis(self) -> bytes:
        """The first entry."""
        self._admission()
        return self._log.entry(0)

    def roster(self, digest: bytes) -> bytes | None:
        """The body of an inventory."""
        index = self._admission().rosters.index_of(digest)
        return None if index is None else self._log.block(index)

    def sub(self, source: str) -> str | None:
        """The URI of an enrolled source, by its id."""
        ring = self._admission().ring
        if len(self._subs) != len(ring.sources):
            self._subs = {source_id(sub): sub for sub in ring.sources}
        return self._subs.get(source)

    def state(self, sub: str) -> State:
        """Where the chain of an enrolled source stands."""
        admission = self._admission()
        source, last = admission.ring.sources[sub], admission.last(sub)
        kid = _in_force(admission.ring, sub, admission.index)
        who = source.role, source.iss, source.enrolment
        if last is None:
            return State(*who, 0, source.enrolment, None, kid)
        return State(*who, last.seq + 1, last.leaf, last.end, kid)

    def planned_off(self, sub: str) -> dict[str, list[Range]]:
        """By device of a source when it is to be off, as far as its chain has not spoken of it.

        Raises LogError where the ledger cannot be read.
        """
        admission = self._admission()
        last, known = admission.last(sub), len(admission.rosters.records)
        # Whoever writes the ledger has the log's lock: it is read when the log was opened, and when an inventory came.
        if self._off is None or self._off[0] != known:
            self._off = known, Off(self._log)
        return self._off[1].of(sub, 0 if last is None else last.end)

    def signed_off(self, sub: str) -> bytes:
        """The same with what else the source must know now, signed with the log's keys. Raises LogError."""
        about, state = self.about(), self.state(sub)
        before = [each for each in about.inventories if each.start < (state.until or 0)]
        plan = Plan(
            about.log, sub, about.time, about.inventories[max(len(before) - 1, 0) :], state, self.planned_off(sub)
        )
        return sign_plan(plan, self._signers)

    def entry(self, sub: str, seq: int) -> bytes | None:
        """A statement."""
        self._admission()
        index = self._log.find(sub, seq)
        return None if index is None else self._log.entry(index)

    # -- proving

    def growth(self, old: int) -> bytes | None:
        """The newest checkpoint with what leads to it from `old`; None where nothing is sealed.

        Raises LogError `upload/unknown` where the log is smaller.
        """
        self._admission()
        note = self._log.checkpoint
        if note is None:
            return None
        if old > self._log.size:
            raise LogError("upload/unknown", f"the log has {self._log.size} sealed entries, not {old}")
        path = consistency_proof(old, self._log.size, self._hashes()) if old else []
        return format_growth(Growth(old, tuple(path), note))

    def receipt(self, sub: str, seq: int) -> bytes | None:
        """The receipt of a statement under the newest checkpoint; None where it is not sealed."""
        self._admission()
        index, note = self._log.find(sub, seq), self._log.checkpoint
        if index is None:
            raise LogError("upload/unknown", f"the log has no seq {seq} of {sub}")
        if note is None or index >= self._log.size:
            return None
        path = inclusion_proof(index, self._log.size, self._hashes())
        return format_receipt(Receipt(index, tuple(path), note))

    def _hashes(self) -> Callable[[int, int], bytes]:
        return tile_hashes(DirectoryBundle(self._log.path).hash_tile, self._log.size)

    # -- the log

    def seal(self) -> int:
        """Publish what is pending; the log's size."""
        self._admission()
        self._log.seal(lambda text: sign_note(text, self._log.origin, self._signers))
        return self._log.size

    @property
    def pending(self) -> int:
        """Entries that are not sealed."""
        return self._log.pending

    def sealed(self) -> int | None:
        """The size of the newest checkpoint."""
        note = self._log.checkpoint
        return None if note is None else parse_checkpoint(parse_note(note).text).size

    def _admission(self) -> Admission:
        if self._log.closed:
            self._open()
        return self._admitting

    def _open(self) -> None:
        self._log = LogWriter.open(self._path)
        self._off = None
        self._admitting = Admission(self._log, meters=self._meters)
        handover.announce(self._path)


def _in_force(ring: Keyring, sub: str, index: int) -> bytes | None:
    """The thumbprint of the source's key that may sign the entry at `index`."""
    for kid, record in ring.keys.items():
        if record.source.sub == sub and record.first <= index < record.retired and index <= record.last:
            return kid
    return None
