"""The log that the pages of `schemas/` show: one host with two accelerators, one metered hour, all keys test keys.

    0  genesis      office seq 0      the root holders name the office
    1  keys         office seq 1      the office enrols the host
    2  inventory    office seq 2      two accelerators on one metered feed
    3  head         office seq 3      the tree of size 3, cosigned a minute before the hour begins
    4  usage        host seq 0        the hour, in six intervals of ten minutes
    5  meter        meter seq 0       the same hour at the feed
    6  close        host seq 1        the host's agent ends

The head of size 7, cosigned a minute after the hour, is the bundle's checkpoint.

Beside it stands one entry of another log: what a regulator's archive says of the copy that was delivered to it.
"""

from functools import cache
from hashlib import sha256, sha512
from typing import Final, NamedTuple

import numpy as np

from attest.agreement.signed import CONTENT_TYPE as AGREEMENT_TYPE
from attest.agreement.signed import verify_agreement
from attest.check import check
from attest.compute.columns import format_spans
from attest.format.act import CONTENT_TYPE, GenesisAct, VoidAct, format_act, possession
from attest.format.block import Binding, commit, format_meter, format_usage
from attest.format.bodies import Body, Channel, CloseBody, GenesisBody, HeadBody, InventoryBody, MeterBody, UsageBody
from attest.format.checkpoint import Checkpoint, format_checkpoint
from attest.format.custody import CustodyBody, CustodyObject
from attest.format.event import CONTENT_TYPE as EVENT_TYPE
from attest.format.event import TFLOP, Allowance, Deed, EventAct, Place, format_event
from attest.format.key_acts import Enrol, KeysBody, Revoke, Rotate, Void
from attest.format.note import format_vkey
from attest.format.roster import Device, Feed, Host, Roster, format_roster
from attest.format.runs import NO_RUN, Run
from attest.format.statement import Anchor, Statement
from attest.format.vocabulary import Column, Kind, Label, Precision, Quantity, Role, State
from attest.log.merkle import leaf_hash, root
from attest.sign.documents import sign_document
from attest.sign.notes import cosign, sign_note
from attest.sign.seeded import seeded_key
from attest.sign.signer import Signer
from attest.sign.statements import header_for, sign_statement
from attest.simulate.memory import MemoryBundle, bundle_files
from attest.trust.keys import format_key
from attest.trust.notes import log_vkey, witness_vkey
from attest.trust.pins import parse_trust
from attest.verdict import Verdict

ISS: Final = "https://acme.example"
ORIGIN: Final = "acme.example/dc1"
OFFICE: Final = "https://acme.example/dc1/office"
HOST: Final = "https://acme.example/dc1/n1"
OPERATOR: Final = "https://grid.example"
METER: Final = "https://grid.example/acme-dc1"
START: Final = 1_794_182_400  # 2026-11-09T00:00:00Z
END: Final = START + 3_600
INTERVAL: Final = 600
HOLDERS: Final = ("Ada", "Ben")
WITNESSES: Final = ("north", "south", "east")
MODEL: Final = "NVIDIA H100 SXM5 80GB"
ARCHIVE: Final = "https://archive.example"
ARCHIVE_OFFICE: Final = "https://archive.example/office"
_KINDS: Final = {
    GenesisBody: Kind.GENESIS,
    InventoryBody: Kind.INVENTORY,
    KeysBody: Kind.KEYS,
    UsageBody: Kind.USAGE,
    MeterBody: Kind.METER,
    HeadBody: Kind.HEAD,
    CloseBody: Kind.CLOSE,
}


class World(NamedTuple):
    """Entries and blocks in log order, the cosigned notes of size 3 and 7, the agreement's file and text."""

    entries: tuple[bytes, ...]
    blocks: tuple[bytes | None, ...]
    first_note: bytes
    note: bytes
    roster: bytes
    agreement: bytes
    text: bytes

    @property
    def log(self) -> bytes:
        return leaf_hash(self.entries[0])

    def bundle(self) -> MemoryBundle:
        return MemoryBundle("acme-dc1", bundle_files(self.note, self.entries, self.blocks))

    def verdict(self) -> Verdict:
        signed = verify_agreement(self.agreement)
        trust = parse_trust(f'[agreement]\nsha256 = "{signed.agreement.digest.hex()}"\n'.encode())
        return check([self.bundle()], signed, trust, at=END + 600)


def key(name: str) -> Signer:
    """A test key of this world."""
    return seeded_key(f"example {name}")


