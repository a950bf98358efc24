"""The labs of `attest demo`: one lab under one agreement, as it may turn out, and three labs under one pact.

Acme runs 32 H100 in four nodes, works until Sunday afternoon and is to have everything switched off for a week.

    honest      it does, and the register of each node's outlet shows it
    violating   two nodes stay on and train through Tuesday night, and its own statements say so
    silent      the agent of one node falls silent on Wednesday, and with it the meters of that node and of the site
    forged      two nodes come back to train that night, and somebody without their keys wrote their statements

The pact is among Acme, Borealis and Castor, with the same terms for each. Two keep it; Castor does as *violating* does.

Only Ed25519 signs here: its signatures repeat, so that one seed gives one sequence of bytes.
"""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from attest.agreement.pins import write_pin
from attest.compute.accelerators import default_pin
from attest.format.vocabulary import Column, Label, Precision
from attest.simulate.cast import Identity, Witnesses
from attest.simulate.figures import H100
from attest.simulate.lab import Lab
from attest.simulate.pact import Pact, Phase
from attest.simulate.site import Event, Job, Plan, Site, Trouble
from attest.simulate.telemetry import SITE_FEED

HOUR: Final = 3_600
DAY: Final = 86_400
SUNDAY: Final = 1_794_096_000  # 2026-11-08T00:00:00Z
PAUSE: Final = SUNDAY + DAY
END: Final = PAUSE + 7 * DAY
STOP: Final = END + 12 * HOUR  # of the simulation: a meter's clock may be off, so it is read beyond the phase
AT: Final = END + DAY
NODES: Final = 4
ROGUE: Final = (2, 3)
NIGHT: Final = (PAUSE + 42 * HOUR, PAUSE + 54 * HOUR)  # Tuesday 18:00 to Wednesday 06:00
FORGED: Final = (PAUSE + 36 * HOUR, PAUSE + 60 * HOUR)
SILENCE: Final = PAUSE + 60 * HOUR
COLUMNS: Final = (Column.ENERGY, Column.CYCLES, Column.SM)
KINDS: Final = ("honest", "violating", "silent", "forged")
PARTIES: Final = {"acme": "honest", "borealis": "honest", "castor": "violating"}  # of the pact, and what each does

# The table's figures, which both sides have signed by writing them down.
_PIN: Final = tomllib.loads("\n".join(write_pin(default_pin(H100.name))))
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
        return self._identity("acme")

    def _identity(self, name: str) -> Identity:
        return Identity(name, seed=self.seed)

    @property
    def witnesses(self) -> Witnesses:
        """Four witnesses, three of whom must cosign."""
        return Witnesses(seed=self.seed)

    @property
    def pact(self) -> Pact:
        """The agreement."""
        return Pact((self.lab,), (_FULL_STOP,), self.witnesses, name="Full stop", devices=NODES * 8, pins=(_PIN,))

    @property
    def joint(self) -> Pact:
        """The pact among three."""
        parties = tuple(self._identity(name) for name in PARTIES)
        return Pact(parties, (_FULL_STOP,), self.witnesses, name="Joint full stop", devices=NODES * 8, pins=(_PIN,))

    def labs(self) -> Iterator[tuple[str, Lab]]:
        """Each kind of lab with what it has to show."""
        for kind in KINDS:
            yield kind, self._play(kind, self.lab)

    def parties(self) -> Iterator[tuple[str, Lab]]:
        """Each party of the pact with what it has to show."""
        for name, kind in PARTIES.items():
            yield name, self._play(kind, self._identity(name))

    def _play(self, kind: str, identity: Identity) -> Lab:
        lab = Lab(
            identity,
            Site(self._plan(kind, identity)),
            self.witnesses,
            window_s=12 * HOUR,
            head_s=6 * HOUR,
            columns=COLUMNS,
        )
        if kind == "silent":
            silent = lab.identity.host(NODES - 1)
            lab.run(mute=lambda sub, start, until: sub == silent and until > SILENCE)
        elif kind == "forged":
            lab.run(FORGED[0])
            self._forge(lab)
        lab.run()
        return lab

    def _forge(self, lab: Lab) -> None:
        """Until the night is over the rogue nodes say what they would if they were off, signed with made-up keys."""
        true = {node: lab.host(node).signer for node in ROGUE}
        forger = Identity(lab.identity.name, seed=f"{self.seed}, forger")
        for node in ROGUE:
            lab.tales[node] = Site(self._plan("honest", lab.identity))
            lab.host(node).signer = forger.key(lab.host(node).sub)
        lab.run(FORGED[1])
        for node, signer in true.items():
            del lab.tales[node]
            lab.host(node).signer = signer

    def _plan(self, kind: str, identity: Identity) -> Plan:
        jobs = [
            Job("pretrain", Label.TRAINING, Precision.BF16, (1, 2, 3), SUNDAY + 2 * HOUR, SUNDAY + 15 * HOUR),
            Job("chat", Label.INFERENCE, Precision.FP8, (0,), SUNDAY, SUNDAY + 16 * HOUR),
        ]
        events = [Event(Trouble.DOWN, node, SUNDAY + 16 * HOUR, STOP) for node in range(NODES)]
        if kind in ("violating", "forged"):
            jobs.append(Job("pretrain, on", Label.TRAINING, Precision.BF16, ROGUE, *NIGHT, lineage=1))
        if kind == "violating":
            events = [event for event in events if event.node not in ROGUE]
        if kind == "forged":
            for node in ROGUE:
                events[node] = events[node]._replace(end=NIGHT[0])
                events.append(Event(Trouble.DOWN, node, NIGHT[1], STOP))
        if kind == "silent":
            events += [Event(Trouble.METER_GAP, feed, SILENCE, STOP + 1) for feed in (SITE_FEED, NODES - 1)]
        return Plan(f"{identity.name} dc1, {self.seed}", NODES, SUNDAY, STOP, tuple(jobs), tuple(events))
