"""What truly happened, as the simulator knows it and no verifier does: the other side of every attempt."""

from typing import NamedTuple

import numpy as np

from attest.format.vocabulary import Label
from attest.simulate.draws import Ints
from attest.simulate.site import DEVICES, Site

HOUR = 3_600


class Told(NamedTuple):
    """When the office told of a run, by witnesses: so many seconds before it truly started, and after it truly ended;
    None for never."""

    notice_s: int | None = None
    closing_s: int | None = None


class Truth(NamedTuple):
    """What truly happened: at sites, all of the party's, whatever it declared of them; `undeclared` if that was not
    all. `unrecorded` are device-seconds of the phase of which no true record is in the log, `excused` what agreed
    outages excuse of them, `unmetered` those over which no independent meter stands; where both are of some, the fewer
    lie within the others. `late` says whether any record was made or shown late, `stale_s` how old
    the newest head shown is, `told` what was told of the training, taken for one run; `flop` the executed FLOP where it
    is known of a real run."""

    sites: tuple[Site, ...] = ()
    undeclared: bool = False
    unrecorded: int = 0
    excused: int = 0
    unmetered: int = 0
    late: bool = False
    stale_s: int = 0
    told: Told = Told()
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
        return np.asarray(np.sum(series, axis=0, dtype=np.int64))

    def at_once(self, start: int, end: int) -> int:
        """The most accelerators that train at one time, of all sites."""
        return int(self._training(start, end).max()) if self.sites else 0

    def sustained(self, start: int, end: int) -> bool:
        """Whether so many train through some whole hour."""
        training = self._training(start, end)
        by_hour = training.reshape(-1, HOUR // self.sites[0].plan.interval)
        return int(by_hour.sum(axis=1).max()) > (int(training.max()) - 1) * by_hour.shape[1]

    def _training(self, start: int, end: int) -> Ints:
        """Accelerators that train, by interval."""
        counts = []
        for site in self.sites:
            wanted = [i for i, job in enumerate(site.plan.jobs) if job.label is Label.TRAINING]
            when = site.plan.during(start, end)
            counts += [np.isin(site.trace(n).job[:, when], wanted).sum(axis=0) for n in range(site.plan.nodes)]
        return np.asarray(np.sum(counts, axis=0, dtype=np.int64))

    def began(self) -> int | None:
        """When the training began, Unix s."""
        jobs = (job for site in self.sites for job in site.plan.jobs)
        return min((job.start for job in jobs if job.label is Label.TRAINING), default=None)

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
        """mW by interval, that all sites draw."""
        return np.asarray(np.sum([s.site_mw[s.plan.during(start, end)] for s in self.sites], axis=0, dtype=np.int64))

    def on(self, start: int, end: int) -> bool:
        """Whether any device drew power."""
        sites = [(s, s.plan.during(start, end)) for s in self.sites]
        return any(s.trace(n).power_mw[:, when].any() for s, when in sites for n in range(s.plan.nodes))

    def devices(self) -> int:
        """How many accelerators there are."""
        return DEVICES * sum(s.plan.nodes for s in self.sites)
