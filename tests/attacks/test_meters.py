"""Attacks with meters: impossible readings, feeds of others, clocks, gaps, the lab's own word in a meter's place."""

from collections.abc import Callable
from hashlib import sha256
from typing import Any

import numpy as np

from attest.agreement import Agreement
from attest.format.block import Binding, commit, format_meter
from attest.format.bodies import Channel, MeterBody
from attest.format.roster import Roster
from attest.format.statement import peek
from attest.format.vocabulary import Kind, Quantity, Role
from attest.sign.seeded import seeded_key
from attest.simulate.lab import Lab
from attest.simulate.pact import METER, Phase, Table
from attest.simulate.site import Event, Trouble
from attest.simulate.source import Draft, Source
from attest.simulate.telemetry import SITE_FEED, Instrument, read
from tests.attacks.vectors import (
    EVENING,
    HOUR,
    MORNING,
    NOON,
    SOURCE,
    Case,
    Vector,
    attacks,
    holds,
    invalid,
    play,
    ran,
    unproven,
    went_on,
)
from tests.check.world import ACME, CAP, END, PACT, START, TRAINING, lab, replace, site, under

DOWN = tuple(Event(Trouble.DOWN, node, START, END) for node in (0, 1))
FEED = "dc1-n0000"
TIGHT = under(CAP | {"limit": "2e19 FLOP"})  # above what a meter proves of a day that is off, far below presence
POWER = under({"kind": "power-cap", "limit": "1 kW", "assurance": "L4", "feed": FEED})
OFF = replace(PACT, phases=(Phase("off", MORNING, EVENING, ({"kind": "power-off", "assurance": "L4"},)),))
Readings = tuple[Any, Any]


def quiet(*events: Event, **options: object) -> Lab:
    """A lab that is off all day, and whose meters prove it."""
    made = lab(jobs=(), events=(*DOWN, *events), **options)
    made.run()
    return made


def idle() -> Lab:
    """A lab that is on and says that it is off."""
    made = lab(jobs=())
    made.tales = dict.fromkeys((0, 1), site((), DOWN))
    made.run()
    return made


def tight(made: Lab) -> Case:
    return Case([made.bundle()], TIGHT)


def metered(change: Callable[[list[Readings]], list[Readings]]) -> Callable[[], Lab]:
    """The meter's readings of the evening are others; of each feed values and offsets."""

    def story() -> Lab:
        made = ran()
        meter = made.meter
        assert meter is not None
        taken = [read(made.site, node, meter.until, EVENING, made.instrument) for node in made.feeds]
        meter.append(made.metering(EVENING, change(taken)))
        return went_on(made)

    return story


def first(values: Callable[[Any], Any], offsets: Callable[[Any], Any]) -> Callable[[list[Readings]], list[Readings]]:
    return lambda taken: [(values(taken[0][0].copy()), offsets(taken[0][1].copy())), *taken[1:]]


def same(values: Any) -> Any:
    return values


def falling(offsets: Any) -> Any:
    offsets[7] = offsets[6]
    return offsets


def beyond(offsets: Any) -> Any:
    offsets[-1] += 60_000
    return offsets


def too_far(values: Any) -> Any:
    values[::2], values[1::2] = 0, (1 << 62) - 1
    return values


def too_large(values: Any) -> Any:
    return values | (1 << 62)


def metered_power(power: int) -> Callable[[], Lab]:
    """A meter of power shows so many mW."""

    def story() -> Lab:
        made = ran(instrument=Instrument(Quantity.MEAN_POWER))
        meter = made.meter
        assert meter is not None
        taken = [read(made.site, node, meter.until, EVENING, made.instrument) for node in made.feeds]
        taken[0] = (np.full(len(taken[0][0]), power), taken[0][1])
        meter.append(made.metering(EVENING, taken))
        return went_on(made)

    return story


def drafted(change: Callable[[Draft], Draft], **options: object) -> Callable[[], Lab]:
    """The meter's statement of the evening is another, and its last."""

    def story() -> Lab:
        made = ran(**options)
        meter = made.meter
        assert meter is not None
        meter.append(change(made.metering(EVENING)))
        made.run(mute=lambda sub, start, end: sub == meter.sub)
        return made

    return story


def channels(draft: Draft, *names: str) -> Draft:
    body = draft.statement.body
    assert isinstance(body, MeterBody)
    return draft.but_body(channels=tuple(c._replace(feed=n) for c, n in zip(body.channels, names, strict=True)))


