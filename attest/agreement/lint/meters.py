"""Holes of meters: terms that ask for what no meter of the agreement can show."""

from collections.abc import Iterator
from typing import Final

from attest.agreement.kinds import (
    GOOD_CLOCK,
    Assurance,
    AssuranceShare,
    ComputeCap,
    Idle,
    PowerCap,
    PowerOff,
    ScaleCap,
    Slowdown,
)
from attest.agreement.lint.hole import Bound, Hole, Text, integrating, named
from attest.agreement.model import Agreement, Meter, Site
from attest.agreement.units import DURATION, ENERGY
from attest.compute.accelerators import default_pin
from attest.compute.off import Off
from attest.compute.pins import Pin
from attest.errors import AgreementError

ASSUMED_MODEL: Final = "NVIDIA H100 SXM5 80GB"  # where the agreement pins none


def holes(text: Text) -> Iterator[Hole]:
    """Of all meters and of the terms that need one."""
    for _, meter, line in text.meters():
        if not meter.integrates:
            what = f"{meter.sub} is a gauge: between two readings anything can happen, so that it bounds nothing"
            yield Hole(line, "lint/meter-gauge", what, "a meter with registers or means, and integrates = true")
    for bound in text.terms():
        yield from _level(bound)
        yield from _clock(text.agreement, bound)
        if isinstance(bound.term, PowerOff):
            yield from _off(text.agreement, bound)
        if isinstance(bound.term, Idle) and bound.term.activity_ppm is not None and _level_of(bound) > Assurance.L1:
            what = f"{bound.name}: asks for activity at {_level_of(bound).name}, and a meter sees no tensor cycles"
            yield Hole(bound.line, "lint/idle-activity", what, 'activity at assurance = "L1", in a term of its own')
        if isinstance(bound.term, ScaleCap) and bound.term.fabric_mib is not None and _level_of(bound) > Assurance.L1:
            what = f"{bound.name}: asks for the fabric at {_level_of(bound).name}, and no meter sees what is moved"
            yield Hole(bound.line, "lint/fabric-level", what, 'fabric at assurance = "L1", in a term of its own')


def pins(agreement: Agreement) -> list[Pin]:
    """The pins of the agreement, or that of an assumed model."""
    return list(agreement.pins.values()) or [default_pin(ASSUMED_MODEL)]


def _level_of(bound: Bound) -> Assurance:
    term = bound.term
    level = term.level if isinstance(term, AssuranceShare) else getattr(term, "assurance", Assurance.L0)
    return Assurance(level)


def _level(bound: Bound) -> Iterator[Hole]:
    """Above L1 this verifier has independent meters and nothing else."""
    level = _level_of(bound)
    bare = tuple(site for site in bound.sites if not integrating(bound.party, site))
    if level > Assurance.L1 and bare:
        why = "" if level is Assurance.L4 else ", and device evidence (L2, L3) is not read yet"
        what = (
            f"{bound.name}: asks for {level.name}, but no integrating meter of the agreement is at {named(bare)}{why}"
        )
        yield Hole(bound.line, "lint/no-meter", what, "an independent meter there, or a lower level")


def _clock(agreement: Agreement, bound: Bound) -> Iterator[Hole]:
    """Power is judged by bucket and a window by its ends: clocks must be good to that."""
    term = bound.term
    needed, why = 0, ""
    if _level_of(bound) > Assurance.L1:
        if isinstance(term, PowerCap | Idle | PowerOff):
            needed, why = agreement.bucket_s, "a bucket"
        window_s = term.window_s if isinstance(term, ComputeCap | Slowdown | PowerCap) else None
        if window_s is not None and (not needed or window_s < needed):
            needed, why = window_s, "the window"
    if not needed:
        return
    for meter in _of_sites(bound, term.meter if isinstance(term, PowerCap) else None):
        clock = meter.clock_uncertainty_s
        code = "lint/window-clock" if why == "the window" else "lint/meter-clock"
        if clock is None:
            what = (
                f"{bound.name}: nothing is known of the clock of {meter.sub}, so that it bounds the whole phase alone"
            )
            good = "less than " + DURATION.format(needed)
        elif clock >= needed and not isinstance(term, PowerOff):
            length = DURATION.format(needed)
            what = f"{bound.name}: the clock of {meter.sub} may be wrong by {DURATION.format(clock)}, {why} is {length}"
            good = "less than " + DURATION.format(needed)
        elif clock * GOOD_CLOCK > agreement.bucket_s and isinstance(term, PowerCap | Idle):
            what = (
                f"{bound.name}: the clock of {meter.sub} may be wrong by {DURATION.format(clock)}, and so much of the"
                f" power beside it counts at each end of a bucket of {DURATION.format(agreement.bucket_s)}"
            )
            good = DURATION.format(max(agreement.bucket_s // GOOD_CLOCK, 1))
        else:
            continue
        yield Hole(bound.line, code, what, f"a clock good to {good}")


def _of_sites(bound: Bound, sub: str | None) -> Iterator[Meter]:
    for site in bound.sites:
        yield from (meter for meter in integrating(bound.party, site) if sub in (None, meter.sub))


def _off(agreement: Agreement, bound: Bound) -> Iterator[Hole]:
    """Off is shown where a bucket, and all that may come from behind the meter in it, stays below half of a boot."""
    least_boot = min(pin.boot_mj for pin in pins(agreement))
    least_idle = min(pin.idle_mw for pin in pins(agreement))
    bucket = DURATION.format(agreement.bucket_s)
    for site in bound.sites:
        yield from _premise(agreement, bound, site, least_idle, least_boot)
        meters = integrating(bound.party, site)
        blind = [(m, m.storage_mj + m.generation_mw * agreement.bucket_s, m.boot_mj or least_boot) for m in meters]
        if blind and all(2 * unseen >= boot for _, unseen, boot in blind):
            meter, unseen, boot = min(blind, key=lambda found: found[1] - found[2] // 2)
            what = (
                f"{bound.name}: {ENERGY.format(unseen)} can come from behind {meter.sub} in {bucket}, half of a boot is"
                f" {ENERGY.format(boot // 2)}: nothing at {site.name} is ever shown to be off"
            )
            yield Hole(bound.line, "lint/meter-storage", what, "meters below the storage, on each node")


def _premise(agreement: Agreement, bound: Bound, site: Site, idle_mw: int, boot_mj: int) -> Iterator[Hole]:
    given = [meter.boot_mj for meter in integrating(bound.party, site) if meter.boot_mj is not None]
    try:
        Off(max([boot_mj, *given]), idle_mw, agreement.bucket_s)
    except AgreementError as error:
        yield Hole(bound.line, "lint/bucket-short", f"{bound.name}: {error.detail}", "longer buckets")
