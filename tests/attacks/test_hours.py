"""Attacks on single hours: a meter unnamed for some of them, blocks stripped from a copy, witnesses who were away."""

from collections.abc import Collection
from hashlib import sha256

import pytest

from attest.format.roster import Roster
from attest.format.statement import peek
from attest.format.vocabulary import Kind, Quantity
from attest.simulate.lab import Lab
from attest.simulate.site import Event, Trouble
from attest.simulate.telemetry import Instrument
from attest.verdict import Outcome, Verdict
from tests.check.world import CAP, COVERAGE, DAY, END, HOUR, START, codes, judge, lab, under

DAYS = 3
LAST = START + DAYS * DAY


def unnamed(hours: Collection[int]) -> Lab:
    """A register meter with steps of seven minutes, which no roster names in some hours."""
    made = lab(jobs=(), end=LAST, instrument=Instrument(Quantity.REGISTER, 420))
    named = made.roster()
    bare = Roster(tuple(feed._replace(meter=None) for feed in named.feeds), named.hosts)
    for hour in range(1, 24 * DAYS + 1):
        made.now = START + hour * HOUR
        if hour in hours or hour - 1 in hours or hour % 6 == 0:
            for node in (0, 1):
                made.host(node).append(made.usage(node, made.now))
        if hour in hours:
            made.inventory(bare, made.now)
        if hour - 1 in hours:
            made.inventory(named, made.now)
        if hour % 2 == 0 and made.meter is not None:
            made.meter.append(made.metering(made.now))
        made.witness()
        made.head()
    return made


def high(made: Lab) -> int:
    verdict = judge(made.bundle(), under(CAP, end=LAST), at=LAST + DAY)
    found = verdict.parties[0].terms[0].high
    assert found is not None
    return found


def test_a_meter_that_is_unnamed_for_hours_bounds_no_tighter() -> None:
    """A step over the edge of such an hour counts whole on both of its sides, never less than nothing."""
    assert high(unnamed((1, 3, 5, 7, 9, 11))) >= high(unnamed(()))


@pytest.mark.parametrize("hour", range(2, 6))
def test_whichever_hour_it_is_there_is_a_verdict(hour: int) -> None:
    assert high(unnamed((hour, hour + 2))) > 0


def stripped(made: Lab) -> Verdict:
    """The verdict on a copy without any block but the roster."""
    bundle = made.bundle()
    for path in [path for path in bundle.files if path.startswith("blocks/")]:
        del bundle.files[path]
    for entry in made.entries:
        if entry.block is not None and peek(entry.data).kind == Kind.INVENTORY:
            bundle.files[f"blocks/sha256/{sha256(entry.block).hexdigest()}"] = entry.block
    return judge(bundle, under(COVERAGE, end=LAST), at=LAST + DAY)


def test_who_strips_the_blocks_makes_no_breach() -> None:
    made = lab(end=LAST)
    made.run()
    verdict = stripped(made)
    assert verdict.outcome is Outcome.UNPROVEN
    assert {"block/absent", "coverage/gap"} <= codes(verdict)


@pytest.mark.parametrize("down", [False, True], ids=["idle", "off"])
def test_late_witnesses_make_no_breach(down: bool) -> None:
    """What statements account for, sampled or off, and was witnessed too late, is nobody's silence."""
    events = tuple(Event(Trouble.DOWN, node, START, END) for node in (0, 1)) if down else ()
    made = lab(jobs=(), events=events, end=LAST)
    made.delay_s = 13 * HOUR
    made.run(until=END)
    made.delay_s = 60
    made.run()
    verdict = judge(made.bundle(), under(COVERAGE, end=END), at=LAST + DAY)
    assert verdict.outcome is Outcome.UNPROVEN
    assert "term/coverage" not in codes(verdict)