def centuries(draft: Draft) -> Draft:
    return draft.but(end=draft.statement.start + (1 << 33))


def twice(draft: Draft) -> Draft:
    return channels(draft, FEED, FEED, "dc1")


def unsure() -> Case:
    return tight(quiet(clock_uncertainty=7_200))


def unmetered() -> Case:
    return Case([quiet(meter=None).bundle()], replace(POWER, meter=None))


def others_feed() -> Lab:
    """The lab's own meter, which no roster names, reads a feed of the independent one."""
    made = ran(until=MORNING)
    own = made.enrol(made.own_meter, Role.METER, seeded_key("own meter"))
    own.append(readings_of(made, own, NOON, lambda values: values))
    return went_on(made)


def readings_of(made: Lab, source: Source, until: int, change: Callable[[Any], Any]) -> Draft:
    """A source's statement about all feeds."""
    taken = []
    for node in made.feeds:
        values, offsets = read(made.site, node, source.until, until, made.instrument)
        taken.append((change(values), offsets))
    block = format_meter(bytes(32), Binding(made.log, source.sub, source.seq), made.instrument.quantity, taken)
    named = tuple(Channel(name, len(values), 0) for name, (values, _) in zip(made.feeds.values(), taken, strict=True))
    body = MeterBody(made.instrument.quantity, made.instrument.step_s * 1_000, 0, 1, named, commit(block))
    return source.draft(body, until, block)


