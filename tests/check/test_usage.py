"""Usage statements to facts: what many names of few things cost."""

import tracemalloc

import numpy as np
import pytest

from attest.compute.columns import format_spans
from attest.facts import Work
from attest.format.block import NO_COLUMNS
from attest.format.bodies import UsageBody
from attest.format.runs import Run
from attest.format.vocabulary import Label, Precision, State
from attest.layout import Layout
from attest.usage import Usage, read_usage

HOUR = 3_600


def statement(index: int, count: int) -> Usage:
    """One hour of a host of so many devices, each a group of its own and busy with a run of its own."""
    runs = tuple(Run(n.to_bytes(32), Label.TRAINING, Precision.BF16, n, 7 * n) for n in range(count))
    spans = format_spans((device, State.MISSING, device) for device in range(count))
    body = UsageBody(HOUR, bytes(32), count, None, (), runs, spans, ())
    groups = np.arange(count)
    return Usage(index, body, 0, HOUR, Layout(groups, tuple(groups.tolist()), groups, ()), lambda: NO_COLUMNS)


@pytest.mark.parametrize("count", [3, 100, 1_024])
def test_runs_times_groups_take_no_memory(count: int) -> None:
    """Four statements of 60 kB name 2^22 pairs of run and group, of which 4 x 2,047 matter."""
    statements = [statement(index, count) for index in range(4)]
    tracemalloc.start()
    try:
        work = read_usage(statements, HOUR).work
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()
    assert len(work) == 4 * (2 * count - 1)
    first = work[:, Work.GROUP] == 0
    assert (work[first, Work.DECLARED] == 7 * work[first, Work.RUN]).all()
    assert (work[~first, Work.DECLARED] == -1).all()
    busy = work[work[:, Work.SECONDS] > 0]
    assert (busy[:, Work.GROUP] == busy[:, Work.RUN]).all() and (busy[:, Work.SECONDS] == HOUR).all()
    assert (busy[:, Work.LINEAGE] == busy[:, Work.RUN]).all()
    assert busy[:, Work.INDEX].tolist() == np.repeat(range(4), count).tolist()
