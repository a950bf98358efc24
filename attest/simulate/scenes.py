"""The four labs of `attest demo`: one lab under one agreement, as it may turn out.

Acme runs 32 H100 in four nodes, works until Monday afternoon and is to have switched everything off for three days.

    honest      it does, and the register of each node's outlet shows it
    violating   two nodes come back and train through Tuesday night, and its own statements say so
    silent      the agent of one node falls silent on Wednesday, and with it the meters of that node and of the site
    forged      it trains as the violating one does, and somebody without the nodes' keys wrote their statements

Only Ed25519 signs here: its signatures repeat, so that one seed gives one sequence of bytes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from attest.format.vocabulary import Label, Precision
from attest.simulate.cast import Identity, Witnesses
from attest.simulate.lab import Lab
from attest.simulate.pact import Pact, Phase
from attest.simulate.site import Event, Job, Plan, Site, Trouble
from attest.simulate.telemetry import SITE_FEED, observe

HOUR: Final = 3_600
DAY: Final = 86_400
MONDAY: Final = 1_794_182_400  # 2026-11-09T00:00:00Z
PAUSE: Final = MONDAY + DAY
END: Final = PAUSE + 3 * DAY
STOP: Final = END + 6 * HOUR  # of the simulation: a meter's clock may be off, so it is read beyond the phase
AT: Final = END + 8 * HOUR
NODES: Final = 4
ROGUE: Final = (2, 3)
NIGHT: Final = (PAUSE + 18 * HOUR, PAUSE + 30 * HOUR)
SILENCE: Final = PAUSE + 30 * HOUR
KINDS: Final = ("honest", "violating", "silent", "forged")

_OPERATION: Final = Phase(
    "operation",
    MONDAY,
    PAUSE,
    (
        {"kind": "compute-cap", "limit": "2e22 FLOP", "assurance": "L4"},
        {"kind": "coverage", "share": "99 %"},
        {"kind": "witnessing"},
    ),
)
_FULL_STOP: Final = Phase(
    "full stop",
    PAUSE,
    END,
    (
        {"kind": "compute-cap", "limit": "1e19 FLOP", "assurance": "L4"},
        {"kind": "power-off", "assurance": "L4"},
        {"kind": "coverage", "share": "99 %"},
        {"kind": "inventory", "minimum": NODES * 8, "maximum": NODES * 8},
        {"kind": "witnessing"},
        {"kind": "freshness", "max_age": "1 d"},
    ),
)


@dataclass(frozen=True)
class Demo:
    """The demo of a seed: its agreement, its labs, and the time at which they are judged (`at`)."""

    seed: str = "demo"
    at: int = AT

    @property
    def lab(self) -> Identity:
        """Who the labs say they are."""
        return Identity("acme", seed=self.seed)

    @property
    def witnesses(self) -> Witnesses:
        """Four witnesses, three of whom must cosign."""
        return Witnesses(seed=self.seed)

    @property
    def pact(self) -> Pact:
        """The agreement."""
        return Pact((self.lab,), (_OPERATION, _FULL_STOP), self.witnesses, name="Full stop", devices=NODES * 8)

    def labs(self) -> Iterator[tuple[str, Lab]]:
        """Each kind of lab with what it has to show."""
        for kind in KINDS:
            yield kind, self._play(kind)

    def _play(self, kind: str) -> Lab:
        lab = Lab(self.lab, Site(self._plan(kind)), self.witnesses, head_s=6 * HOUR)
        if kind == "silent":
            silent = lab.identity.host(NODES - 1)
            lab.run(mute=lambda sub, start, until: sub == silent and until > SILENCE)
        elif kind == "forged":
            lab.run(NIGHT[0])
            self._forge(lab)
            lab.run()
        else:
            lab.run()
        return lab

    def _forge(self, lab: Lab) -> None:
        """Until the night is over the rogue nodes say what they would if they were off, signed with made-up keys."""
        tale = Site(self._plan("honest"))
        forger = Identity("acme", seed=f"{self.seed}, forger")
        while lab.now < NIGHT[1]:
            lab.now += lab.window_s
            for node in range(NODES):
                host = lab.hosts[node]
                if node in ROGUE:
                    draft = lab.usage(node, lab.now, observe(tale, node, host.until, lab.now))
                    host.append(draft, forger.key(host.sub))
                else:
                    host.append(lab.usage(node, lab.now))
            assert lab.meter is not None
            lab.meter.append(lab.metering(lab.now))
            lab.witness()
            lab.head()

    def _plan(self, kind: str) -> Plan:
        jobs = [
            Job("pretrain", Label.TRAINING, Precision.BF16, (1, 2, 3), MONDAY + 2 * HOUR, MONDAY + 15 * HOUR),
            Job("chat", Label.INFERENCE, Precision.FP8, (0,), MONDAY, MONDAY + 16 * HOUR),
        ]
        events = [Event(Trouble.DOWN, node, MONDAY + 16 * HOUR, STOP) for node in range(NODES)]
        if kind in ("violating", "forged"):
            jobs.append(Job("pretrain, on", Label.TRAINING, Precision.BF16, ROGUE, *NIGHT, lineage=1))
            for node in ROGUE:
                events[node] = events[node]._replace(end=NIGHT[0])
                events.append(Event(Trouble.DOWN, node, NIGHT[1], STOP))
        if kind == "silent":
            events += [Event(Trouble.METER_GAP, feed, SILENCE, STOP + 1) for feed in (SITE_FEED, NODES - 1)]
        return Plan(f"acme dc1, {self.seed}", NODES, MONDAY, STOP, tuple(jobs), tuple(events))
