"""Three simulated labs in a day of a pact: their logs, the agreement, and a trust file, written into this folder.

Acme, Borealis and Castor have 16 H100 each and may serve models, but not train. Castor trains on its second node all
day. The agent there hands in what the agent of Acme's second node recorded, half an hour later. `truth` is the log that
Castor would have had to show.
"""

from pathlib import Path

from attest.format.vocabulary import Label, Precision
from attest.simulate.cast import Identity
from attest.simulate.lab import Lab
from attest.simulate.pact import Pact, Phase
from attest.simulate.site import Job, Plan, Site

HOUR = 3_600
START = 1_794_182_400  # 2026-11-09T00:00:00Z
END = START + 24 * HOUR
ACME, BOREALIS, CASTOR = LABS = [Identity(name) for name in ("acme", "borealis", "castor")]
TERMS = (
    {"kind": "compute-cap", "name": "no training", "label": "training", "limit": "1e19 FLOP", "assurance": "L1"},
    {"kind": "compute-cap", "name": "in all", "limit": "1e21 FLOP", "assurance": "L1"},
    {"kind": "coverage", "share": "99 %"},
    {"kind": "witnessing"},
    {"kind": "inventory", "minimum": 16, "maximum": 16},
)
PACT = Pact(tuple(LABS), (Phase("day", START, END, TERMS),), name="Serve, do not train", meter=None)
CHAT = Job("chat", Label.INFERENCE, Precision.BF16, (0, 1), START + HOUR, END - HOUR)
SERVE = Job("serve", Label.INFERENCE, Precision.BF16, (0,), START + HOUR, END - HOUR)
TRAIN = Job("train", Label.TRAINING, Precision.BF16, (1,), START + HOUR, END - HOUR, lineage=1)


def site(name: str, *jobs: Job) -> Site:
    """What truly happened."""
    return Site(Plan(name, 2, START, END, jobs))


def play(identity: Identity, true: Site, told: Site | None = None, late_s: int = 60) -> Lab:
    """The lab's log; `told` is of which site its second node's agent tells, if not of its own."""
    lab = Lab(identity, true, delay_s=late_s, meter=None)
    if told is not None:
        lab.tales[1] = told
    lab.run()
    return lab


def main() -> None:
    acme, castor = site("acme", CHAT), site("castor", SERVE, TRAIN)
    play(ACME, acme).save(Path("acme"))
    play(BOREALIS, site("borealis", CHAT)).save(Path("borealis"))
    play(CASTOR, castor, told=acme, late_s=1_800).save(Path("castor"))
    play(CASTOR, castor, late_s=1_800).save(Path("truth"))
    Path("pact.agreement").write_bytes(PACT.signed())
    Path("trust.toml").write_bytes(PACT.trust())


if __name__ == "__main__":
    main()
