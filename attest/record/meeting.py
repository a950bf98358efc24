"""A host or meter and the log of its site: what it signed is handed on, and what the site says is believed as far as it
can be seen to be true.

What the site says does not move the chain, which is gone on with where the outbox ends. Only where the site has more,
because the outbox is new or an old copy, is that taken over, if a key of its own signed it. A checkpoint is the
log's, and continues the one seen before.
"""

from collections.abc import Callable, Sequence
from hashlib import sha256
from itertools import chain, islice
from typing import Final

from attest.errors import EvidenceError, KeyFileError, LogError, MissingError
from attest.format.act import GenesisAct, parse_act
from attest.format.bodies import GenesisBody
from attest.format.cose import parse_document, verify_sign1
from attest.format.note import Vkey, parse_note
from attest.format.statement import Anchor, parse_statement
from attest.format.upload import MAX_ITEMS, room
from attest.format.vocabulary import Role
from attest.log.checkpoint import Checkpoint, parse_checkpoint
from attest.log.merkle import leaf_hash
from attest.log.proof import parse_growth, parse_receipt, verify_growth, verify_receipt
from attest.record.kept import Kept, Origin
from attest.record.outgoing import Head, Outgoing
from attest.record.site import About, Answer, Site, State, refuse
from attest.sign.signer import Signer
from attest.store import handover
from attest.store.outbox import Outbox, Signed

MAX_UPLOAD: Final = 16 << 20  # bytes of one upload, unless one statement is larger
MAX_RECEIPTS: Final = 1_024  # asked for at a time

Opened = Callable[[], Signer]


