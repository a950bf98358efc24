"""Attacks on what is declared: devices left out, taken back, counted wrongly, or put under nobody's eyes."""

from collections.abc import Callable
from hashlib import sha256

import pytest

from attest.agreement import Agreement
from attest.format.block import commit
from attest.format.bodies import InventoryBody
from attest.format.roster import MAX_NESTING, Device, Feed, Host, Roster, format_roster
from attest.format.statement import peek
from attest.format.vocabulary import Kind, Role
from attest.sign.seeded import seeded_key
from attest.simulate.lab import Lab
from attest.simulate.pact import Phase, Table
from attest.simulate.source import Draft
from attest.verdict import as_data
from tests.attacks.vectors import (
    BREACHED,
    EVENING,
    HOLDS,
    HOUR,
    NOON,
    SOURCE,
    UNPROVEN,
    Case,
    Vector,
    attacks,
    breach,
    holds,
    invalid,
    play,
    ran,
    tampered,
    unproven,
    went_on,
)
from tests.check.world import ACME, CAP, COVERAGE, END, PACT, START, TERMS, honest, lab, replace, site, under

INVENTORY = {"kind": "inventory", "minimum": 16}
EVERY = {
    "compute-cap": CAP,
    "coverage": COVERAGE,
    "power-off": {"kind": "power-off", "assurance": "L4"},
    "power-cap": {"kind": "power-cap", "limit": "1 MW", "assurance": "L4"},
    "inventory": {"kind": "inventory", "maximum": 64},
}
Change = Callable[[Roster], Roster]


class Declaring(Lab):
    """A lab whose first inventory is another than the true one."""

    declared: Change = staticmethod(lambda roster: roster)

    def roster(self) -> Roster:
        return type(self).declared(super().roster())


def declaring(change: Change, *, speaking: bool = False) -> Lab:
    """A lab that declares something else from the first hour on; its hosts speak where the declaration is true."""
    kind = type("Declaring", (Declaring,), {"declared": staticmethod(change)})
    made: Lab = kind(ACME, site())
    made.run(mute=None if speaking else lambda sub, start, end: sub != ACME.meter)
    return made


def nothing(roster: Roster) -> Roster:
    return Roster(roster.feeds, ())


def one_node(roster: Roster) -> Roster:
    return Roster(roster.feeds, roster.hosts[:1])


def unknown_model(roster: Roster) -> Roster:
    hosts = (Host(h.sub, tuple(d._replace(model="Chip of tomorrow") for d in h.devices)) for h in roster.hosts)
    return Roster(roster.feeds, tuple(hosts))


def weaker_model(roster: Roster) -> Roster:
    """V100 do at most a seventeenth of what H100 do."""
    hosts = (Host(h.sub, tuple(d._replace(model="NVIDIA V100 SXM2 32GB") for d in h.devices)) for h in roster.hosts)
    return Roster(roster.feeds, tuple(hosts))


def swapped_uids(roster: Roster) -> Roster:
    """The same devices in another order: counters stand beside other serials."""
    return Roster(roster.feeds, tuple(Host(h.sub, h.devices[::-1]) for h in roster.hosts))


def shrunk(at: int, start: int | None = None) -> Callable[[], Lab]:
    """At a time the second node is no longer declared, from another time on; it says nothing more either."""

    def story() -> Lab:
        made = ran(until=at)
        made.office.until = start or at
        made.inventory(one_node(made.roster()), start or at)
        made.run(mute=lambda sub, begin, end: sub == ACME.host(1))
        return made

    return story


def taken_back() -> Lab:
    """The office stops its clock at the phase's start; when the day is over, it never had a second node."""
    made = lab()
    said = made.office.draft

    def stopped(body: object, until: int, block: bytes | None = None) -> Draft:
        return said(body, min(until, START), block)  # type: ignore[arg-type]

    made.office.draft = stopped  # type: ignore[method-assign]
    made.run(mute=lambda sub, start, end: sub != ACME.meter)
    made.inventory(one_node(made.roster()), START)
    made.now += HOUR
    made.witness()
    return made


def day_taken_back() -> Case:
    return Case([taken_back().bundle()], under(INVENTORY))


