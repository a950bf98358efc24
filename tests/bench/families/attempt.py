"""An attempt: what a verifier is given, what truly happened, and what comes of it under every agreement.

An agreement here is one term. `BREAKABLE` makes of what truly happened a term of each kind that this breaks by a
hair: a cap one FLOP or one mW below the truth. So a term passes an attempt exactly where a bound of the verdict is
below the truth, whatever limit the parties might have agreed on, and a new kind of term is one more line of the
table. All terms stand in one text and are judged at once; a term's outcome is then what the verdict would be if it
stood there alone: the most serious of its own and of those about the evidence.

Terms at L1 and below take the lab's word for its own telemetry. Where an attempt is nothing but a consistent lie in
it (`word`), they are counted apart: no log could say more. So are agreements that say themselves that they do not see
it (`unclaimed`)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from attest.agreement import Agreement, SignedAgreement, verify_agreement
from attest.bundle import Bundle
from attest.check import check
from attest.format.vocabulary import Label
from attest.simulate.cast import Identity
from attest.simulate.draws import Ints
from attest.simulate.pact import Pact, Phase, Table
from attest.simulate.site import DEVICES, Site
from attest.trust.pins import parse_trust
from attest.verdict import worst

HOUR = 3_600
DAY = 86_400
ACME = Identity("acme")


class Truth(NamedTuple):
    """What truly happened: at sites, all of the party's, whatever it declared of them; `undeclared` if that was not
    all. `through` is the power through their feeds where they have batteries or generators of their own. `unrecorded`
    are device-seconds of the phase of which no true record is in the log, `late` whether any was made or shown late,
    `flop` the executed FLOP where it is known of a real run."""

    sites: tuple[Site, ...] = ()
    undeclared: bool = False
    through: Ints | None = None
    unrecorded: int = 0
    late: bool = False
    flop: int | None = None

    def work(self, start: int, end: int, label: Label | None = None) -> Ints:
        """MFLOP by interval, of all sites."""
        series = []
        for site in self.sites:
            plan = site.plan
            wanted = [i for i, job in enumerate(plan.jobs) if label in (None, job.label)]
            when = plan.during(start, end)
            for node in range(plan.nodes):
                trace = site.trace(node)
                done = np.where(np.isin(trace.job[:, when], wanted), trace.work[:, when], 0)
                series.append(done.sum(axis=0))
        return np.sum(series, axis=0, dtype=np.int64)

    def at_once(self, start: int, end: int) -> int:
        """The most accelerators that train at one time, of all sites."""
        counts = []
        for site in self.sites:
            wanted = [i for i, job in enumerate(site.plan.jobs) if job.label is Label.TRAINING]
            when = site.plan.during(start, end)
            counts += [np.isin(site.trace(n).job[:, when], wanted).sum(axis=0) for n in range(site.plan.nodes)]
        return int(np.sum(counts, axis=0).max()) if counts else 0

    def busiest(self, start: int, end: int) -> int:
        """The most that the accelerators of a node draw, each, as their mean over an hour, mW."""
        means = [0]
        for site in self.sites:
            when, per = site.plan.during(start, end), HOUR // site.plan.interval
            for node in range(site.plan.nodes):
                drawn = site.trace(node).power_mw[:, when].sum(axis=0).reshape(-1, per).sum(axis=1)
                means.append(int(drawn.max()) // (per * DEVICES))
        return max(means)

    def executed(self, start: int, end: int, label: Label | None = None) -> int:
        """FLOP, of all sites."""
        if self.flop is not None:
            return self.flop
        return int(self.work(start, end, label).sum()) * 10**6

    def power(self, start: int, end: int) -> Ints:
        """mW by interval, through the feeds of all sites."""
        if self.through is not None:
            return self.through[self.sites[0].plan.during(start, end)]
        return np.sum([s.site_mw[s.plan.during(start, end)] for s in self.sites], axis=0, dtype=np.int64)

    def on(self, start: int, end: int) -> bool:
        """Whether any device drew power."""
        sites = [(s, s.plan.during(start, end)) for s in self.sites]
        return any(s.trace(n).power_mw[:, when].any() for s, when in sites for n in range(s.plan.nodes))

    def devices(self) -> int:
        """How many accelerators there are."""
        return DEVICES * sum(s.plan.nodes for s in self.sites)


Make = Callable[[Truth, int, int], Table | None]


class Breakable(NamedTuple):
    """A kind of term at a level, as the truth of a phase breaks it by a hair; None where it does not."""

    level: int
    make: Make


def _cap(level: str, label: Label | None = None, window: int | None = None) -> Breakable:
    def make(truth: Truth, start: int, end: int) -> Table | None:
        if window is None or truth.flop is not None:
            flop = truth.executed(start, end, label)
        else:
            flop = _most(truth.work(start, end), window // truth.sites[0].plan.interval) * 10**6
        term: dict[str, str] = {"kind": "compute-cap", "limit": f"{flop - 1} FLOP", "assurance": level}
        term |= {} if label is None else {"label": label.name.lower()}
        term |= {} if window is None else {"window": f"{window} s"}
        return term if flop > 1 else None

    return Breakable(int(level[1]), make)


def _power(level: str) -> Breakable:
    """Of the hour that took the most."""

    def make(truth: Truth, start: int, end: int) -> Table | None:
        if not truth.sites:
            return None
        per = HOUR // truth.sites[0].plan.interval
        most = int(truth.power(start, end).reshape(-1, per).sum(axis=1).max()) // per
        return {"kind": "power-cap", "limit": f"{most - 1} mW", "assurance": level} if most > 1 else None

    return Breakable(int(level[1]), make)


def _energy(level: str) -> Breakable:
    def make(truth: Truth, start: int, end: int) -> Table | None:
        if not truth.sites:
            return None
        whole = int(truth.power(start, end).sum()) * truth.sites[0].plan.interval
        return {"kind": "power-cap", "limit": f"{whole - 1} mJ", "assurance": level} if whole > 1 else None

    return Breakable(int(level[1]), make)


def _off(truth: Truth, start: int, end: int) -> Table | None:
    return {"kind": "power-off", "assurance": "L4"} if truth.on(start, end) else None


def _run(level: str) -> Breakable:
    """All training is one run, however it is told."""

    def make(truth: Truth, start: int, end: int) -> Table | None:
        flop = truth.executed(start, end, Label.TRAINING)
        return {"kind": "run-cap", "limit": f"{flop - 1} FLOP", "assurance": level} if flop > 1 else None

    return Breakable(int(level[1]), make)


def _scale(level: str) -> Breakable:
    def make(truth: Truth, start: int, end: int) -> Table | None:
        count = truth.at_once(start, end)
        return {"kind": "scale-cap", "devices": count - 1, "assurance": level} if count > 1 else None

    return Breakable(int(level[1]), make)


def _idle(level: str) -> Breakable:
    def make(truth: Truth, start: int, end: int) -> Table | None:
        drawn = truth.busiest(start, end)
        return {"kind": "idle", "power": f"{drawn - 1} mW", "assurance": level} if drawn > 1 else None

    return Breakable(int(level[1]), make)


def _slowdown(truth: Truth, start: int, end: int) -> Table | None:
    rate = (truth.executed(start, end) - 1) // (end - start)
    term = {"kind": "slowdown", "baseline": f"{rate} FLOP/s", "share": "100 %", "assurance": "L4"}
    return term if rate > 0 else None


def _gap(truth: Truth, start: int, end: int) -> Table | None:
    """Some accelerator is dark for as long as the mean of all is."""
    dark = truth.unrecorded // max(truth.devices(), 1)
    return {"kind": "gap", "longest": f"{end - start} s", "outage": f"{dark - 1} s"} if dark > 1 else None


def _timeliness(truth: Truth, start: int, end: int) -> Table | None:
    return {"kind": "timeliness", "share": "100 %"} if truth.late else None


def _coverage(truth: Truth, start: int, end: int) -> Table | None:
    whole = truth.devices() * (end - start)
    share = 1_000_000 if not whole else (whole - truth.unrecorded) * 1_000_000 // whole
    return {"kind": "coverage", "share": f"{share + 1} ppm"} if truth.unrecorded else None


def _witnessing(truth: Truth, start: int, end: int) -> Table | None:
    return {"kind": "witnessing"} if truth.late else None


def _inventory(truth: Truth, start: int, end: int) -> Table | None:
    return {"kind": "inventory", "maximum": truth.devices() - 1} if truth.undeclared else None


BREAKABLE: dict[str, Breakable] = {
    "compute L1": _cap("L1"),
    "compute L4": _cap("L4"),
    "compute in any 6 h L1": _cap("L1", window=6 * HOUR),
    "compute in any 6 h L4": _cap("L4", window=6 * HOUR),
    "training L1": _cap("L1", Label.TRAINING),
    "training L4": _cap("L4", Label.TRAINING),
    "slowdown L4": Breakable(4, _slowdown),
    "run L1": _run("L1"),
    "run L4": _run("L4"),
    "scale L1": _scale("L1"),
    "scale L4": _scale("L4"),
    "idle L1": _idle("L1"),
    "idle L4": _idle("L4"),
    "power L1": _power("L1"),
    "power L4": _power("L4"),
    "energy L4": _energy("L4"),
    "off L4": Breakable(4, _off),
    "coverage": Breakable(0, _coverage),
    "gap": Breakable(0, _gap),
    "witnessing": Breakable(0, _witnessing),
    "timeliness": Breakable(0, _timeliness),
    "inventory": Breakable(0, _inventory),
}


@dataclass(frozen=True)
class Attempt:
    """What is shown and what is so. `phases` are (start, end); `pact` has the parties and all but the phases, `amend`
    what no text says of them, and `party` is the one that breaks it; `only` are the agreements that the attempt is made
    under, all that it breaks if empty, and `unclaimed` those that say themselves that they do not see it; `at` is the
    time of judgement."""

    bundles: Sequence[Bundle]
    truth: Truth
    phases: tuple[tuple[int, int], ...]
    at: int
    word: bool = False
    only: tuple[str, ...] = ()
    unclaimed: tuple[str, ...] = ()
    pact: Pact = field(default_factory=lambda: Pact((ACME,), ()))
    amend: Callable[[Agreement], Agreement] = lambda agreement: agreement
    trust: bytes = b""
    party: int = 0


class Result(NamedTuple):
    """What came of an attempt under one agreement. `apart`: "word" where that takes the lab's word, "page" where its
    own page says that it does not see this; else nothing."""

    family: int
    attempt: str
    agreement: str
    outcome: str
    apart: str
    codes: tuple[str, ...]


def judge(family: int, name: str, attempt: Attempt) -> list[Result]:
    """What comes of an attempt under every agreement that the truth breaks."""
    phases: list[Phase] = []
    for number, (start, end) in enumerate(attempt.phases):
        terms = []
        for label, kind in BREAKABLE.items():
            made = kind.make(attempt.truth, start, end) if not attempt.only or label in attempt.only else None
            if made is not None:
                terms.append({**made, "name": label})
        phases.append(Phase(f"phase {number}", start, end, tuple(terms)))
    if not all(phase.terms for phase in phases):
        raise ValueError(f"{name}: the truth breaks nothing")
    pact = replace(attempt.pact, phases=tuple(phases))
    signed = verify_agreement(pact.signed())
    signed = SignedAgreement(attempt.amend(signed.agreement), signed.signers)
    verdict = check(list(attempt.bundles), signed, parse_trust(pact.trust() + attempt.trust), at=attempt.at)
    results = []
    party = verdict.parties[attempt.party]
    about = [f.outcome for f in (*verdict.findings, *party.findings)]
    beside = {f.code for f in (*verdict.findings, *party.findings)}
    for term in party.terms:
        outcome = worst([term.outcome, *about])
        own = BREAKABLE[term.term].level <= 1
        claimed = term.term not in attempt.unclaimed and not (attempt.word and own)
        apart = "" if claimed else "word" if own else "page"
        codes = tuple(sorted(beside | {f.code for f in term.findings}))
        results.append(Result(family, name, term.term, str(outcome), apart, codes))
    if not results:
        raise ValueError(f"{name}: nothing was judged")
    return results


def _most(series: Ints, length: int) -> int:
    """The largest sum of so many neighbouring intervals, at most all of them."""
    sums = np.concatenate(([0], np.cumsum(series)))
    length = min(length, len(series))
    return int((sums[length:] - sums[:-length]).max())