def in_its_place(*, moved: bool = False) -> Callable[[], Case]:
    """All day long the lab trains; its own meter reads a thousandth of it, in the place of the independent one."""

    def story() -> Case:
        made = lab(jobs=(TRAINING,))
        own = made.enrol(made.own_meter, Role.METER, seeded_key("own meter"))
        roster = made.roster()
        theirs = Roster(tuple(f._replace(meter=own.sub) for f in roster.feeds), roster.hosts)
        if moved:  # the roster names the independent meter first, the lab's own once the phase has begun
            made.run(until=START + HOUR)
        made.inventory(theirs, made.now)
        while made.now < END:
            made.now += 6 * HOUR if made.now % (6 * HOUR) == 0 else 5 * HOUR
            own.append(readings_of(made, own, made.now, lambda values: values // 1_000))
            made.witness()
            made.head()
        return tight(made)

    return story


def in_its_name_at_another_site() -> Case:
    """The agreement's meter speaks at another site; here the lab enrols a key of its own under the meter's sub."""

    def amend(agreement: Agreement) -> Agreement:
        (party,) = agreement.parties
        (meter,) = party.meters
        elsewhere = replace(party.sites[0], name="acme-dc2", origin="acme.example/dc2")
        moved = replace(party, sites=(*party.sites, elsewhere), meters=(replace(meter, site="acme-dc2"),))
        return replace(agreement, parties=(moved,))

    made = lab(jobs=(TRAINING,), meter=None)
    meter = made.enrol(ACME.meter, Role.METER, seeded_key("own meter"))
    made.inventory(made.roster(), START)
    while made.now < END:
        made.now += 6 * HOUR
        meter.append(readings_of(made, meter, made.now, lambda values: values // 1_000))
        made.witness()
        made.head()
    case = tight(made)
    return replace(case, pact=replace(case.pact, meter=METER), amend=amend)


def with_meter(told: Callable[[], Lab], pact: Any = TIGHT, **figures: object) -> Callable[[], Case]:
    """The agreement says something else of the meter."""

    def story() -> Case:
        known: Table = {**METER, **figures}  # type: ignore[dict-item]
        return Case([told().bundle()], replace(pact, meter={k: v for k, v in known.items() if v != ""}))

    return story


def gauge() -> Lab:
    return quiet(instrument=Instrument(Quantity.GAUGE_POWER))


def sampled_mean() -> Lab:
    return quiet(instrument=Instrument(Quantity.MEAN_POWER))


def gap() -> Lab:
    """The meter of a node, and that of the site, miss two hours; the devices say that they were off."""
    return quiet(*(Event(Trouble.METER_GAP, feed, NOON, NOON + 2 * HOUR) for feed in (SITE_FEED, 0)))


def silent_meter() -> Lab:
    made = lab(jobs=(), events=DOWN)
    made.run(mute=lambda sub, start, end: sub == ACME.meter)
    return made


def blocks_withheld() -> Case:
    """The meter's blocks are not shown."""
    made = quiet()
    bundle = made.bundle()
    (pack,) = [path for path in bundle.files if path.startswith("blocks/")]
    del bundle.files[pack]
    for entry in made.entries:
        if entry.block is not None and peek(entry.data).kind != Kind.METER:
            bundle.files[f"blocks/sha256/{sha256(entry.block).hexdigest()}"] = entry.block
    return Case([bundle], TIGHT)


def halved() -> Case:
    """The site's meter shows half of what the nodes' own meters show."""
    made = lab(jobs=())
    meter = made.meter
    assert meter is not None
    while made.now < END:
        made.now += 6 * HOUR
        for node in (0, 1):
            made.host(node).append(made.usage(node, made.now))
        taken = [read(made.site, node, meter.until, made.now, made.instrument) for node in made.feeds]
        taken[0] = (taken[0][0] // 2, taken[0][1])
        meter.append(made.metering(made.now, taken))
        made.witness()
        made.head()
    return Case([made.bundle()], replace(TIGHT, phases=(Phase("day", MORNING, EVENING, TIGHT.phases[0].terms),)))


def capped(story: Callable[[], Lab], **figures: object) -> Callable[[], Case]:
    return with_meter(story, POWER, **figures)


VECTORS = (
    # readings
    invalid("readings that go back in time", metered(first(same, falling)), "meter/order", SOURCE),
    invalid("readings beyond their window", metered(first(same, beyond)), "meter/outside", SOURCE),
    invalid("a register that no meter can have", metered(first(too_large, same)), "block/range", SOURCE),
    invalid("a register that climbs beyond all measure", metered(first(too_far, same)), "meter/range", SOURCE),
    invalid("power that no circuit carries", metered_power(0xFFFFFFFF), "block/range", SOURCE),
    invalid("a window of no time", drafted(lambda d: d.but(end=d.statement.start)), "meter/window", SOURCE),
    invalid(
        "a window of centuries", drafted(lambda d: d.but(end=d.statement.start + (1 << 33))), "meter/window", SOURCE
    ),
    # feeds
    invalid("a feed that nobody has", drafted(lambda d: channels(d, "dc9", "a", "b")), "meter/unknown-feed", SOURCE),
    invalid("a feed of another meter", others_feed, "meter/unknown-feed", SOURCE),
    invalid("one feed twice", drafted(twice), "meter/feed-twice", SOURCE, "tree/pack"),
    unproven(
        "the lab's own meter for the independent one",
        in_its_place(),
        "bounds/too-wide",
    ),
    unproven(
        "the lab's own meter after the independent one",
        in_its_place(moved=True),
        "bounds/too-wide",
    ),
    unproven("the lab's own meter under the independent one's name", in_its_name_at_another_site, "bounds/too-wide"),
    # what bounds nothing
    unproven("a gauge in a meter's place", lambda: tight(gauge()), "bounds/too-wide"),
    unproven("samples said to be means", with_meter(sampled_mean, integrates=False), "bounds/too-wide"),
    unproven("a clock of which nothing is known", with_meter(quiet, OFF, clock=""), "power/not-shown-off"),
    unproven("a meter that does not know its clock", lambda: tight(quiet(clock_uncertainty=None)), "bounds/too-wide"),
    unproven("a meter whose clock is worse than agreed", unsure, "bounds/too-wide"),
    unproven("a cap on a meter whose clock nobody knows", capped(quiet, clock=""), "meter/clock"),
    unproven("storage that could feed the devices unseen", with_meter(quiet, storage="1 MWh"), "bounds/too-wide"),
    unproven("two hours that no meter saw", lambda: tight(gap()), "bounds/too-wide"),
    unproven("a cap on a meter with a gap", capped(gap), "meter/gap"),
    unproven("a meter that never speaks", lambda: tight(silent_meter()), "bounds/too-wide"),
    unproven(
        "a cap on a feed without a meter",
        unmetered,
        "meter/none",
    ),
    unproven("a meter whose readings are not shown", blocks_withheld, "block/absent"),
    unproven("a site that took less than its nodes", halved, "balance/negative"),
    unproven("idle said to be off", lambda: Case([idle().bundle()], OFF), "power/not-shown-off"),
)


@attacks(VECTORS)
def test_attack(vector: Vector) -> None:
    play(vector)


def test_the_honest_prove_what_they_say() -> None:
    play(holds("a quiet day", lambda: tight(quiet())))
    play(holds("a quiet day, by means", lambda: tight(sampled_mean())))
    play(holds("a capped day", capped(quiet)))
    play(holds("a day off", lambda: Case([quiet().bundle()], OFF)))
