"""The term idle: accelerators that are on and do nothing (schemas/agreement.md, "Terms").

What a host's counters add up to in a bucket is held against the envelope: its accelerators of one model and feed
together, since facts have no single ones. At L1 a host's own counters count; above it only an independent meter, and
that sees whatever else is behind it as well.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np

from attest.agreement import Idle
from attest.compute import bounds
from attest.compute.columns import Ints
from attest.compute.exact import PPM, Array, add, gathered, scale
from attest.compute.tree import behind
from attest.evaluate import View
from attest.facts import Cell, Mask
from attest.figures import INDEPENDENT, SOFTWARE
from attest.metering import Metering
from attest.terms.case import Case
from attest.terms.declared import no_pin, undeclared
from attest.terms.disputed import only_disputed
from attest.throughput import most_mj, read
from attest.usage import CYCLES_KNOWN, ENERGY_KNOWN
from attest.verdict import Finding, Outcome, TermResult

HOUR: Final = 3_600


class Sums(NamedTuple):
    """What statements sampled, by group and bucket: device-seconds, least and most energy (mJ), least and most tensor
    cycles (10^6), and where all of it has the one and the other."""

    group: Ints
    bucket: Ints
    seconds: Array
    fewest_mj: Array
    most_mj: Array
    fewest_cycles: Array
    most_cycles: Array
    energy: Mask
    cycles: Mask


def judge_idle(case: Case[Idle]) -> TermResult:
    """The largest mean power of accelerators in a bucket against the envelope, and their activity."""
    term = case.term
    findings = [*case.lost, *undeclared(case.views)]
    known, breached = not findings, False
    taken_back: list[Finding] = []
    low = high = shown_s = expected_s = 0
    for view in case.views:
        if view.unpinned:
            findings += [no_pin(model) for model in view.unpinned]
            known = False
            continue
        admitted = _sums(view, view.worth.admitted)
        low = max(low, int((admitted.fewest_mj // np.maximum(admitted.seconds, 1)).max(initial=0)))
        over = list(_over(view, term, admitted))
        findings += over
        breached |= any(finding.outcome is Outcome.BREACHED for finding in over)
        known &= not over
        taken_back += _disputed(view, term)
        most, shown = _shown(view, term)
        high = max(high, most)
        shown_s += shown
        expected_s += view.expected_s
        if shown < view.expected_s:
            findings.append(_not_shown(view, view.expected_s - shown, int(term.assurance)))
    complete = known and bool(expected_s) and shown_s == expected_s
    if complete and low > high:
        complete = False
        text = f"counters show {low:,} mW, and no more than {high:,} mW was possible: the evidence contradicts itself"
        findings.append(Finding("bounds/crossed", Outcome.UNPROVEN, text, numbers={"low": low, "high": high}))
    outcome = Outcome.UNPROVEN
    if breached:
        outcome = Outcome.BREACHED
    elif complete:
        outcome = Outcome.HOLDS
    else:
        findings += taken_back
    return case.result(
        outcome,
        f"{shown_s // HOUR:,} of {expected_s // HOUR:,} device-hours shown to be idle",
        findings,
        unit="mW",
        low=low,
        high=high if complete else None,
        limit=term.power_mw,
        tightest=high if complete else None,
    )


def _disputed(view: View, term: Idle) -> list[Finding]:
    """Where what was sampled is over the envelope only with what is disputed; asked where nothing is without."""
    if not view.worth.disputed.any():
        return []
    over = _over(view, term, _sums(view, view.worth.claimed))
    return [only_disputed(finding) for finding in over if finding.outcome is Outcome.BREACHED]


def _sums(view: View, mask: Mask) -> Sums:
    account = view.account
    cells = account.worthy(account.cells, mask)
    cells = cells[cells[:, Cell.SAMPLED] > 0]
    keys, place = np.unique(cells[:, [Cell.GROUP, Cell.BUCKET]], axis=0, return_inverse=True)
    place, group = place.reshape(-1), cells[:, Cell.GROUP]
    energy, cycles = cells[:, Cell.ENERGY], cells[:, Cell.CYCLES]
    over = account.models.over
    columns = (
        cells[:, Cell.SAMPLED],
        over(
            group,
            lambda pin, at: bounds.narrowed(
                energy[at], pin.energy_error_ppm, pin.resolution_mj, cells[at, Cell.READINGS]
            ),
        ),
        over(
            group,
            lambda pin, at: bounds.widened(
                energy[at], pin.energy_error_ppm, pin.resolution_mj, cells[at, Cell.READINGS]
            ),
        ),
        over(group, lambda pin, at: bounds.narrowed(cycles[at], pin.activity_error_ppm)),
        over(group, lambda pin, at: bounds.widened(cycles[at], pin.activity_error_ppm)),
    )
    sums = [gathered(column, place, len(keys)) for column in columns]
    missing = [
        np.bincount(place[cells[:, Cell.MEASURED] & bit == 0], minlength=len(keys)) == 0
        for bit in (ENERGY_KNOWN, CYCLES_KNOWN)
    ]
    return Sums(keys[:, 0], keys[:, 1], *sums, *missing)


def _allowed(view: View, term: Idle, group: Ints, seconds: Array) -> Array:
    """Tensor cycles (10^6) that device-seconds may have."""
    share = term.activity_ppm or 0
    return view.account.models.over(
        group, lambda pin, at: np.asarray(seconds[at].astype(object) * pin.max_clock_mhz * share // PPM)
    )


def _over(view: View, term: Idle, sums: Sums) -> Iterator[Finding]:
    """Where what the lab itself sampled was over the envelope for certain: one finding for all of it."""
    over = sums.fewest_mj > scale(sums.seconds, term.power_mw, 1, up=True)
    if term.activity_ppm is not None:
        over |= sums.fewest_cycles > _allowed(view, term, sums.group, sums.seconds)
    denied = over & _denied(view, sums)
    more = "counters show more energy than an independent meter lets through, of {:,} device-seconds"
    for at, code, outcome, text in (
        (over & ~denied, "term/idle", Outcome.BREACHED, "own counters show {:,} device-seconds over the idle envelope"),
        (denied, "bounds/crossed", Outcome.UNPROVEN, more),
    ):
        if at.any():
            bucket, seconds = view.agreement.bucket_s, int(sums.seconds[at].sum())
            yield Finding(
                code,
                outcome,
                text.format(seconds),
                source=view.layouts.groups[int(sums.group[at][0])].sub,
                start=int(sums.bucket[at].min()) * bucket,
                end=(int(sums.bucket[at].max()) + 1) * bucket,
                numbers={"device_seconds": seconds},
            )


def _denied(view: View, sums: Sums) -> Mask:
    """Where a host's key alone says more than an independent meter let through in this bucket."""
    metering, bucket_s = view.account.metering(INDEPENDENT), view.agreement.bucket_s
    if not metering.meters:
        return np.zeros(len(sums.group), bool)
    most, full = add(most_mj(metering), _unseen(metering, bucket_s)), read(metering)
    row, at = metering.row_of[view.account.group_feed[sums.group]], sums.bucket - view.window[0]
    most = np.concatenate((most, np.zeros((1, most.shape[1]), most.dtype)))
    return np.asarray(metering.behind(full)[row, at] & (most[row, at] < sums.fewest_mj))