def never_enrolled() -> Lab:
    """A host of the roster that has no key, and so never says anything."""
    made = lab()
    made.run(until=START)
    roster = made.roster()
    ghost = Host(ACME.host(7), tuple(Device(f"ghost-{n}", made.site.plan.model, 1) for n in range(8)))
    made.inventory(Roster(roster.feeds, (*roster.hosts, ghost)), START)
    return went_on(made)


def declared(body: bytes, devices: int) -> Callable[[], Lab]:
    """An inventory whose roster is these bytes."""

    def story() -> Lab:
        made = honest()
        made.office.say(InventoryBody(commit(body), devices), END, body)
        return made

    return story


def of(change: Change) -> bytes:
    return format_roster(change(lab().roster()))


def feed_twice(roster: Roster) -> Roster:
    return Roster((*roster.feeds, roster.feeds[-1]), roster.hosts)


def feed_order(roster: Roster) -> Roster:
    return Roster((Feed("dc0", 1, None), *roster.feeds[1:]), roster.hosts)


def feed_nesting(roster: Roster) -> Roster:
    """Circuits one behind the other, for nothing but the work of going through them."""
    first = len(roster.feeds)
    deep = (Feed(f"deep-{n}", first + n - 1 if n else 0, None) for n in range(MAX_NESTING))
    return Roster((*roster.feeds, *deep), roster.hosts)


def host_twice(roster: Roster) -> Roster:
    return Roster(roster.feeds, (*roster.hosts, roster.hosts[0]))


def device_twice(roster: Roster) -> Roster:
    other = Host(ACME.host(7), roster.hosts[0].devices)
    return Roster(roster.feeds, (*roster.hosts, other))


def other_roster(made: Lab, draft: Draft) -> Draft:
    return draft.but_body(roster=bytes(32))


def over_the_change() -> Lab:
    """A window over a change of rosters."""
    made = ran(until=NOON)
    draft = made.usage(0, EVENING)
    made.inventory(swapped_uids(made.roster()), NOON + HOUR)
    made.host(0).append(draft)
    made.run(mute=lambda sub, start, end: sub in (ACME.host(0), ACME.host(1)))
    return made


def strangers_devices() -> Lab:
    """A host speaks that the roster gives no devices."""
    made = ran(until=NOON)
    spare = made.enrol(ACME.host(7), Role.HOST, seeded_key("spare"))
    draft = made.usage(0, EVENING)
    body = draft.statement.body
    spare.append(spare.draft(body._replace(block=None, columns=(), counters=()), EVENING))  # type: ignore[union-attr]
    return went_on(made)


def without_rosters(story: Callable[[], Lab] = honest) -> Case:
    """A rival leaves out the rosters' bodies."""
    made = story()
    bundle = made.bundle()
    (pack,) = [path for path in bundle.files if path.startswith("blocks/")]
    del bundle.files[pack]
    for entry in made.entries:
        if entry.block is not None and peek(entry.data).kind != Kind.INVENTORY:
            bundle.files[f"blocks/sha256/{sha256(entry.block).hexdigest()}"] = entry.block
    return Case([bundle])


def told(devices: int) -> Callable[[], Case]:
    return lambda: Case([honest().bundle()], replace(PACT, devices=devices))


def other_inventory() -> Case:
    return Case([honest().bundle()], under({"kind": "inventory", "roster": "00" * 32}))


def too_many() -> Case:
    return Case([honest().bundle()], under({"kind": "inventory", "maximum": 15}))


def too_few() -> Case:
    return Case([honest().bundle()], under({"kind": "inventory", "minimum": 17}))


def before_the_inventory(*terms: Table) -> Case:
    """The phase begins an hour before any inventory is in force."""
    return Case([honest().bundle()], replace(PACT, phases=(Phase("pause", START - HOUR, END, terms or TERMS),)))


def two_sites_one_bundle() -> Case:
    """The party has a second site, of which no log is given."""

    def amend(agreement: Agreement) -> Agreement:
        (party,) = agreement.parties
        second = replace(party.sites[0], name="acme-dc2", origin="acme.example/dc2")
        terms = tuple(replace(term, sites=("acme-dc1", "acme-dc2")) for term in agreement.phases[0].terms)
        phase = replace(agreement.phases[0], terms=terms)
        return replace(agreement, parties=(replace(party, sites=(*party.sites, second)),), phases=(phase,))

    return Case([honest().bundle()], amend=amend)


