"""Terms of every kind that the truth breaks by a hair: a cap one FLOP or one mW below what was so, a notice due a
second before it came.

So a term passes an attempt exactly where a bound of the verdict is below the truth, whatever limit the parties might
have agreed on. A new kind of term is one more line of `BREAKABLE`."""

from collections.abc import Callable
from datetime import UTC, datetime
from enum import Enum
from typing import Final, NamedTuple

import numpy as np

from attest.format.vocabulary import Label
from attest.simulate.draws import Ints
from attest.simulate.pact import Table
from tests.bench.families.truth import HOUR, Truth

DAY: Final = 86_400
LOOSE: Final = 10**30  # FLOP that nothing comes near
Make = Callable[[Truth, int, int], Table | None]


class Word(Enum):
    """Whose word a term takes."""

    HOSTS = "hosts"
    OWN_METER = "the lab's own meter"
    NOBODY = "nobody"


class Breakable(NamedTuple):
    """A kind of term, as the truth of a phase breaks it by a hair (None where it does not), and whose word it takes."""

    make: Make
    word: Word = Word.NOBODY


def _leveled(level: str, make: Make, word: Word = Word.HOSTS) -> Breakable:
    """A term at a level: at L1 it takes the lab's word."""

    def at_level(truth: Truth, start: int, end: int) -> Table | None:
        term = make(truth, start, end)
        return None if term is None else {**term, "assurance": level}

    return Breakable(at_level, word if level == "L1" else Word.NOBODY)


