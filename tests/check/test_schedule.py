"""When phases bind a party, by triggers, lifts, exits and withdrawals: times as hours of one day."""

from collections.abc import Sequence

import pytest

from attest.acts import Act, Paper, PartyActs, Standing
from attest.agreement import parse_agreement
from attest.format.event import Deed, EventAct
from attest.relief import Relief
from attest.schedule import schedule
from attest.simulate.cast import Adjudicators
from attest.simulate.pact import Phase
from tests.check.world import COVERAGE, DAY, END, HOUR, PACT, START, replace

ONE = (COVERAGE,)
PHASES = (
    Phase("baseline", START, START + 6 * HOUR, ONE),
    Phase("ramp", START + 6 * HOUR, START + 20 * HOUR, ONE),
    Phase("pause", 0, END, ONE, "trigger"),
    Phase("lifted", 0, END + DAY, ONE, "lift"),
)
AGREEMENT = parse_agreement(replace(PACT, phases=PHASES, adjudicators=Adjudicators()).text())
Told = tuple[Deed, str | None, int, int, int | None]  # what, phase, number, from, witnessed in the own log or until

T, L, X, W = Deed.TRIGGER, Deed.LIFT, Deed.EXIT, Deed.WITHDRAWAL
NEVER = None


def acts(*told: Told) -> PartyActs:
    standing: dict[Deed, list[Standing]] = {deed: [] for deed in Deed}
    for deed, phase, number, start, second in told:
        event = EventAct(deed, b"a" * 32, None, phase, number, START + start * HOUR, END + DAY, None)
        when = None if second is None else START + second * HOUR
        act = Act(event, ("Uma", "Vic"), Paper(b""))
        standing[deed].append(Standing(act, event.start, when or event.end, when if deed is T else event.start))
    return PartyActs(standing, Relief(), ())


STORIES: dict[str, tuple[Sequence[Told], str]] = {
    "nothing happens": ([], "baseline 0-6, ramp 6-20"),
    "a trigger, entered": ([(T, "pause", 1, 8, 8)], "baseline 0-6, ramp 6-8, pause 8-24"),
    "a trigger, entered later": ([(T, "pause", 1, 8, 10)], "baseline 0-6, ramp 6-10, pause 8-24"),
    "a trigger, never entered": ([(T, "pause", 1, 8, NEVER)], "baseline 0-6, ramp 6-20, pause 8-24"),
    "a trigger in the baseline": ([(T, "pause", 1, 3, 3)], "baseline 0-3, pause 3-24"),
    "a lift": ([(T, "pause", 1, 8, 8), (L, "pause", 2, 12, None)], "baseline 0-6, ramp 6-8, pause 8-12, lifted 12-48"),
    "a lift of a lower number": (
        [(T, "pause", 2, 8, 8), (L, "pause", 1, 12, None)],
        "baseline 0-6, ramp 6-8, pause 8-24",
    ),
    "a lift before the trigger": ([(T, "pause", 1, 8, 8), (L, "pause", 2, 7, None)], "baseline 0-6, ramp 6-8"),
    "a lift of a phase by its date": ([(L, "ramp", 1, 10, None)], "baseline 0-6, ramp 6-10"),
    "two lifts": (
        [(T, "pause", 1, 8, 8), (L, "pause", 2, 15, None), (L, "pause", 3, 12, None)],
        "baseline 0-6, ramp 6-8, pause 8-12, lifted 12-48",
    ),
    "two triggers": ([(T, "pause", 1, 8, 8), (T, "pause", 2, 12, 12)], "baseline 0-6, ramp 6-8, pause 8-24"),
    "a trigger after a lift": (
        [(T, "pause", 1, 8, 8), (L, "pause", 2, 12, None), (T, "pause", 3, 16, 16)],
        "baseline 0-6, ramp 6-8, pause 8-12, lifted 12-16, pause 16-24",
    ),
    "an exit": (
        [(T, "pause", 1, 8, 8), (X, "pause", 2, 10, 14)],
        "baseline 0-6, ramp 6-8, pause 8-10, pause 14-24, event/exit 10-14",
    ),
    "an exit from another phase": ([(X, "pause", 1, 0, 24)], "baseline 0-6, ramp 6-20"),
    "an exit from the beginning": ([(X, "ramp", 1, 2, 8)], "baseline 0-6, ramp 8-20, event/exit 6-8"),
    "an exit that is still to come": ([(X, "ramp", 1, 19, 20)], "baseline 0-6, ramp 6-19"),
    "a withdrawal": ([(W, None, 1, 10, None)], "baseline 0-6, ramp 6-10, event/withdrawn 10-20"),
}  # fmt: skip


@pytest.mark.parametrize(("told", "expected"), STORIES.values(), ids=STORIES)
def test_phases(told: Sequence[Told], expected: str) -> None:
    found = schedule(AGREEMENT, acts(*told), START + 18 * HOUR)
    said = [(slot.phase.name, slot.start, slot.end) for slot in found.slots]
    said += [(f.code, f.start, f.end) for f in found.findings if f.end]
    assert ", ".join(f"{name} {(a - START) // HOUR}-{(b - START) // HOUR}" for name, a, b in said) == expected


def test_a_phase_is_known_by_its_whole_occurrence() -> None:
    (before, after) = (
        slot.phase for slot in schedule(AGREEMENT, acts((T, "pause", 1, 8, 8), (X, "pause", 2, 10, 14)), END).slots[2:]
    )
    assert (before.start, before.end) == (after.start, after.end) == (START + 8 * HOUR, END)


def test_what_waits_is_said() -> None:
    found = schedule(AGREEMENT, acts(), END)
    assert [f.text for f in found.findings] == [
        "pause waits for a trigger, and none that counts was found",
        "lifted waits for a lift, and none that counts was found",
    ]
