"""Anomalies in the sizes that runs are declared to have: against the peak of the devices, and against their energy.

A lab gets a size from 6 x parameters x tokens or from N x L x H x U (`attest.compute.workload`), and says of each
statement which part of it that window was. By either formula it must fit what was measured:

    MFU = declared / (seconds x peak of the format that the run names)          above 0.9 of it: anomaly/mfu
    k E / declared, k being the pin's best FLOP per joule                       below 1.5: anomaly/declared-size
        of training also                                                        above 140
    declared / (seconds x 16-bit peak), of training without energy              below 0.05

Only a statement and class counts whose runs all have a size, in a statement that saw its devices throughout: an agent
that lost an hour does not know what its runs did in it, and whoever declares their size may.
"""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import numpy as np

from attest.anomalies.remark import remark
from attest.compute import bounds
from attest.compute import plausible as rules
from attest.compute.columns import Ints
from attest.compute.exact import gathered, total
from attest.evaluate import View
from attest.facts import Cell, Work
from attest.format.vocabulary import Label, Precision
from attest.usage import CLASS_STEP, ENERGY_KNOWN
from attest.verdict import Finding

_16_BIT: Final = (Precision.BF16, Precision.FP16, Precision.TF32, Precision.FP32, Precision.FP64)  # or slower
_UNSEEN: Final = (Cell.MISSING, Cell.STALE, Cell.RESET, Cell.STEP)
_TRAINING: Final = (Label.TRAINING, Label.FINE_TUNING)
_SETTLE: Final = "the number of parameters and tokens behind the size, and a meter over the run's hours"


class _Sizes(NamedTuple):
    """What is declared by statement and class whose runs all have a size, MFLOP: `most` is what their devices could
    have done in the claimed format, `bf16` in 16 bits, and `by_energy` k E (-1: not known)."""

    statement: Ints
    klass: Ints
    declared: Any
    most: Any
    bf16: Any
    by_energy: Any


def _declared(view: View) -> _Sizes | None:
    """The sizes declared in usable statements that lie in the phase, or None if there are none."""
    account, worth = view.account, view.worth
    if not (account.work[:, Work.DECLARED] > 0).any():
        return None
    inside = (worth.windows[:, 0] >= view.start) & (worth.windows[:, 1] <= view.end)
    rows = account.work[worth.of(account.work[:, Work.INDEX], worth.usable & inside)]
    sizes = np.isin(rows[:, Work.INDEX], rows[rows[:, Work.DECLARED] > 0, Work.INDEX])
    rows = rows[sizes & ~np.isin(rows[:, Work.INDEX], _dark(view))]
    if not len(rows):
        return None
    keys = np.stack((rows[:, Work.INDEX], rows[:, Work.CLASS]))
    (index, klass), number = np.unique(keys, axis=1, return_inverse=True)
    count, number = len(index), number.ravel()
    runs = np.unique(np.stack((rows[:, Work.INDEX], rows[:, Work.CLASS], rows[:, Work.RUN])), axis=1)
    sized = rows[:, Work.DECLARED] > 0
    several = np.bincount(_place(index, klass, runs[0], runs[1]), minlength=count)
    whole = np.bincount(number[sized], minlength=count) == several
    seconds = rows[:, Work.SECONDS]
    narrow = ~np.isin(rows[:, Work.CLASS] % CLASS_STEP, _16_BIT)
    group = rows[:, Work.GROUP]
    fastest = account.presence(seconds, group)
    bf16 = account.models.over(group, lambda pin, at: bounds.presence(seconds[at], pin.restricted_to_bf16()))
    energy = _by_energy(view, index, klass, np.bincount(number, seconds, count))
    found = _Sizes(
        index,
        klass,
        gathered(np.where(sized, rows[:, Work.DECLARED], 0), number, count),
        gathered(np.where(narrow, fastest, bf16), number, count),
        gathered(bf16, number, count),
        energy,
    )
    return _Sizes(*(column[whole] for column in found))


def _dark(view: View) -> Ints:
    """The statements with seconds that nobody saw: what a run did there is in its size, and in no other sum."""
    cells = view.account.usable
    return np.unique(cells[sum(cells[:, state] for state in _UNSEEN) > 0, Cell.INDEX])


def _place(index: Ints, klass: Ints, of_index: Ints, of_class: Ints) -> Ints:
    """Where pairs stand among sorted ones, which have them all."""
    step = int(max(klass.max(), of_class.max())) + 1
    return np.searchsorted(index * step + klass, of_index * step + of_class)


def _by_energy(view: View, index: Ints, klass: Ints, seconds: Any) -> Any:
    """k E of each statement and class; -1 where energy is not known for all of the seconds that its runs name."""
    cells = view.account.usable
    cells = cells[np.isin(cells[:, Cell.INDEX], index) & (cells[:, Cell.MEASURED] & ENERGY_KNOWN > 0)]
    step = int(max(klass.max(), cells[:, Cell.CLASS].max(initial=0))) + 1
    keys, wanted = index * step + klass, cells[:, Cell.INDEX] * step + cells[:, Cell.CLASS]
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    mine = keys[place] == wanted
    cells, place = cells[mine], place[mine]
    energy = view.account.models.over(
        cells[:, Cell.GROUP], lambda pin, at: bounds.by_energy(cells[at, Cell.ENERGY], pin)
    )
    known = np.bincount(place, cells[:, Cell.SAMPLED], len(index)) == seconds
    return np.where(known, gathered(energy, place, len(index)), -1)


def in_sizes(view: View) -> Iterator[Finding]:
    """The anomalies in what one site declares in one phase; none where a model has no pin."""
    sizes = None if view.unpinned else _declared(view)
    if sizes is None:
        return
    training = np.isin(sizes.klass // CLASS_STEP, _TRAINING)
    metered = sizes.by_energy >= 0
    by_energy = "what their energy allows by the pin; measured runs did 1/6 to 1/47 of that"
    found = (
        ("anomaly/mfu", "of the peak of their format", rules.beyond_peak(sizes.declared, sizes.most), sizes.most),
        (
            "anomaly/declared-size",
            by_energy,
            metered & rules.over_declared(sizes.by_energy, sizes.declared),
            sizes.by_energy,
        ),
        (
            "anomaly/declared-size",
            f"for training, {by_energy}",
            metered & training & rules.under_declared(sizes.by_energy, sizes.declared),
            sizes.by_energy,
        ),
        (
            "anomaly/declared-size",
            "for training, the 16-bit peak of its hours; measured training did 21 % of that or more",
            ~metered & training & rules.under_utilised(sizes.declared, sizes.bf16),
            sizes.bf16,
        ),
    )
    for code, what, mask, against in found:
        picked = np.flatnonzero(np.asarray(mask, bool))
        if len(picked):
            declared, other = total(sizes.declared[picked]), total(against[picked])
            text = f"runs declare {declared * 10**6:.3g} FLOP against {other * 10**6:.3g} FLOP, {what}"
            numbers = {"declared_mflop": declared, "against_mflop": other}
            yield remark(code, text, _SETTLE, view, sizes.statement[picked], numbers)
