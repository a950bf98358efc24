"""A simulated lab: plays a site into a log, statement by statement, with real keys; made to be tampered with.

    lab = Lab(Identity("acme"), Site(plan))      # genesis, keys, inventory, a first cosigned head
    lab.run()                                    # windows, meters and heads up to the plan's end
    bundle = lab.bundle()                        # in memory; lab.save(path) writes the same log to a directory

Every step is a call of its own, and what it makes is a value, so that an attack is the honest story with one line
changed:

    lab.run(until=noon)
    draft = lab.usage(0, noon + HOUR)                                   # a statement before it is signed
    lab.hosts[0].append(draft.but(start=draft.statement.start - 60))    # windows that overlap
    lab.entries[7], lab.entries[8] = lab.entries[8], lab.entries[7]     # history in another order
    lab.run()

A window's statements are signed right after it, with the newest cosigned head as their anchor; then the log is
sealed, witnesses cosign it at `now + delay_s`, and the head becomes an entry. `late_s` after the end of a window a
statement is as timely as it can be if heads come every `head_s`.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from copy import copy
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from attest.format.act import CONTENT_TYPE, GenesisAct, VoidAct, format_act, possession
from attest.format.block import Binding, commit, format_meter, format_usage
from attest.format.bodies import (
    Channel,
    CloseBody,
    Enrol,
    GenesisBody,
    HeadBody,
    InventoryBody,
    KeyAct,
    KeysBody,
    MeterBody,
    Revoke,
    Rotate,
    UsageBody,
    Void,
)
from attest.format.checkpoint import Checkpoint, format_checkpoint, parse_checkpoint
from attest.format.note import parse_note
from attest.format.roster import Device, Feed, Host, Roster, format_roster
from attest.format.statement import Anchor
from attest.format.vocabulary import Role
from attest.log.merkle import compact_range, leaf_hash
from attest.sign.documents import sign_document
from attest.sign.notes import sign_note
from attest.sign.signer import Signer
from attest.simulate.cast import Identity, Witnesses
from attest.simulate.draws import named_bytes
from attest.simulate.memory import MemoryBundle, bundle_files
from attest.simulate.site import Site
from attest.simulate.source import Draft, Entry, Source
from attest.simulate.telemetry import COLUMNS, SITE_FEED, Instrument, Observed, devices_of, observe, read
from attest.store.writer import LogWriter

HOUR = 3_600
MAX_ENROLMENTS = 200  # of one statement
Mute = Callable[[str, int, int], bool]  # sub, from, until -> whether the source leaves this window out


class Lab:
    """A lab, its log and its clock.

    entries: the log. log: its identity, the genesis's leaf hash. now: Unix s. note: the newest cosigned checkpoint;
    notes: all of them by size. hosts, meter, office: the sources, which `sources` has by sub.

    meter: "independent" (its key from the agreement), "own" (enrolled by the office) or None. site_meter: whether
    the site's feed is metered beside the nodes'. delay_s: from the end of a window to the cosignatures.
    """

    def __init__(
        self,
        identity: Identity,
        site: Site,
        witnesses: Witnesses | None = None,
        *,
        window_s: int = 6 * HOUR,
        head_s: int = HOUR,
        delay_s: int = 60,
        meter: str | None = "independent",
        site_meter: bool = True,
        instrument: Instrument | None = None,
        columns: Sequence[int] = COLUMNS,
        clock_uncertainty: int | None = 1,
    ) -> None:
        self.identity, self.site, self.witnesses = identity, site, witnesses or Witnesses()
        self.window_s, self.head_s, self.delay_s = window_s, head_s, delay_s
        self.site_meter, self.instrument, self.columns = site_meter, instrument or Instrument(), columns
        self.clock_uncertainty = clock_uncertainty
        self.entries: list[Entry] = []
        self.sources: dict[str, Source] = {}
        self.notes: dict[int, bytes] = {}
        self.note: bytes | None = None
        self.now = site.plan.start - head_s
        self.log = b""
        self._open(meter)

    # -- the story

    def run(self, until: int | None = None, *, mute: Mute | None = None, heads: bool = True) -> None:
        """Go on to a time (the plan's end): statements at the end of each window, heads every `head_s`."""
        plan = self.site.plan
        end = plan.end if until is None else until
        while self.now < end:
            self.now = min(self.now + self.head_s, end)
            if (self.now - plan.start) % self.window_s == 0 or self.now == plan.end:
                self.report(mute)
            self.witness()
            if heads:
                self.head()

    def report(self, mute: Mute | None = None) -> None:
        """Every source's statement of its window up to now, but those that `mute` leaves out."""
        for draft, source in self.window(self.now):
            if mute is None or not mute(source.sub, draft.statement.start, self.now):
                source.append(draft)

    def window(self, until: int) -> Iterator[tuple[Draft, Source]]:
        """The statements of hosts and meter up to a time."""
        for node, host in enumerate(self.hosts):
            yield self.usage(node, until), host
        if self.meter is not None:
            yield self.metering(until), self.meter

    def usage(self, node: int, until: int, observed: Observed | None = None) -> Draft:
        """A host's next usage statement; `observed` is what its agent saw, if another than the truth."""
        host = self.hosts[node]
        seen = observed or observe(self.site, node, host.until, until, self.columns)
        block = format_usage(self._salt(host), self.binding(host), seen.columns) if seen.columns else None
        body = UsageBody(
            seen.interval,
            sha256(self.roster_body).digest(),
            len(devices_of(self.site, node)),
            commit(block) if block else None,
            tuple(sorted(seen.columns)),
            seen.runs,
            seen.spans,
            seen.counters,
        )
        return host.draft(body, until, block)

    def metering(self, until: int, readings: Sequence[tuple[Any, Any]] | None = None) -> Draft:
        """The meter's next statement; `readings` are (values, offsets) of each feed, if others than the truth."""
        meter = self.meter
        assert meter is not None, "the lab was made without a meter"
        feeds = self.feeds
        taken = readings or [read(self.site, node, meter.until, until, self.instrument) for node in feeds]
        quantity, step = self.instrument.quantity, self.instrument.step_s * 1_000
        block = format_meter(self._salt(meter), self.binding(meter), quantity, taken)
        channels = tuple(Channel(name, len(values), 0) for name, (values, _) in zip(feeds.values(), taken, strict=True))
        return meter.draft(MeterBody(quantity, step, 0, self.clock_uncertainty, channels, commit(block)), until, block)

    def witness(self, time: int | Sequence[int] | None = None, words: Collection[str] | None = None) -> bytes:
        """A checkpoint of the log as it stands, cosigned; from now on statements name it."""
        note = self.witnesses.cosign(self.checkpoint(), self.now + self.delay_s if time is None else time, words)
        self.note = self.notes[len(self.entries)] = note
        return note

    def head(self, note: bytes | None = None) -> int:
        """The newest cosigned checkpoint as an entry of the office."""
        found = note or self.note
        assert found is not None, "no head was witnessed yet"
        return self.office.say(HeadBody(found))

    # -- acts of the office and of the root holders

    def enrol(self, sub: str, role: Role, signer: Signer) -> Source:
        """A new source; its first statement begins now."""
        index = self.office.say(KeysBody((self.enrolment(sub, role, signer),)))
        return self._source(sub, self.identity.iss, signer, leaf_hash(self.entries[index].data))

    def enrolment(self, sub: str, role: Role, signer: Signer) -> Enrol:
        """The act that enrols a key, with its proof of possession."""
        key = signer.public_key()
        proof = signer.sign(possession(self.log, sub, role, int(key.alg), key.raw))
        return Enrol(sub, role, int(key.alg), key.raw, proof)

    def rotate(self, source: Source, signer: Signer) -> int:
        """A new key for a source, in its own chain."""
        key = signer.public_key()
        role = Role.OFFICE if source is self.office else Role.METER if source is self.meter else Role.HOST
        proof = signer.sign(possession(self.log, source.sub, role, int(key.alg), key.raw))
        index = source.say(KeysBody((Rotate(int(key.alg), key.raw, proof),)), source.until)
        source.signer = signer
        return index

    def revoke(self, signer: Signer, last: int) -> int:
        """A key was good up to and including index `last`."""
        return self.keys(Revoke(signer.public_key().thumbprint, last))

    def void(self, indices: Collection[int], number: int = 1, signers: Sequence[Signer] | None = None) -> int:
        """The root holders acknowledge bad entries."""
        places = tuple((index, leaf_hash(self.entries[index].data)) for index in sorted(indices))
        act = format_act(VoidAct(self.log, number, places))
        return self.keys(Void(sign_document(act, CONTENT_TYPE, signers or self.identity.holder_keys())))

    def keys(self, *acts: KeyAct) -> int:
        """A keys statement of the office."""
        return self.office.say(KeysBody(acts))

    def close(self, source: Source) -> int:
        """A source says that it ends."""
        return source.say(CloseBody(), source.until)

    def inventory(self, roster: Roster, start: int) -> int:
        """A roster, in force from `start` on."""
        self.roster_body = format_roster(roster)
        return self.office.say(InventoryBody(commit(self.roster_body), roster.count()), start, self.roster_body)

    # -- the log

    def append(self, entry: bytes, block: bytes | None = None) -> int:
        """Append anything at all; returns its index."""
        self.entries.append(Entry(entry, block))
        return len(self.entries) - 1

    def checkpoint(self) -> bytes:
        """A checkpoint of the log as it stands, signed by the log alone."""
        leaves = b"".join(leaf_hash(entry.data) for entry in self.entries)
        checkpoint = Checkpoint(self.identity.origin, len(self.entries), compact_range(0, leaves).root())
        return sign_note(format_checkpoint(checkpoint), self.identity.origin, self.identity.log_keys())

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

    def copy(self) -> "Lab":
        """The same lab up to here, free to go on in another way."""
        other = copy(self)
        other.entries, other.notes = list(self.entries), dict(self.notes)
        other.sources = {sub: replace(source, lab=other) for sub, source in self.sources.items()}
        return other

    # -- who and what there is

    @property
    def office(self) -> Source:
        """The office."""
        return self.sources[self.identity.office]

    @property
    def hosts(self) -> tuple[Source, ...]:
        """The nodes' agents."""
        return tuple(self.sources[self.identity.host(node)] for node in range(self.site.plan.nodes))

    @property
    def meter(self) -> Source | None:
        """The source that speaks for the meters."""
        return self.sources.get(self.identity.meter) or self.sources.get(self.own_meter)

    @property
    def own_meter(self) -> str:
        """The sub of a meter that the lab runs by itself."""
        return f"{self.identity.iss}/{self.identity.site_name}/meter"

    @property
    def feeds(self) -> dict[int, str]:
        """The names of the metered feeds, by node."""
        site = {SITE_FEED: self.identity.site_name} if self.site_meter else {}
        return site | {node: self.feed(node) for node in range(self.site.plan.nodes)}

    def feed(self, node: int) -> str:
        """The name of a node's feed."""
        return f"{self.identity.site_name}-n{node:04d}"

    def binding(self, source: Source) -> Binding:
        """What the block of a source's next statement is bound to."""
        return Binding(self.log, source.sub, source.seq)

    def roster(self) -> Roster:
        """The site's true inventory: a feed from outside, one for each node below it, eight devices on each."""
        meter = self.meter.sub if self.meter is not None else None
        top = Feed(self.identity.site_name, None, meter if self.site_meter else None)
        nodes = range(self.site.plan.nodes)
        model = self.site.plan.model
        return Roster(
            (top, *(Feed(self.feed(node), 0, meter) for node in nodes)),
            tuple(
                Host(
                    self.identity.host(node),
                    tuple(Device(uid, model, node + 1) for uid in devices_of(self.site, node)),
                )
                for node in nodes
            ),
        )

    # -- opening

    def _open(self, meter: str | None) -> None:
        identity = self.identity
        signer = identity.key("office")
        office = Source(self, identity.office, identity.iss, signer, None, self.now)
        self.sources[office.sub] = office
        key = signer.public_key()
        act = GenesisAct(identity.origin, identity.iss, office.sub, int(key.alg), key.raw, None)
        holders = identity.holder_keys()[: identity.threshold]
        index = office.say(GenesisBody(sign_document(format_act(act), CONTENT_TYPE, holders)))
        self.log = leaf_hash(self.entries[index].data)
        if meter == "independent":
            self._source(identity.meter, identity.meter_iss, identity.key("meter"), self.log)
        fresh = [(identity.host(node), Role.HOST) for node in range(self.site.plan.nodes)]
        fresh += [(self.own_meter, Role.METER)] if meter == "own" else []
        for first in range(0, len(fresh), MAX_ENROLMENTS):
            part = fresh[first : first + MAX_ENROLMENTS]
            index = self.keys(*(self.enrolment(sub, role, identity.key(sub)) for sub, role in part))
            for sub, _ in part:
                self._source(sub, identity.iss, identity.key(sub), leaf_hash(self.entries[index].data))
        self.inventory(self.roster(), self.site.plan.start)
        self.now = self.site.plan.start
        self.witness()
        self.head()

    def _source(self, sub: str, iss: str, signer: Signer, enrolment: bytes) -> Source:
        source = Source(self, sub, iss, signer, enrolment, max(self.now, self.site.plan.start))
        self.sources[sub] = source
        return source

    def _salt(self, source: Source) -> bytes:
        return named_bytes(f"salt {self.identity.seed} {self.identity.origin} {source.sub} {source.seq}")
