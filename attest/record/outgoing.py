"""A host's or meter's chain, gone on with in an outbox: statements are signed here once, and handed to the site's log
later.

Where the chain stands its own newest entry says, not the site. What the site says is taken where nothing else can be
had, and as far as it can be seen to be true: the bodies of rosters by their digest, entries that were signed before by
the hash that the next one names.
"""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Final, NamedTuple

from attest.collect.grid import Last
from attest.collect.statements import Chain, Draft
from attest.collect.usage_statements import Roster as HostRoster
from attest.errors import LogError
from attest.format.act import possession
from attest.format.bodies import MeterBody, UsageBody
from attest.format.key_acts import KeysBody, Rotate
from attest.format.roster import Roster, parse_roster
from attest.format.statement import Anchor, Signed, Statement, parse_payload, parse_statement
from attest.format.vocabulary import Kind, Quantity
from attest.inventory.ledger import Range
from attest.log.merkle import leaf_hash
from attest.record.chain import Place, begun_at, proposal, together
from attest.record.kept import Kept
from attest.record.site import Declared, Site, State, refuse
from attest.record.target import closing_readings, counters_after, host_roster, metered
from attest.sign.signer import Signer
from attest.sign.statements import header_for, payload_to_sign, sign_payload
from attest.store.outbox import Outbox
from attest.trust.keys import Alg, PublicKey

MAX_BACK: Final = 16  # statements that are looked at for the newest one about usage


class Head(NamedTuple):
    """The end of a chain: an entry, and what it says."""

    entry: bytes
    signed: Signed

    @classmethod
    def of(cls, entry: bytes) -> "Head":
        return cls(entry, parse_statement(entry))

    @property
    def place(self) -> Place:
        """Where the next statement goes."""
        statement = self.signed.statement
        return Place(statement.seq + 1, leaf_hash(self.entry), statement.end)

    @property
    def kid(self) -> bytes:
        """The thumbprint of the key that signs the next statement."""
        body = self.signed.statement.body
        rotations = [act for act in body.acts if isinstance(act, Rotate)] if isinstance(body, KeysBody) else []
        if rotations:
            return PublicKey(Alg(rotations[-1].alg), rotations[-1].key).thumbprint
        return self.signed.header.kid


class Outgoing:
    """Implements attest.record.closing.Continued and attest.record.meters.Metered over an outbox. `since` is when the
    first statement begins, Unix s."""

    def __init__(
        self,
        box: Outbox,
        kept: Kept,
        site: Site,
        log: bytes,
        source: str,
        state: State,
        head: Head | None,
        signer: Signer,
    ) -> None:
        """Of `state` the role, the party and the enrolment are taken, which never change."""
        self._box, self._kept, self._site, self._signer = box, kept, site, signer
        self._header, self._role = header_for(signer, state.iss, source), state.role
        self._head = head
        self._place = Place(0, state.enrolment, None) if head is None else head.place
        self.chain = Chain(log, source, self._place.seq, self._place.until)
        self.anchor: Anchor | None = None
        self.inventories: Sequence[Declared] = ()
        self.since: int | None = None

    @property
    def kid(self) -> bytes:
        """The thumbprint of the key that signs."""
        return self._signer.public_key().thumbprint

    def resume(self) -> bool:
        """Sign what was to be signed when the process ended, if there is any. Raises LogError `outbox/overtaken`."""
        if not self._box.drafts:
            return False
        draft = parse_payload(self._box.drafts[0].payload)
        if (draft.seq, draft.prev) != self._place[:2]:
            detail = f"{self.chain.sub} was about to sign seq {draft.seq}, and its chain goes on at {self._place.seq}"
            raise LogError("outbox/overtaken", detail, hint="find out who else signs with this key")
        self._sign(self._box)
        return True

    def host_rosters(self) -> list[HostRoster]:
        return [host_roster(*each, roster, self.chain.sub) for each, roster in self._rosters()]

    def feeds(self) -> tuple[str, ...]:
        return metered(self.chain.sub, (roster for _, roster in self._rosters()))

    def opening(self, quantity: Quantity) -> Mapping[str, int]:
        """As it was kept with the statement: its block may be in the site's hands alone by now."""
        return self._kept.opening(self.chain.until, int(quantity))

    def planned_off(self) -> Mapping[str, Sequence[Range]]:
        """As the site says: the ledger lies beside its log."""
        return self._site.planned_off()

    def last_counters(self) -> dict[str, Last]:
        head = self._head
        for _ in range(MAX_BACK):
            if head is None or isinstance(head.signed.statement.body, UsageBody):
                break
            head = self._before(head)
        if head is None or not isinstance(head.signed.statement.body, UsageBody):
            return {}
        return counters_after(head.signed.statement, self.host_rosters())

    def append_once(self, drafts: Iterable[Draft], box: Outbox) -> None:
        """Sign the drafts into the outbox, each place once whatever crashes. Raises LogError."""
        for batch in together(drafts, self._signer):
            items = proposal(batch, self.chain.log, self._place, self.anchor, self._header, self._signer)
            box.propose(*items)
            self._sign(box)
            last, body = batch[-1], batch[-1].body
            if isinstance(body, MeterBody) and last.block is not None and self._head is not None:
                closing = closing_readings(self.chain.sub, self._head.signed.statement, last.block)
                self._kept.keep_opening(last.end, int(body.quantity), closing)

    def rotate(self, successor: Signer) -> None:
        """Sign the statement by which another key follows; it speaks of no time. Raises LogError, KeyFileError."""
        seq, prev, until = self._place
        key, sub = successor.public_key(), self.chain.sub
        at = begun_at(sub, until)
        proof = successor.sign(possession(self.chain.log, sub, self._role, int(key.alg), key.raw))
        body = KeysBody((Rotate(int(key.alg), key.raw, proof),))
        statement = Statement(Kind.KEYS, self.chain.log, seq, prev, at, at, self.anchor, body)
        self._box.propose((payload_to_sign(self._header, statement, self._signer), None))
        self._sign(self._box)

    def _sign(self, box: Outbox) -> None:
        signed = box.sign(lambda payload: sign_payload(self._header, payload, self._signer))
        self._head = Head.of(signed[-1].entry)
        self._place = self._head.place
        self.chain = self.chain._replace(seq=self._place.seq, until=self._place.until)

    def _rosters(self) -> list[tuple[Declared, Roster]]:
        """Those in force from just before the chain's end on; of others no statement will speak."""
        until = self.chain.until
        since = self.since if until is None else until - 1
        if since is None:
            return []
        before = [each for each in self.inventories if each.start <= since]
        needed = [*before[-1:], *(each for each in self.inventories if each.start > since)]
        self._kept.forget_rosters([each.digest for each in needed])
        return [(each, parse_roster(self._body(each.digest))) for each in needed]

    def _body(self, digest: bytes) -> bytes:
        body = self._kept.roster(digest)
        if body is None or sha256(body).digest() != digest:
            body = self._site.roster(digest)
            if sha256(body).digest() != digest:
                refuse(f"a roster whose digest is not {digest.hex()}")
            self._kept.keep_roster(digest, body)
        return body

    def _before(self, head: Head) -> Head | None:
        """The statement before, which its successor names by its hash."""
        statement = head.signed.statement
        if statement.seq == 0:
            return None
        held = (waiting.entry for waiting in self._box.waiting() if waiting.seq == statement.seq - 1)
        entry = next(held, None) or self._site.entry(statement.seq - 1)
        if leaf_hash(entry) != statement.prev:
            refuse(f"an entry for seq {statement.seq - 1} that the next one does not name")
        return Head.of(entry)
