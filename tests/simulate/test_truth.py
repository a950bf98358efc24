"""Whatever happens at a site, and whatever of it is seen, the truth lies between what a verdict says.

Sites, jobs and troubles are drawn from named seeds; a compute cap at level L1 rests on the lab's own counters, one at
L4 on meters alone.
"""

import pytest

from attest.agreement import verify_agreement
from attest.check import check
from attest.format.vocabulary import Label, Precision, Quantity
from attest.simulate.cast import Identity
from attest.simulate.draws import Stream
from attest.simulate.figures import MODELS, Range
from attest.simulate.lab import Lab
from attest.simulate.pact import Pact, Phase
from attest.simulate.site import PPM, Event, Job, Plan, Site, Trouble
from attest.simulate.telemetry import SITE_FEED, Instrument
from attest.trust.pins import parse_trust

HOUR, DAY = 3_600, 86_400
T = 1_794_182_400  # 2026-11-09
START, END = T + 6 * HOUR, T + 30 * HOUR
NODES = 3
LABELS = (Label.TRAINING, Label.FINE_TUNING, Label.INFERENCE, Label.EVALUATION)
CAPS = tuple(
    {"kind": "compute-cap", "limit": "1 FLOP", "assurance": f"L{level}", "name": f"L{level}"} for level in (1, 4)
)
PACT = Pact((Identity("acme"),), (Phase("phase", START, END, CAPS),), max_lag="7 h")


def drawn(name: str) -> Lab:
    stream = Stream(name)

    def span() -> tuple[int, int]:
        first = stream.one(Range(0, 34 * 60))
        return T + first * 60, T + min(36 * 60, first + stream.one(Range(1, 12 * 60))) * 60

    def node() -> int:
        return stream.one(Range(0, NODES - 1))

    model = list(MODELS)[stream.one(Range(0, 1))]
    formats = (Precision.BF16, Precision.FP8) + (() if "H100" in model else (Precision.FP4,))
    jobs = tuple(
        Job(
            f"job {n}",
            LABELS[stream.one(Range(0, 3))],
            formats[stream.one(Range(0, len(formats) - 1))],
            tuple(sorted({node(), node()})),
            *span(),
            effort_ppm=stream.one(Range(100_000, PPM)),
            declared_ppm=(None, 300_000, PPM)[stream.one(Range(0, 2))],
        )
        for n in range(stream.one(Range(0, 6)))
    )
    troubles = (Trouble.LOST, Trouble.STALE, Trouble.STEP, Trouble.RELOAD, Trouble.DOWN, Trouble.METER_GAP)
    events = []
    for _ in range(stream.one(Range(0, 6))):
        what = troubles[stream.one(Range(0, 5))]
        devices = () if what in (Trouble.DOWN, Trouble.METER_GAP) else (stream.one(Range(0, 7)),)
        place = SITE_FEED if what is Trouble.METER_GAP and stream.one(Range(0, 2)) == 0 else node()
        events.append(Event(what, place, *span(), devices))
    instrument = Instrument(
        (Quantity.REGISTER, Quantity.MEAN_POWER)[stream.one(Range(0, 1))],
        (60, 300, 3_600)[stream.one(Range(0, 2))],
        ahead_s=stream.one(Range(-1, 1)),
    )
    site = Site(Plan(name, NODES, T, T + 36 * HOUR, jobs, tuple(events), model))
    return Lab(Identity("acme"), site, head_s=6 * HOUR, instrument=instrument, site_meter=bool(stream.one(Range(0, 1))))


@pytest.mark.parametrize("number", range(40))
def test_the_truth_lies_within(number: int) -> None:
    lab = drawn(f"truth {number}")
    lab.run()
    verdict = check([lab.bundle()], verify_agreement(PACT.signed()), parse_trust(PACT.trust()), at=T + 38 * HOUR)
    assert not verdict.parties[0].findings
    true = lab.site.executed(START, END)
    for term in verdict.parties[0].terms:
        assert term.low is not None and term.high is not None
        assert term.low <= true <= term.high, f"{term.term}: {term.low:.3e} {true:.3e} {term.high:.3e}"