class _Log:
    def __init__(self) -> None:
        self.entries: list[bytes] = []
        self.blocks: list[bytes | None] = []
        self.chains: dict[str, tuple[int, bytes | None, int]] = {OFFICE: (0, None, START - 3_600)}
        self.log: bytes | None = None

    def add(
        self, sub: str, body: Body, until: int, *, anchor: Anchor | None = None, block: bytes | None = None
    ) -> None:
        seq, prev, start = self.chains[sub]
        statement = Statement(_KINDS[type(body)], self.log, seq, prev, start, until, anchor, body)
        signer = key(sub)
        iss = OPERATOR if sub == METER else ISS
        entry = sign_statement(header_for(signer, iss, sub), statement, signer)
        self.entries.append(entry)
        self.blocks.append(block)
        self.chains[sub] = (seq + 1, leaf_hash(entry), until)

    def note(self, time: int) -> bytes:
        leaves = [leaf_hash(entry) for entry in self.entries]
        text = format_checkpoint(Checkpoint(ORIGIN, len(leaves), root(leaves)))
        note = sign_note(text, ORIGIN, [key("log")])
        for word in WITNESSES[:2]:
            note = cosign(note, f"{word}.example", key(word), time)
        return note

    def anchor(self, note: bytes) -> Anchor:
        leaves = [leaf_hash(entry) for entry in self.entries]
        return Anchor(len(leaves), root(leaves), sha256(note).digest())


@cache
def world() -> World:
    """The log, made anew with the same bytes every time."""
    log = _Log()
    log.add(OFFICE, GenesisBody(genesis_document()), START - 3_600)
    log.log = leaf_hash(log.entries[0])
    log.add(OFFICE, KeysBody((enrolment(log.log),)), START - 3_600)
    log.chains[HOST] = (0, leaf_hash(log.entries[1]), START)
    log.chains[METER] = (0, log.log, START)
    feeds = (Feed("dc1", None, None), Feed("dc1-n1", 0, METER))
    body = format_roster(Roster(feeds, (Host(HOST, (Device("GPU-1", MODEL, 1), Device("GPU-2", MODEL, 1))),)))
    log.add(OFFICE, InventoryBody(commit(body), 2), START, block=body)
    first = log.note(START - 60)
    anchor = log.anchor(first)
    log.add(OFFICE, HeadBody(first), START)
    usage = usage_block(log.log)
    log.add(HOST, usage_body(usage, sha256(body).digest()), END, anchor=anchor, block=usage)
    meter = meter_block(log.log)
    channel = Channel("dc1-n1", 7, 0)
    readings = MeterBody(Quantity.MEAN_POWER, INTERVAL * 1_000, 0, 1, (channel,), commit(meter))
    log.add(METER, readings, END, anchor=anchor, block=meter)
    log.add(HOST, CloseBody(), END)
    note = log.note(END + 60)
    text = agreement_text()
    signed = sign_document(text, AGREEMENT_TYPE, [key(name) for name in HOLDERS])
    return World(tuple(log.entries), tuple(log.blocks), first, note, body, signed, text)


def genesis_document() -> bytes:
    """The root holders name the office."""
    office = key(OFFICE).public_key()
    act = GenesisAct(ORIGIN, ISS, OFFICE, int(office.alg), office.raw, None)
    return sign_document(format_act(act), CONTENT_TYPE, [key(name) for name in HOLDERS])


def trigger_document() -> bytes:
    """Two adjudicators trigger a pause for every party of the agreement."""
    act = EventAct(Deed.TRIGGER, sha256(agreement_text()).digest(), None, "pause", 1, END, END + 30 * 86_400, None)
    return sign_document(format_event(act), EVENT_TYPE, [key(name) for name in ("Uma", "Vic")])