VECTORS = (
    # what is not declared, or taken back
    unproven("no devices at all", lambda: declaring(nothing), "inventory/empty"),
    unproven("a node left out from the start", lambda: declaring(one_node), "inventory/short"),
    unproven("a node that is gone at noon", shrunk(NOON), "inventory/short"),
    unproven("an inventory that begins after the phase", before_the_inventory, "inventory/none"),
    unproven("a node taken back when the day is over", day_taken_back, "inventory/late"),
    unproven("fewer than the parties were told of", told(17), "inventory/short"),
    unproven("fewer than the agreement counts on", too_few, "inventory/short"),
    unproven("another inventory than agreed", other_inventory, "inventory/other"),
    breach("more than is allowed", too_many, "term/inventory"),
    unproven("a host that was never enrolled", never_enrolled, "coverage/gap"),
    unproven("a roster that is not shown", without_rosters, "inventory/absent"),
    unproven("a model that nobody knows", lambda: declaring(unknown_model, speaking=True), "pin/missing"),
    unproven("a second site that is not shown", two_sites_one_bundle, "site/no-bundle"),
    # rosters that contradict themselves
    invalid("another number than the roster has", declared(of(swapped_uids), 15), "roster/count", SOURCE),
    invalid("a feed declared twice", declared(of(feed_twice), 16), "roster/feed-twice", SOURCE),
    invalid("feeds nested deeper than any circuit", declared(of(feed_nesting), 16), "roster/feed-nesting", SOURCE),
    invalid("a feed that hangs on a later one", declared(of(feed_order), 16), "roster/feed-order", SOURCE),
    invalid("a host declared twice", declared(of(host_twice), 24), "roster/host-twice", SOURCE),
    invalid("a device declared twice", declared(of(device_twice), 24), "roster/device-twice", SOURCE),
    invalid("a roster that is no roster", declared(b"\xa0", 16), "statement/keys", SOURCE),
    invalid("a roster that is junk", declared(b"\xff", 16), "cbor/indefinite", SOURCE),
    # statements under other rosters
    invalid("a statement under a roster that nobody declared", lambda: tampered(other_roster), "usage/roster", SOURCE),
    invalid("a window over a change of rosters", over_the_change, "usage/roster", SOURCE),
    invalid("a host without devices", strangers_devices, "usage/no-devices", SOURCE),
)


@attacks(VECTORS)
def test_attack(vector: Vector) -> None:
    play(vector)


def test_a_weaker_model_passes_and_the_verdict_says_that_models_are_not_covered() -> None:
    """What V100 could have done at most is within a cap that what the true H100 could have done is over."""
    verdicts = []
    for change in (lambda roster: roster, weaker_model):
        made = declaring(change, speaking=True)
        (bound,) = Case([made.bundle()], under(CAP)).verdict().parties[0].terms
        assert bound.high is not None
        verdicts.append(bound.high)
    true, false = verdicts
    case = Case([made.bundle()], under(CAP | {"limit": f"{false} FLOP"}))
    assert false < true // 4
    assert case.verdict().outcome is HOLDS
    assert "scope/model" in as_data(case.verdict())["not_covered"]


@pytest.mark.parametrize("kind", EVERY)
def test_nothing_passes_on_nothing_declared(kind: str) -> None:
    for case in (
        Case([declaring(nothing).bundle()], under(EVERY[kind])),
        Case([taken_back().bundle()], under(EVERY[kind])),
        before_the_inventory(EVERY[kind]),
        replace(without_rosters(), pact=under(EVERY[kind])),
    ):
        assert case.verdict().outcome in (UNPROVEN, BREACHED)  # an honest lab that is on has broken a full stop


def test_a_true_change_of_rosters_is_allowed() -> None:
    made = ran(until=NOON)
    made.inventory(swapped_uids(made.roster()), NOON)
    play(holds("a change", lambda: went_on(made)))
