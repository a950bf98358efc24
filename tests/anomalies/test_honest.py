"""Honest labs with drawn jobs and troubles have no anomaly: of any label, format, effort and model, sized or not."""

import pytest

from attest.format.vocabulary import Label, Precision
from attest.simulate.draws import Stream
from attest.simulate.figures import MODELS, Range
from attest.simulate.lab import Lab
from attest.simulate.site import Event, Job, Plan, Site, Trouble
from tests.anomalies.tales import verdict_on
from tests.check.world import ACME, END, HOUR, START

LABELS = tuple(label for label in Label if label is not Label.NONE)
FORMATS = (Precision.BF16, Precision.FP16, Precision.FP8)
NODES = 2


def drawn(seed: str) -> Plan:
    """A day of up to four jobs and five troubles on two nodes."""
    stream = Stream(seed)

    def one(most: int) -> int:
        return stream.one(Range(0, most))

    def times() -> tuple[int, int]:
        start = START + one(22) * HOUR + one(59) * 60
        return start, min(start + (1 + one(20 * 60)) * 60, END)

    jobs = tuple(
        Job(
            f"job {number}",
            LABELS[one(len(LABELS) - 1)],
            FORMATS[one(len(FORMATS) - 1)],
            tuple(range(one(1), NODES)),
            *times(),
            lineage=number,
            effort_ppm=50_000 + one(950_000),
            declared_ppm=None if one(1) else 500_000 + one(500_000),
        )
        for number in range(one(4))
    )
    events = tuple(Event(tuple(Trouble)[one(len(Trouble) - 1)], one(1), *times()) for _ in range(one(5)))
    return Plan(seed, NODES, START, END, jobs, events, model=tuple(MODELS)[one(len(MODELS) - 1)])


@pytest.mark.parametrize("seed", range(12))
def test_a_drawn_honest_lab_has_none(seed: int) -> None:
    made = Lab(ACME, Site(drawn(f"honest day {seed}")))
    made.run()
    verdict = verdict_on(made, series=True)
    found = [*verdict.findings, *verdict.parties[0].findings]
    assert [f.text for f in found if f.code.startswith("anomaly/")] == []
