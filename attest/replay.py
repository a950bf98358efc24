"""Pass 3: replay the control entries of a log in index order into a `Control` (schemas/keys.md).

Every rule is enforced where the act is applied; an act that breaks one changes nothing and becomes a fault.
Signatures and chains of these entries are judged with all others in pass 4: here an entry that its key may not
sign is just passed over.
"""

from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import Final

from attest.agreement import Agreement, Party, Site
from attest.control import Control, EventRecord, KeyRecord, NoticeRecord, RosterRecord, authorise
from attest.errors import EvidenceError, Fault, ForkError, MalformedError, Scope, TrustError
from attest.format.act import CONTENT_TYPE, GenesisAct, VoidAct, parse_act
from attest.format.block import require_digest
from attest.format.bodies import Block, EventBody, GenesisBody, HeadBody, InventoryBody, NoticeBody
from attest.format.cose import verify_sign1
from attest.format.key_acts import Enrol, KeysBody, Revoke, Rotate, Void
from attest.format.roster import Roster, parse_roster
from attest.format.statement import Signed, Statement, parse_statement
from attest.format.vocabulary import Role
from attest.keyring import Keyring, require_office
from attest.log.checkpoint import open_checkpoint
from attest.timeline import Head
from attest.trust.holders import verify_document
from attest.trust.notes import public_key
from attest.trust.quorum import cosignature_times

MAX_HEADS: Final = 1 << 16  # one an hour for seven years
MAX_NOTICES: Final = 1 << 16  # of one log: runs that start and end
MAX_EVENTS: Final = 1_024  # of one log: each has up to a hundred signatures

Entry = tuple[int, bytes, bytes]  # log index, leaf hash, bytes
BodyOf = Callable[[int, Block, bool], bytes | None]


def replay(
    entries: Iterable[Entry],
    agreement: Agreement,
    party: Party,
    site: Site,
    *,
    body_of: BodyOf,
    root_at: Callable[[int], bytes | None],
) -> Control:
    """Replay the control entries of a log, given in index order.

    `body_of` gives the detached body of an entry, or None where it is absent, or is `known` already and stands nowhere
    else; `root_at` the tree's root at a size, None beyond its own. Raises EvidenceError where the genesis is not the
    root holders'; anything wrong later becomes a fault, and the act that it stands in changes nothing.
    """
    state = _Replay(agreement, party, site, body_of, root_at)
    for index, leaf, entry in entries:
        try:
            state.apply(index, leaf, entry)
        except EvidenceError as error:
            if index == 0:
                raise
            state.faults.append((leaf, Fault(index, error.code, error.scope, error.detail)))
    if not state.ring.log:
        raise TrustError(
            "log/no-genesis", "the log does not begin with a genesis", hint="was this log ever initialised?"
        )
    return state.result()