def _compute(label: Label | None = None, window: int | None = None) -> Make:
    def make(truth: Truth, start: int, end: int) -> Table | None:
        if window is None or truth.flop is not None:
            flop = truth.executed(start, end, label)
        else:
            flop = _most(truth.work(start, end), window // truth.sites[0].plan.interval) * 10**6
        term: dict[str, str] = {"kind": "compute-cap", "limit": f"{flop - 1} FLOP"}
        term |= {} if label is None else {"label": label.name.lower()}
        term |= {} if window is None else {"window": f"{window} s"}
        return term if flop > 1 else None

    return make


def _slowdown(truth: Truth, start: int, end: int) -> Table | None:
    rate = (truth.executed(start, end) - 1) // (end - start)
    return {"kind": "slowdown", "baseline": f"{rate} FLOP/s", "share": "100 %"} if rate > 0 else None


def _ramp(truth: Truth, start: int, end: int) -> Table | None:
    """A staircase by days, or by quarters of one, that the last of its fullest steps overruns; none is before it."""
    if not truth.sites:
        return None
    length = DAY if end - start > DAY else (end - start) // 4
    starts = range(start, end, length)
    done = [truth.executed(at, at + length) for at in starts]
    most = max(done)
    if most <= 1:
        return None
    place = max(n for n, flop in enumerate(done) if flop == most)
    step: list[dict[str, str | datetime]] = [
        {"start": datetime.fromtimestamp(at, UTC), "limit": f"{LOOSE if n < place else most - 1} FLOP"}
        for n, at in enumerate(starts)
    ]
    return {"kind": "ramp", "step": step}


def _run(per: str) -> Make:
    """All training is one run of one owner, however it is told."""

    def make(truth: Truth, start: int, end: int) -> Table | None:
        flop = truth.executed(start, end, Label.TRAINING)
        return {"kind": "run-cap", "limit": f"{flop - 1} FLOP", "per": per} if flop > 1 else None

    return make


def _scale(truth: Truth, start: int, end: int) -> Table | None:
    count = truth.at_once(start, end)
    return {"kind": "scale-cap", "devices": count - 1} if count > 1 else None


def _idle(truth: Truth, start: int, end: int) -> Table | None:
    drawn = truth.busiest(start, end)
    return {"kind": "idle", "power": f"{drawn - 1} mW"} if drawn > 1 else None


def _power(truth: Truth, start: int, end: int) -> Table | None:
    """Of the hour that took the most."""
    if not truth.sites:
        return None
    per = HOUR // truth.sites[0].plan.interval
    most = int(truth.power(start, end).reshape(-1, per).sum(axis=1).max()) // per
    return {"kind": "power-cap", "limit": f"{most - 1} mW"} if most > 1 else None


def _energy(truth: Truth, start: int, end: int) -> Table | None:
    if not truth.sites:
        return None
    whole = int(truth.power(start, end).sum()) * truth.sites[0].plan.interval
    return {"kind": "power-cap", "limit": f"{whole - 1} mJ"} if whole > 1 else None


def _off(truth: Truth, start: int, end: int) -> Table | None:
    return {"kind": "power-off"} if truth.on(start, end) else None


def _coverage(truth: Truth, start: int, end: int) -> Table | None:
    share = _share_without(truth, start, end, truth.unrecorded - truth.excused)
    return None if share is None else {"kind": "coverage", "share": share}


def _gap(truth: Truth, start: int, end: int) -> Table | None:
    """Some accelerator is dark for as long as the mean of all is."""
    dark = truth.unrecorded // max(truth.devices(), 1)
    return {"kind": "gap", "longest": f"{end - start} s", "outage": f"{dark - 1} s"} if dark > 1 else None


def _assurance(level: str) -> Breakable:
    """At L1 evidence is a record or a reading."""

    def make(truth: Truth, start: int, end: int) -> Table | None:
        bare = truth.unmetered if level == "L4" else min(truth.unmetered, truth.unrecorded)
        share = _share_without(truth, start, end, bare)
        return None if share is None else {"kind": "assurance", "level": level, "share": share}

    return Breakable(make, Word.HOSTS if level == "L1" else Word.NOBODY)


def _share_without(truth: Truth, start: int, end: int, missing: int) -> str | None:
    """A millionth more than is left of the device-time of a phase."""
    whole = truth.devices() * (end - start)
    return f"{(whole - missing) * 1_000_000 // whole + 1} ppm" if missing > 0 else None


def _freshness(truth: Truth, start: int, end: int) -> Table | None:
    return {"kind": "freshness", "max_age": f"{truth.stale_s - 1} s"} if truth.stale_s > 1 else None


def _timeliness(truth: Truth, start: int, end: int) -> Table | None:
    return {"kind": "timeliness", "share": "100 %"} if truth.late else None


def _witnessing(truth: Truth, start: int, end: int) -> Table | None:
    return {"kind": "witnessing"} if truth.late else None


def _inventory(truth: Truth, start: int, end: int) -> Table | None:
    return {"kind": "inventory", "maximum": truth.devices() - 1} if truth.undeclared else None


def _notice(truth: Truth, start: int, end: int) -> Table | None:
    """Of a run that starts in the phase, and was announced a second later than it had to be, or never."""
    count, began, notice = truth.at_once(start, end), truth.began(), truth.told.notice_s
    if not count or began is None or not start <= began < end:
        return None
    due = {} if notice is None else {"notice": f"{max(notice + 1, 0)} s"}
    return {"kind": "reporting", "devices": count - 1, **due}


def _closing(truth: Truth, start: int, end: int) -> Table | None:
    """Of one that was announced, and closed a second later than it had to be, or never."""
    count, began, (notice, closing) = truth.at_once(start, end), truth.began(), truth.told
    if not count or began is None or not start <= began < end or notice is None:
        return None
    due = "1 h" if closing is None else f"{max(closing - 1, 0)} s"
    return {"kind": "reporting", "devices": count - 1, "closing": due}


BREAKABLE: Final[dict[str, Breakable]] = {
    "compute L1": _leveled("L1", _compute()),
    "compute L4": _leveled("L4", _compute()),
    "compute in any 6 h L1": _leveled("L1", _compute(window=6 * HOUR)),
    "compute in any 6 h L4": _leveled("L4", _compute(window=6 * HOUR)),
    "training L1": _leveled("L1", _compute(Label.TRAINING)),
    "training L4": _leveled("L4", _compute(Label.TRAINING)),
    "slowdown L4": _leveled("L4", _slowdown),
    "ramp L1": _leveled("L1", _ramp),
    "ramp L4": _leveled("L4", _ramp),
    "run L1": _leveled("L1", _run("lineage")),
    "run L4": _leveled("L4", _run("lineage")),
    "owner L1": _leveled("L1", _run("owner")),
    "scale L1": _leveled("L1", _scale),
    "scale L4": _leveled("L4", _scale),
    "idle L1": _leveled("L1", _idle),
    "idle L4": _leveled("L4", _idle),
    "power L1": _leveled("L1", _power, Word.OWN_METER),
    "power L4": _leveled("L4", _power),
    "energy L4": _leveled("L4", _energy),
    "off L4": _leveled("L4", _off),
    "coverage": Breakable(_coverage, Word.HOSTS),
    "gap": Breakable(_gap, Word.HOSTS),
    "assurance L1": _assurance("L1"),
    "assurance L4": _assurance("L4"),
    "freshness": Breakable(_freshness),
    "timeliness": Breakable(_timeliness),
    "witnessing": Breakable(_witnessing),
    "inventory": Breakable(_inventory),
    "reporting": Breakable(_notice, Word.HOSTS),
    "reporting of the end": Breakable(_closing, Word.HOSTS),
}


def _most(series: Ints, length: int) -> int:
    """The largest sum of so many neighbouring intervals, at most all of them."""
    sums = np.concatenate(([0], np.cumsum(series)))
    length = min(length, len(series))
    return int((sums[length:] - sums[:-length]).max())
