"""The log of a simulated lab: a list of entries, checkpoints over it as it stands, copies of it.

Nothing is refused: any bytes may be appended, and `entries` may be changed in place. A checkpoint is signed and
cosigned over whatever is there, as by a log and witnesses that see it for the first time.
"""

from collections.abc import Collection, Sequence
from hashlib import sha256
from pathlib import Path

from attest.format.act import CONTENT_TYPE, GenesisAct, VoidAct, format_act, possession
from attest.format.bodies import GenesisBody
from attest.format.checkpoint import Checkpoint, format_checkpoint, parse_checkpoint
from attest.format.key_acts import Enrol, KeyAct, KeysBody, Void
from attest.format.note import parse_note
from attest.format.statement import Anchor
from attest.format.vocabulary import Role
from attest.log.merkle import compact_range, leaf_hash
from attest.sign.documents import sign_document
from attest.sign.notes import sign_note
from attest.sign.signer import Signer
from attest.simulate.cast import Identity, Witnesses
from attest.simulate.memory import MemoryBundle, bundle_files
from attest.simulate.source import Entry, Source
from attest.store.writer import LogWriter


class Ledger:
    """A log and its clock.

    entries: the log. now: Unix s. note: the newest cosigned checkpoint; notes: all of them by size. delay_s: from
    now until witnesses cosign. log: the log's identity, its genesis's leaf hash. sources: those that sign, by sub.
    """

    def __init__(self, identity: Identity, witnesses: Witnesses, now: int, delay_s: int) -> None:
        self.identity, self.witnesses, self.now, self.delay_s = identity, witnesses, now, delay_s
        self.entries: list[Entry] = []
        self.notes: dict[int, bytes] = {}
        self.note: bytes | None = None
        self.log = b""
        self.sources: dict[str, Source] = {}

    def found(self) -> Source:
        """The genesis, in which the root holders name the office; that is the first source."""
        identity, signer = self.identity, self.identity.key("office")
        office = self.sources[identity.office] = Source(self, identity.office, identity.iss, signer, None, self.now)
        key = signer.public_key()
        act = GenesisAct(identity.origin, identity.iss, office.sub, int(key.alg), key.raw, None)
        holders = identity.holder_keys()[: identity.threshold]
        office.say(GenesisBody(sign_document(format_act(act), CONTENT_TYPE, holders)))
        self.log = office.prev or b""
        return office

    @property
    def office(self) -> Source:
        """The office."""
        return self.sources[self.identity.office]

    def void(self, indices: Collection[int], number: int = 1, signers: Sequence[Signer] | None = None) -> int:
        """The root holders acknowledge bad entries."""
        places = tuple((index, leaf_hash(self.entries[index].data)) for index in sorted(indices))
        act = format_act(VoidAct(self.log, number, places))
        return self.keys(Void(sign_document(act, CONTENT_TYPE, signers or self.identity.holder_keys())))

    def keys(self, *acts: KeyAct) -> int:
        """A keys statement of the office."""
        return self.office.say(KeysBody(acts))

    def enrolment(self, sub: str, role: Role, signer: Signer) -> Enrol:
        """The act that enrols a key, with its proof of possession."""
        key = signer.public_key()
        proof = signer.sign(possession(self.log, sub, role, int(key.alg), key.raw))
        return Enrol(sub, role, int(key.alg), key.raw, proof)

    def append(self, entry: bytes, block: bytes | None = None) -> int:
        """Append anything at all; returns its index."""
        self.entries.append(Entry(entry, block))
        return self.size - 1

    @property
    def size(self) -> int:
        """How many entries there are."""
        return len(self.entries)

    def checkpoint(self) -> bytes:
        """A checkpoint of the log as it stands, signed by the log alone."""
        leaves = self.leaves()
        checkpoint = Checkpoint(self.identity.origin, self.size, compact_range(0, leaves).root())
        return sign_note(format_checkpoint(checkpoint), self.identity.origin, self.identity.log_keys())

    def leaves(self) -> bytes:
        """The leaf hashes of all entries."""
        return b"".join(leaf_hash(entry.data) for entry in self.entries)

    @property
    def anchor(self) -> Anchor | None:
        """What statements name: the newest cosigned head."""
        if self.note is None:
            return None
        head = parse_checkpoint(parse_note(self.note).text)
        return Anchor(head.size, head.root, sha256(self.note).digest())

    def sealed(self) -> bytes:
        """The note of the log as it stands: the newest one, or a new one where entries were added or changed."""
        text = parse_note(self.checkpoint()).text
        if self.note is None or parse_note(self.note).text != text:
            return self.witness()
        return self.note

    def bundle(self, note: bytes | None = None, name: str | None = None) -> MemoryBundle:
        """A copy of the log under a note: that of `sealed`, or an older one, whose entries alone it then has."""
        signed = note or self.sealed()
        entries = self.entries[: parse_checkpoint(parse_note(signed).text).size]
        files = bundle_files(signed, [e.data for e in entries], [e.block for e in entries])
        return MemoryBundle(name or self.identity.name, files)

    def save(self, path: Path) -> None:
        """Write the log to a directory as a lab would. Raises LogError for what a lab's own log refuses."""
        note = self.sealed()
        with LogWriter.create(path, self.identity.origin) as log:
            log.extend(self.entries)
            log.seal(lambda text: note)

    def witness(self, time: int | Sequence[int] | None = None, words: Collection[str] | None = None) -> bytes:
        """A checkpoint of the log as it stands, cosigned; from now on statements name it."""
        note = self.witnesses.cosign(self.checkpoint(), self.now + self.delay_s if time is None else time, words)
        self.note = self.notes[self.size] = note
        return note