class Meeting:
    """`keys` open the source's key and those that follow it; `vkeys` are the log's, all of one name; `role` is what the
    source is to be enrolled as."""

    def __init__(
        self,
        site: Site,
        source: str,
        vkeys: tuple[Vkey, ...],
        keys: Sequence[Opened],
        kept: Kept,
        role: Role = Role.HOST,
    ) -> None:
        self.kept = kept
        self._site, self._source, self._vkeys, self._keys, self._role = site, source, vkeys, keys, role

    def go_on(self, box: Outbox) -> tuple[About, State, Outgoing]:
        """The site is met, and has what was signed before. Raises AttestError."""
        about, state = self._meet()
        outgoing = self._outgoing(box, about, state, self._head(box, state))
        resumed = outgoing.resume()
        self.hand_on(box, state.seq)
        if resumed:  # it may have been a rotation: another key signs what follows
            outgoing = self._outgoing(box, about, state, self._head(box, state))
        return about, state, outgoing

    def rotate(self, successor: Signer) -> None:
        """Sign that another key follows, and hand it on. Raises AttestError; what was signed stays signed."""
        with handover.patiently(lambda: Outbox(self.kept.box)) as box:
            _, state, outgoing = self.go_on(box)
            kid = successor.public_key().thumbprint
            if kid == outgoing.kid:
                return  # asked for again: whoever asked may have been killed before he was told
            if kid in self._signed_with(box):
                detail = f"the new key signed for {self._source} before, and no log takes it again"
                raise KeyFileError("key/reused", detail, hint="make a new one: attest key new FILE")
            outgoing.rotate(successor)
            self.hand_on(box, state.seq)

    def _signed_with(self, box: Outbox) -> set[bytes]:
        """The keys that signed what is kept here: with a statement that its log refuses a chain is at its end."""
        entries = chain(self.kept.received(), (signed.entry for signed in box.waiting()))
        return {parse_statement(entry).header.kid for entry in entries}

    def receive(self, box: Outbox) -> None:
        """Hand on what is left, and keep the receipts that there are. Raises AttestError."""
        _, state = self._meet()
        self.hand_on(box, state.seq)
        for signed in islice(box.waiting(), MAX_RECEIPTS):
            if signed.seq >= state.seq or not self._receive(box, signed):
                break

    @property
    def seen(self) -> Checkpoint | None:
        """The newest checkpoint that was verified."""
        note = self.kept.seen
        return None if note is None else parse_checkpoint(parse_note(note).text)

    def hand_on(self, box: Outbox, seq: int) -> int:
        """Everything from this seq on; how many statements the site has not answered for yet. Raises AttestError."""
        batch: list[Signed] = []
        size = left = 0
        for signed in box.waiting():
            if signed.seq < seq:
                continue
            more = room(len(signed.entry), None if signed.block is None else len(signed.block))
            if batch and (size + more > MAX_UPLOAD or len(batch) == MAX_ITEMS):
                left += self._send(batch)
                batch, size = [], 0
            batch.append(signed)
            size += more
        return left + (self._send(batch) if batch else 0)

    def _send(self, batch: Sequence[Signed]) -> int:
        answer = self._site.hand_on([(signed.entry, signed.block) for signed in batch])
        expected = [(signed.seq, leaf_hash(signed.entry)) for signed in batch]
        if [(ack.seq, ack.leaf) for ack in answer.taken] != expected[: len(answer.taken)]:
            refuse("it acknowledges what was not handed to it")
        self.kept.acknowledge(answer.taken)
        if answer.code:
            _raise(answer)
        return len(batch) - len(answer.taken)

    def _receive(self, box: Outbox, signed: Signed) -> bool:
        """Keep the receipt of a statement, if there is one yet, and let go of it."""
        data = self._site.receipt(signed.seq)
        if data is None:
            return False
        receipt = parse_receipt(data)
        head = verify_receipt(receipt, leaf_hash(signed.entry), self._vkeys[0].name, self._vkeys)
        if head not in (self.seen, self._look()):
            return False  # the log was sealed once more in between
        self.kept.receive(signed.seq, signed.entry, data)
        box.taken(signed.seq)
        return True

    # -- the site's word

    def _meet(self) -> tuple[About, State]:
        """What the site says, as far as it is what it said before. Raises LogError."""
        about, state = self._site.about(), self._site.state()
        if any(vkey.name != about.origin for vkey in self._vkeys):
            refuse(f"it keeps the log {about.origin}, and the keys are of {self._vkeys[0].name}")
        if state.role is not self._role:
            detail = f"{self._source} is enrolled as {state.role.name.lower()}, not {self._role.name.lower()}"
            raise KeyFileError("import/role", detail, hint="a meter's recorder has a table [meter], a host's none")
        self._require_genesis(about)
        self.kept.require_origin(Origin(about.log.hex(), self._source, state.iss, state.enrolment.hex()))
        self._look()
        return about, state

    def _require_genesis(self, about: About) -> None:
        if self.kept.knows:
            return
        if not about.time:
            detail = "the site has not said yet which log it keeps"
            raise LogError("remote/unreachable", detail, hint="it is asked; try again")
        entry = self._site.genesis()
        body = parse_statement(entry).statement.body
        act = parse_act(parse_document(body.document).payload or b"") if isinstance(body, GenesisBody) else None
        if leaf_hash(entry) != about.log or not isinstance(act, GenesisAct) or act.origin != about.origin:
            refuse(f"a genesis that is not of {about.origin}")

    def _look(self) -> Checkpoint | None:
        """The newest checkpoint, which the log's key signed and which continues the one seen before."""
        seen = self.seen
        data = self._site.growth(seen.size if seen else 0)
        if data is None:
            return seen
        growth = parse_growth(data)
        head = verify_growth(growth, seen, self._vkeys[0].name, self._vkeys)
        if growth.note != self.kept.seen:
            self.kept.see(growth.note)
        return head

    # -- the chain

    def _head(self, box: Outbox, state: State) -> Head | None:
        """Where the chain ends: in the outbox, or in the log where that has more of it, signed by this host."""
        heads = [Head.of(entry) for entry in (box.last, self.kept.head) if entry is not None]
        head = max(heads, key=lambda each: each.place.seq, default=None)
        own = head.place.seq if head else 0
        if head is not None and state.seq >= own:
            there = state.prev if state.seq == own else leaf_hash(self._site.entry(own - 1))
            if there != head.place.prev:
                detail = f"the log has another statement of {self._source} for seq {own - 1} than the outbox"
                raise LogError("remote/ahead", detail, hint="find out who else signs with this host's key")
        if state.seq <= own:
            return head
        if box.drafts:
            first = box.drafts[0].seq
            detail = f"the log has {state.seq} statements of {self._source}, and seq {first} was to be signed"
            raise LogError("remote/ahead", detail, hint="find out who else signs with this host's key")
        entry = self._site.entry(state.seq - 1)
        newest = Head.of(entry)
        self._require_ours(newest, state.seq - 1)
        self.kept.adopt(entry)
        return newest

    def _require_ours(self, head: Head, seq: int) -> None:
        header = head.signed.header
        if header.sub != self._source or head.signed.statement.seq != seq:
            refuse(f"an entry of {header.sub}, seq {head.signed.statement.seq}")
        key = self._find(header.kid)
        if key is None:
            detail = f"the log has more of {self._source} than the outbox, signed with {header.kid.hex()}"
            raise KeyFileError("remote/not-ours", detail, hint="name the key that signed it in `keys`, too")
        try:
            verify_sign1(head.signed.sign1, key.public_key())
        except EvidenceError as error:
            refuse(f"an entry that this host did not sign: {error}")

    def _outgoing(self, box: Outbox, about: About, state: State, head: Head | None) -> Outgoing:
        signer = self._signer(state, head)
        outgoing = Outgoing(box, self.kept, self._site, about.log, self._source, state, head, signer)
        seen, note = self.seen, self.kept.seen
        if seen is not None and note is not None:
            outgoing.anchor = Anchor(seen.size, seen.root, sha256(note).digest())
        outgoing.inventories = about.inventories
        return outgoing

    def _signer(self, state: State, head: Head | None) -> Signer:
        """The key that the chain goes on with. Raises KeyFileError."""
        if state.kid is None:
            raise KeyFileError("key/revoked", f"the site's log takes no key of {self._source} any more")
        kid = state.kid if head is None else head.kid
        signer = self._find(kid)
        if signer is None:
            raise KeyFileError("key/not-enrolled", f"none of the keys is the one in force, {kid.hex()}")
        return signer

    def _find(self, kid: bytes) -> Signer | None:
        """The key with this thumbprint; None where there is none. Raises KeyFileError of one that does not open."""
        shut: KeyFileError | None = None
        for opened in self._keys:
            try:
                signer = opened()
            except MissingError:
                continue
            except KeyFileError as error:  # of one that was rotated away the token may be gone
                shut = error
                continue
            if signer.public_key().thumbprint == kid:
                return signer
        if shut is not None:
            raise shut
        return None


def _raise(answer: Answer) -> None:
    kind = KeyFileError if answer.code.startswith("key/") else LogError
    raise kind(answer.code, answer.detail, hint="the site's log refused what this host signed: see its keeper")