def _unseen(metering: Metering, bucket_s: int) -> Array:
    """Energy that can come from behind each meter in a bucket, [meter, 1]; a day's storage in any of them."""
    sources = behind(metering.meters)
    return np.array([[s.storage_mj + s.generation_mw * bucket_s] for s in sources], object)


def _shown(view: View, term: Idle) -> tuple[int, int]:
    """The largest mean power (mW) that devices can have had where they are shown to be idle, and for how many declared
    device-seconds they are."""
    if term.assurance > SOFTWARE:
        return _by_meters(view, term)
    usable = _sums(view, view.worth.usable)
    good = usable.energy & (usable.most_mj <= scale(usable.seconds, term.power_mw, 1, up=False))
    if term.activity_ppm is not None:
        good &= usable.cycles & (usable.most_cycles <= _allowed(view, term, usable.group, usable.seconds))
    mean = -(-usable.most_mj // np.maximum(usable.seconds, 1))
    off = view.account.usable[:, Cell.OFF]
    return int(mean[good].max(initial=0)), int(usable.seconds[good].sum()) + int(off.sum())


def _by_meters(view: View, term: Idle) -> tuple[int, int]:
    """By independent meters: all that went through one may have gone to any of the groups behind it,
    and to the fewest accelerators of these. They do not see tensor cycles."""
    account, bucket_s = view.account, view.agreement.bucket_s
    metering = account.metering(int(term.assurance))
    if term.activity_ppm is not None or not metering.meters:
        return 0, 0
    direct = account.declared(metering)[:-1]
    seconds = _fewest(view, metering)
    energy = add(most_mj(metering), _unseen(metering, bucket_s))
    good = read(metering) & (seconds > 0) & (energy <= scale(seconds, term.power_mw, 1, up=False))
    mean = -(-energy // np.maximum(seconds, 1))
    return int(mean[good].max(initial=0)), int(direct[good].sum())


def _fewest(view: View, metering: Metering) -> Array:
    """Device-seconds of the smallest group directly behind each meter, 0 where there is none, [meter, bucket]."""
    account = view.account
    none = np.iinfo(np.int64).max
    out = np.full((len(metering.meters) + 1, view.window[1] - view.window[0]), none)
    for groups in account.expected.blocks(0):
        declared = account.expected.of(groups)
        np.minimum.at(out, metering.row_of[account.group_feed[groups]], np.where(declared > 0, declared, none))
    return np.where(out < none, out, 0)[:-1]


def _not_shown(view: View, seconds: int, level: int) -> Finding:
    whose = "counters" if level <= SOFTWARE else f"meters of L{level}"
    return Finding(
        "idle/not-shown",
        Outcome.UNPROVEN,
        f"{seconds:,} device-seconds are not shown by {whose} to be within the idle envelope",
        start=view.start,
        end=view.end,
        numbers={"device_seconds": seconds},
        settle=f"energy counters of {seconds // HOUR:,} device-hours" if level <= SOFTWARE else "power-off, or meters",
    )
