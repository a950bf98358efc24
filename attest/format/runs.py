"""Run tables of usage statements: the runs that spans point at (schemas/statement.md, "usage").

>>> table = [[b"c" * 32, 1, 0, 7, None, 0]]
>>> parse_runs(table)[0].lineage
7
>>> format_runs(parse_runs(table)) == table
True
"""

from functools import lru_cache
from typing import Any, Final, NamedTuple

from attest.format.fields import array, bad, bytes_, member, uint
from attest.format.vocabulary import Label, Precision

MAX_RUNS: Final = 1_024  # of one usage statement
NO_RUN: Final = 0xFFFF
MAX_DECLARED: Final = 1 << 62  # MFLOP
_REMEMBERED: Final = 4_096


class Run(NamedTuple):
    """A row of the run table: `declared` is what the lab says *these* devices executed for the run in *this*
    window, in MFLOP, or None; `commitment` is the salted hash of the run's name; `lineage` ties restarts and `owner`
    the runs of one team or customer, where they are not 0."""

    commitment: bytes
    label: Label
    precision: Precision
    lineage: int
    declared: int | None
    owner: int = 0


def parse_runs(value: Any) -> tuple[Run, ...]:
    """A decoded run table, typed and bounded."""
    return tuple([_run(run) for run in array(value, 0, MAX_RUNS, "usage.runs")])


def format_runs(runs: tuple[Run, ...]) -> list[list[Any]]:
    """What `parse_runs` accepts."""
    return [[r.commitment, int(r.label), int(r.precision), r.lineage, r.declared, r.owner] for r in runs]


def _run(value: Any) -> Run:
    fields = array(value, 6, 6, "usage.runs")
    try:
        return _typed_run(*fields)
    except TypeError:
        bad("statement/array", "a run has no arrays or maps in it", "usage.runs")


# A run stands in the statements of all its hosts. Remembered by type: to Python true and 1.0 are 1, and which error a
# statement gives must not depend on what was read before.
@lru_cache(_REMEMBERED, typed=True)
def _typed_run(commitment: Any, label: Any, precision: Any, lineage: Any, declared: Any, owner: Any) -> Run:
    return Run(
        bytes_(commitment, "usage.run.commitment"),
        member(Label, label, "usage.run.label"),
        member(Precision, precision, "usage.run.precision"),
        uint(lineage, "usage.run.lineage"),
        None if declared is None else uint(declared, "usage.run.declared", MAX_DECLARED),
        uint(owner, "usage.run.owner"),
    )