def exemption() -> EventAct:
    """One feed of the site is exempt for a week, with a budget of 2e22 FLOP."""
    places = (Place("acme-dc1", "dc1-n1"),)
    return EventAct(
        Deed.EXEMPTION, sha256(agreement_text()).digest(), ISS, "pause", 2, END, END + 7 * 86_400,
        Allowance(places, 2 * 10**22 // TFLOP),
    )  # fmt: skip


def void_document(log: bytes) -> bytes:
    """The root holders acknowledge that entry 4 is bad."""
    act = VoidAct(log, 1, ((4, leaf_hash(world().entries[4])),))
    return sign_document(format_act(act), CONTENT_TYPE, [key(name) for name in HOLDERS])


def enrolment(log: bytes) -> Enrol:
    """The office enrols the host, whose key proves that it is there."""
    new = key(HOST)
    public = new.public_key()
    alg = int(public.alg)
    return Enrol(HOST, Role.HOST, alg, public.raw, new.sign(possession(log, HOST, Role.HOST, alg, public.raw)))


def custody_entry() -> bytes:
    """The office of an archive says who delivered a copy of the log, and under which manifest it is kept."""
    manifest = b"the example's manifest"
    kept = CustodyObject("manifest", sha256(manifest).digest(), sha512(manifest).digest(), len(manifest))
    details = (("origin", ORIGIN), ("delivery", sha256(manifest).hexdigest()), ("size", 7))
    body = CustodyBody("put", "ines@desk-2", (kept,), details)
    log, prev = (leaf_hash(f"entry {index} of the archive's log".encode()) for index in (0, 6))
    statement = Statement(Kind.CUSTODY, log, 7, prev, END, END + 86_400, None, body)
    signer = key(ARCHIVE_OFFICE)
    return sign_statement(header_for(signer, ARCHIVE, ARCHIVE_OFFICE), statement, signer)


def all_acts(log: bytes) -> KeysBody:
    """One act of each kind; no honest statement has them all, for a host rotates its own key."""
    new = key(f"{HOST} second")
    public = new.public_key()
    alg = int(public.alg)
    rotate = Rotate(alg, public.raw, new.sign(possession(log, HOST, Role.HOST, alg, public.raw)))
    return KeysBody((enrolment(log), rotate, Revoke(key(HOST).public_key().thumbprint, 5), Void(void_document(log))))


def usage_block(log: bytes) -> bytes:
    """Device 0 trains from 00:10 to 00:40, device 1 idles and is not seen from 00:20 to 00:30."""
    salt = sha256(b"example usage salt").digest()
    columns = {
        Column.ENERGY: np.array([60, 390, 402, 399, 66, 60, 54, 55, 0, 54, 54, 54]) * 1_000_000,  # kJ in mJ
        Column.CYCLES: np.array([0, 594_000, 612_000, 603_000, 0, 0, 0, 0, 0, 0, 0, 0]),
    }
    return format_usage(salt, Binding(log, HOST, 0), columns)


def usage_body(block: bytes, roster: bytes) -> UsageBody:
    """What commits to it; counters go on from 2,000 MJ and 9 * 10^12 cycles, and cover the gap of device 1."""
    energy = np.array([2_000_000_000_000, 2_100_000_000_000], "<u8")
    cycles = np.array([9_000_000, 0], "<u8")
    spent = np.array([1_377_000_000, 271_000_000 + 54_000_000], "<u8")
    active = np.array([1_809_000, 0], "<u8")
    spans = [
        (0, State.SAMPLED, NO_RUN),
        (1, State.SAMPLED, 0),
        (4, State.SAMPLED, NO_RUN),
        (6, State.SAMPLED, NO_RUN),
        (8, State.MISSING, NO_RUN),
        (9, State.SAMPLED, NO_RUN),
    ]
    commitment = sha256(b"example salt of the name" + b"llama-3-8b, third run").digest()
    return UsageBody(
        INTERVAL,
        roster,
        2,
        commit(block),
        (Column.ENERGY, Column.CYCLES),
        (Run(commitment, Label.TRAINING, Precision.BF16, 1, None),),
        format_spans(spans),
        (
            (Column.ENERGY, energy.tobytes(), (energy + spent).tobytes()),
            (Column.CYCLES, cycles.tobytes(), (cycles + active).tobytes()),
        ),
    )


def meter_block(log: bytes) -> bytes:
    """The feed: 600 W of the machine itself above its two devices."""
    salt = sha256(b"example meter salt").digest()
    watts = np.array([800, 1_355, 1_360, 1_360, 805, 795, 795])
    offsets = np.arange(7) * INTERVAL * 1_000
    return format_meter(salt, Binding(log, METER, 0), Quantity.MEAN_POWER, [(watts * 1_000, offsets)])


def agreement_text() -> bytes:
    """An hour in which the site may do little."""
    policy = "".join(
        f"witness {word} {format_vkey(witness_vkey(f'{word}.example', key(word).public_key()))}\n" for word in WITNESSES
    )
    holders = "".join(
        f'\n[[party.holder]]\nname = "{name}"\nkeys = ["{format_key(key(name).public_key())}"]\n' for name in HOLDERS
    )
    return f"""name = "One quiet hour"
version = 1
bucket = "1 h"
interval = "600 s"
max_lag = "2 h"
grace = "1 d"

[witnesses]
tolerates = 0
policy = \"\"\"
{policy}group two 2 {" ".join(WITNESSES)}
quorum two
\"\"\"

[[party]]
iss = "{ISS}"
name = "Acme"
threshold = 2
{holders}
[[party.site]]
name = "dc1"
origin = "{ORIGIN}"
log_keys = ["{format_vkey(log_vkey(ORIGIN, key("log").public_key()))}"]

[[party.meter]]
sub = "{METER}"
iss = "{OPERATOR}"
key = "{format_key(key(METER).public_key())}"
error = "1 %"
clock = "1 s"
integrates = true

[[phase]]
name = "quiet hour"
start = 2026-11-09T00:00:00Z
end = 2026-11-09T01:00:00Z

[[phase.term]]
kind = "compute-cap"
name = "by its own counters"
limit = "1e19 FLOP"
assurance = "L1"

[[phase.term]]
kind = "compute-cap"
name = "by the meter alone"
limit = "1e19 FLOP"
assurance = "L4"

[[phase.term]]
kind = "coverage"
share = "90 %"

[[phase.term]]
kind = "witnessing"
""".encode()