class _Replay:
    def __init__(
        self,
        agreement: Agreement,
        party: Party,
        site: Site,
        body_of: BodyOf,
        root_at: Callable[[int], bytes | None],
    ) -> None:
        self.agreement, self.party, self.site = agreement, party, site
        self.body_of, self.root_at = body_of, root_at
        self.ring = Keyring(_agreed(agreement))
        self.rosters: list[RosterRecord] = []
        self.known: dict[Block, Roster | MalformedError] = {}  # many statements may commit to one body
        self.heads: list[Head] = []
        self.voided: dict[int, bytes] = {}
        self.void_number = 0
        self.events: list[EventRecord] = []
        self.notices: list[NoticeRecord] = []
        self.faults: list[tuple[bytes, Fault]] = []

    def result(self) -> Control:
        return Control(
            self.ring.log,
            self.ring.keys,
            tuple(self.ring.sources.values()),
            tuple(sorted(self.rosters, key=lambda r: r.index)),
            tuple(self.heads),
            self.voided,
            # No act of the root holders takes back what two signatures of the log's key prove.
            tuple(f for leaf, f in self.faults if f.scope is not Scope.SOURCE or self.voided.get(f.index) != leaf),
            tuple(self.events),
            tuple(self.notices),
        )

    def apply(self, index: int, leaf: bytes, entry: bytes) -> None:
        if index == 0:
            self.genesis(leaf, parse_statement(entry))
            return
        allowed = self.allowed(index, entry)
        if allowed is None:
            return
        record, statement = allowed
        body = statement.body
        if isinstance(body, InventoryBody):
            self.inventory(index, statement, body)
        elif isinstance(body, HeadBody):
            self.head(index, body)
        elif isinstance(body, EventBody):
            self.event(index, body)
        elif isinstance(body, NoticeBody):
            self.notice(index, body)
        elif isinstance(body, KeysBody):
            for act in body.acts:
                try:  # an act that fails takes none of the others with it, least of all a revocation
                    self.act(index, leaf, record, act)
                except EvidenceError as error:
                    self.faults.append((leaf, Fault(index, error.code, error.scope, error.detail)))

    def allowed(self, index: int, entry: bytes) -> tuple[KeyRecord, Statement] | None:
        try:
            signed = parse_statement(entry)
            record = authorise(self.ring.keys, index, signed.header, signed.statement.kind)
            verify_sign1(signed.sign1, record.key)
        except EvidenceError:
            return None
        if index > record.last or signed.statement.log != self.ring.log:
            return None
        return record, signed.statement

    def genesis(self, leaf: bytes, signed: Signed) -> None:
        body = signed.statement.body
        if not isinstance(body, GenesisBody):
            raise TrustError("log/no-genesis", "the log does not begin with a genesis")
        approved = verify_document(body.document, self.party.holders, content_type=CONTENT_TYPE)
        act = parse_act(approved.payload)
        if not isinstance(act, GenesisAct):
            raise TrustError("log/no-genesis", "the genesis carries another act")
        if (act.origin, act.iss) != (self.site.origin, self.party.iss):
            raise TrustError(
                "log/other-genesis",
                f"the genesis is for {act.origin} of {act.iss}, not {self.site.origin} of {self.party.iss}",
            )
        record = self.ring.found(leaf, act)
        authorise(self.ring.keys, 0, signed.header, signed.statement.kind)
        verify_sign1(signed.sign1, record.key)
        for meter in (m for m in self.party.meters if m.site == self.site.name):
            self.ring.enrol(0, leaf, meter.sub, meter.iss, Role.METER, meter.key, independent=True)

    def act(self, index: int, leaf: bytes, record: KeyRecord, act: Enrol | Rotate | Revoke | Void) -> None:
        if not isinstance(act, Void):
            self.ring.apply(index, leaf, record, act)
            return
        require_office(record)
        self.void(index, act)

    def void(self, index: int, act: Void) -> None:
        approved = verify_document(act.document, self.party.holders, content_type=CONTENT_TYPE)
        void = parse_act(approved.payload)
        if not isinstance(void, VoidAct) or void.log != self.ring.log:
            raise TrustError("void/other-log", "the void act is for another log")
        if void.number <= self.void_number:
            raise TrustError("void/replayed", f"act number {void.number}, the last one was {self.void_number}")
        if any(entry >= index for entry, _ in void.entries):
            raise TrustError("void/ahead", "a void act names entries that come after it")
        self.void_number = void.number
        self.voided.update(void.entries)

    def inventory(self, index: int, statement: Statement, body: InventoryBody) -> None:
        roster = None
        try:
            roster = self.roster(index, body)
        finally:
            # What cannot be read is in force all the same, and nothing is known of that time.
            self.rosters.append(RosterRecord(index, statement.end, body.block, roster))

    def roster(self, index: int, body: InventoryBody) -> Roster | None:
        data = self.body_of(index, body.block, body.block in self.known)
        if data is not None:
            require_digest(data, body.block)
            if body.block not in self.known:
                self.known[body.block] = _parsed(data)
        roster = self.known.get(body.block)
        if isinstance(roster, MalformedError):
            raise roster.with_traceback(None)  # else it grows each time
        if roster is None:
            return None
        if roster.count() != body.devices:
            detail = f"the statement says {body.devices} devices, the roster has {roster.count()}"
            raise TrustError("roster/count", detail)
        return roster

    def head(self, index: int, body: HeadBody) -> None:
        head = head_of(index, body.note, self.agreement, self.party, self.site)
        root = self.root_at(head.size)
        if root is not None and root != head.root:
            raise ForkError(
                "log/fork",
                f"the log's key signed two roots of size {head.size}: {head.root.hex()} in entry {index},"
                f" {root.hex()} by this tree",
            )
        if head.size > index:
            raise TrustError("head/ahead", f"a head of size {head.size} stands at index {index}")
        if len(self.heads) >= MAX_HEADS:
            raise TrustError("head/too-many", f"more than {MAX_HEADS} heads")
        self.heads.append(head)

    def notice(self, index: int, body: NoticeBody) -> None:
        if len(self.notices) + len(body.notices) > MAX_NOTICES:
            raise TrustError("event/too-many", f"more than {MAX_NOTICES} notices")
        self.notices += [NoticeRecord(index, notice) for notice in body.notices]

    def event(self, index: int, body: EventBody) -> None:
        if len(self.events) >= MAX_EVENTS:
            raise TrustError("event/too-many", f"more than {MAX_EVENTS} events")
        self.events.append(EventRecord(index, body.document))


def _parsed(body: bytes) -> Roster | MalformedError:
    try:
        return parse_roster(body)
    except MalformedError as error:
        return error


def head_of(index: int, note_bytes: bytes, agreement: Agreement, party: Party, site: Site) -> Head:
    """A cosigned checkpoint as a `Head`: signed by the log, with the times of its witnesses.

    The party's own or affiliated witnesses do not count, nor in an entry (`index` is not -1) does a cosignature that
    does not verify: whoever gave the lab a bad one shall not make it look guilty. Raises EvidenceError.
    """
    checkpoint, note = open_checkpoint(note_bytes, site.origin, site.log_keys)
    times = cosignature_times(note, agreement.policy, covered=index >= 0)
    counted = {name: time for name, time in times.items() if name not in party.affiliated}
    return Head(index, checkpoint.size, checkpoint.root, sha256(note_bytes).digest(), counted)


def _agreed(agreement: Agreement) -> frozenset[bytes]:
    """Thumbprints of adjudicators, root holders, meters, logs and witnesses: such a key has no other role."""
    keys = [witness.vkey for witness in agreement.policy.witnesses]
    adjudicators = agreement.life.adjudicators
    found = set(() if adjudicators is None else adjudicators.by_kid)
    for party in agreement.parties:
        found.update(party.holders.by_kid)
        found.update(meter.key.thumbprint for meter in party.meters)
        keys += [vkey for site in party.sites for vkey in site.log_keys]
    return frozenset(found.union(public_key(vkey).thumbprint for vkey in keys))
