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
sealed, witnesses cosign it at `now + delay_s`, and the head becomes an entry.
"""

from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import replace
from hashlib import sha256
from typing import Any

from attest.format.act import possession
from attest.format.block import Binding, commit, format_meter, format_usage
from attest.format.bodies import (
    Channel,
    CloseBody,
    EventBody,
    HeadBody,
    InventoryBody,
    MeterBody,
    UsageBody,
)
from attest.format.key_acts import KeysBody, Revoke, Rotate
from attest.format.roster import Device, Feed, Host, Roster, format_roster
from attest.format.vocabulary import Role
from attest.sign.signer import Signer
from attest.simulate.cast import Identity, Witnesses
from attest.simulate.draws import named_bytes
from attest.simulate.ledger import Ledger
from attest.simulate.site import Site
from attest.simulate.source import Draft, Source
from attest.simulate.telemetry import COLUMNS, SITE_FEED, Instrument, Observed, devices_of, observe, read

HOUR = 3_600
MAX_ENROLMENTS = 200  # of one statement
Mute = Callable[[str, int, int], bool]  # sub, from, until -> whether the source leaves this window out


class Lab(Ledger):
    """A lab, its log (attest.simulate.ledger) and its clock.

    hosts, meter, office: the sources, which `sources` has by sub. tales: nodes whose agents tell of another site than
    the true one.

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
        super().__init__(identity, witnesses or Witnesses(), site.plan.start - head_s, delay_s)
        self.site, self.window_s, self.head_s = site, window_s, head_s
        self.site_meter, self.instrument, self.columns = site_meter, instrument or Instrument(), columns
        self.clock_uncertainty = clock_uncertainty
        self.tales: dict[int, Site] = {}
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
        """The statements of hosts and meter up to a time, of those that have not said so much already."""
        for node in range(self.site.plan.nodes):
            if self.host(node).until < until:
                yield self.usage(node, until), self.host(node)
        if self.meter is not None and self.meter.until < until:
            yield self.metering(until), self.meter

    def usage(self, node: int, until: int, observed: Observed | None = None) -> Draft:
        """A host's next usage statement; `observed` is what its agent saw, if another than the truth."""
        host = self.host(node)
        seen = observed or observe(self.tales.get(node, self.site), node, host.until, until, self.columns)
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

    def head(self, note: bytes | None = None) -> int:
        """The newest cosigned checkpoint as an entry of the office."""
        found = note or self.note
        assert found is not None, "no head was witnessed yet"
        return self.office.say(HeadBody(found))

    # -- acts of the office and of the root holders

    def enrol(self, sub: str, role: Role, signer: Signer) -> Source:
        """A new source; its first statement begins now."""
        self.keys(self.enrolment(sub, role, signer))
        return self._source(sub, self.identity.iss, signer, self.office.prev or b"")

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

    def event(self, document: bytes) -> int:
        """What adjudicators or holders signed in the life of an agreement, as an entry of the office."""
        return self.office.say(EventBody(document))

    def close(self, source: Source) -> int:
        """A source says that it ends."""
        return source.say(CloseBody(), source.until)

    def inventory(self, roster: Roster, start: int) -> int:
        """A roster, in force from `start` on."""
        self.roster_body = format_roster(roster)
        return self.office.say(InventoryBody(commit(self.roster_body), roster.count()), start, self.roster_body)

    def copy(self) -> "Lab":
        """The same lab up to here, free to go on in another way."""
        other = copy(self)
        other.entries, other.notes, other.tales = list(self.entries), dict(self.notes), dict(self.tales)
        other.sources = {sub: replace(source, lab=other) for sub, source in self.sources.items()}
        return other

    # -- who and what there is

    def host(self, node: int) -> Source:
        """A node's agent."""
        return self.sources[self.identity.host(node)]

    @property
    def hosts(self) -> tuple[Source, ...]:
        """The nodes' agents."""
        return tuple(self.host(node) for node in range(self.site.plan.nodes))

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
        office = self.found()
        if meter == "independent":
            self._source(identity.meter, identity.meter_iss, identity.key("meter"), self.log)
        fresh = [(identity.host(node), Role.HOST) for node in range(self.site.plan.nodes)]
        fresh += [(self.own_meter, Role.METER)] if meter == "own" else []
        for first in range(0, len(fresh), MAX_ENROLMENTS):
            part = fresh[first : first + MAX_ENROLMENTS]
            self.keys(*(self.enrolment(sub, role, identity.key(sub)) for sub, role in part))
            for sub, _ in part:
                self._source(sub, identity.iss, identity.key(sub), office.prev or b"")
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
