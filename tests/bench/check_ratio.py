"""How fast `check` is, and how near to the floor: hashing the same bytes and verifying the same signatures.

    python tests/bench/check_ratio.py [HOSTS DAYS]

Builds a fleet of HOSTS x DAYS host-days (8 devices x 1,440 intervals, 18-byte rows, 2 % gaps, runs that begin inside
5 % of device-hours), then takes turns: the floor (SHA-256 of every entry and block, PyNaCl on every signature of
entries, enrolments, heads and cosignatures) and `check` as a whole, verdict included. Processor time, the least of some
turns, since a busy machine only ever adds. Prints what the time is spent on, step by step.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from pathlib import Path

from nacl.bindings import crypto_sign_open

import attest.check as line
from attest.agreement import SignedAgreement, verify_agreement
from attest.errors import EvidenceError
from attest.format.act import possession
from attest.format.bodies import HeadBody, block_of
from attest.format.checkpoint import cosignature_message
from attest.format.cose import sig_structure1
from attest.format.key_acts import Enrol, KeysBody
from attest.format.note import parse_note
from attest.format.statement import parse_statement
from attest.gather import Context, gather
from attest.judge import judge
from attest.layout import Layouts
from attest.log.tiles import ENTRIES, WIDTH, parse_entries, tile_at
from attest.packs import Room, open_pack
from attest.replay import replay
from attest.simulate.fleet import Fleet
from attest.store.directory import DirectoryBundle
from attest.timeline import Timeline
from attest.trust.notes import find_signature
from attest.trust.pins import Trust, parse_trust
from attest.verdict import Outcome

TURNS = 40
DEVICE_INTERVALS = 8 * 1_440  # of a host-day


def timed(function: Callable[[], object]) -> float:
    """Processor seconds of one call."""
    begin = time.process_time()
    function()
    return time.process_time() - begin


class Floor:
    """The bytes and signatures of a log, ready to be hashed and verified and nothing else."""

    def __init__(self, bundle: DirectoryBundle, fleet: Fleet) -> None:
        self.bytes: list[bytes | memoryview] = []
        self.signed: list[tuple[bytes, bytes]] = []
        keys = {s.signer.public_key().thumbprint: s.signer.public_key().raw for s in fleet.sources.values()}
        self.cosigners = [*fleet.identity.log_vkeys(), *(w.vkey for w in fleet.witnesses.members())]
        self.note(bundle.checkpoint())
        for index in range(-(-fleet.size // WIDTH)):
            width = tile_at(ENTRIES, index, fleet.size).width
            entries = parse_entries(bundle.entries(index, width), width)
            parsed = [parse_statement(entry) for entry in entries]
            pack = open_pack(bundle, index, width, [block_of(p.statement.body) for p in parsed], Room())
            blocks = (pack(place) for place in range(width))
            self.bytes += [*entries, *(bytes(block) for block in blocks if block is not None)]
            for p in parsed:
                message = sig_structure1(p.sign1.protected, p.sign1.payload or b"")
                self.signed.append((p.sign1.signature + message, keys[p.header.kid]))
                if isinstance(p.statement.body, HeadBody):
                    self.note(p.statement.body.note)
                if isinstance(p.statement.body, KeysBody):
                    self.enrolments(p.statement.log or b"", p.statement.body)

    def enrolments(self, log: bytes, body: KeysBody) -> None:
        """The signatures by which new keys prove that somebody has them."""
        for act in body.acts:
            if isinstance(act, Enrol):
                self.signed.append((act.proof + possession(log, act.sub, act.role, act.alg, act.key), act.key))

    def note(self, data: bytes) -> None:
        """The signatures of a cosigned head."""
        note = parse_note(data)
        for vkey in self.cosigners:
            found = find_signature(note, vkey)
            if found is not None:
                timed_ = len(found.signature) > 64
                time_ = int.from_bytes(found.signature[:8], "big")
                message = cosignature_message(note.text, time_) if timed_ else note.text.encode()
                self.signed.append((found.signature[-64:] + message, vkey.key))

    def hash(self) -> None:
        """SHA-256 over everything."""
        for data in self.bytes:
            sha256(data).digest()

    def verify(self) -> None:
        """Every signature."""
        for message, key in self.signed:
            crypto_sign_open(message, key)


def steps(bundle: DirectoryBundle, signed: SignedAgreement, trust: Trust, at: int) -> dict[str, Callable[[], object]]:
    """The steps of `check`, each to be timed by itself."""
    party, site, head = line.open_head(bundle, signed)
    scanned = line.scan_log(bundle, head, map)
    roots = line.Roots(bundle, head.size)
    control = partial(
        replay, scanned.control, signed.agreement, party, site,
        body_of=line.Bodies(bundle, head.size), root_at=roots,
    )  # fmt: skip
    found = control()
    layouts, timeline = Layouts(found), Timeline(signed.agreement.policy, [*found.heads, head])
    context = Context(bundle, found, layouts, timeline, signed.agreement.bucket_s, head.size, roots)
    evidence = line.examine(bundle, signed)
    return {
        "2 scan": partial(line.scan_log, bundle, head, map),
        "3 control": control,
        "4 facts": partial(gather, context, 0, -(-head.size // WIDTH)),
        "6 judge": partial(judge, signed, trust, [evidence], at=at),
    }


def main() -> None:
    """Builds, takes turns, prints."""
    hosts, days = (int(word) for word in sys.argv[1:]) if len(sys.argv) == 3 else (64, 30)
    with tempfile.TemporaryDirectory() as folder:
        fleet = Fleet(Path(folder) / "fleet", hosts, days)
        bundle = DirectoryBundle(fleet.path)
        signed, trust = verify_agreement(fleet.pact.signed()), parse_trust(fleet.pact.trust())
        floor = Floor(bundle, fleet)
        verdict = line.check([bundle], signed, trust, at=fleet.at)
        if verdict.outcome is not Outcome.HOLDS:
            raise EvidenceError("bench/outcome", f"the fleet must hold, it is {verdict.outcome}")
        hashing, verifying, checking = [], [], []
        for _ in range(TURNS):
            hashing.append(timed(floor.hash))
            verifying.append(timed(floor.verify))
            checking.append(timed(lambda: line.check([DirectoryBundle(fleet.path)], signed, trust, at=fleet.at)))
        each = 1e6 / (hosts * days)
        least = min(hashing) + min(verifying)
        print(f"{hosts * days:,} host-days, {fleet.size:,} entries, {sum(map(len, floor.bytes)) / 1e6:,.0f} MB")
        hashed, verified, checked = (min(times) for times in (hashing, verifying, checking))
        rate = hosts * days * DEVICE_INTERVALS / checked / 1e6
        print(f"floor   {least * each:8.1f} us a host-day, for {len(floor.signed):,} signatures")
        print(f"        {hashed * each:8.1f} SHA-256")
        print(f"        {verified * each:8.1f} Ed25519")
        print(f"check   {checked * each:8.1f} us a host-day, {rate:.1f} million device-intervals a second")
        for name, step in steps(bundle, signed, trust, fleet.at).items():
            print(f"        {min(timed(step) for _ in range(TURNS)) * each:8.1f} {name}")
        print(f"ratio   {checked / least:8.2f}")


if __name__ == "__main__":
    main()
