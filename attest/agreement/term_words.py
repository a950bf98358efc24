"""What a term demands, in one clause with units (schemas/agreement.md, "Terms").

>>> term = ComputeCap(name="cap", parties=("https://acme.example",), sites=("dc1",), limit=10**22, label=None,
...                   window_s=2_592_000, assurance=Assurance.L3)
>>> describe(term)
'at most 1e22 FLOP of any kind in any 30 d, shown at L3 or better'
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from attest.agreement.kinds import (
    LABELS,
    Assurance,
    AssuranceShare,
    ComputeCap,
    Coverage,
    Custody,
    Freshness,
    Gap,
    Idle,
    Inventory,
    PowerCap,
    PowerOff,
    Ramp,
    Reporting,
    RunCap,
    ScaleCap,
    Slowdown,
    Term,
    Tie,
    Timeliness,
)
from attest.agreement.units import DURATION, ENERGY, FLOP, POWER, SHARE, SPEED, TRAFFIC
from attest.format.vocabulary import Label

_LABEL_WORDS: Final = {label: word for word, label in LABELS.items()}


def describe(term: Term) -> str:
    """What a term demands of each party it binds, in one clause with units."""
    match term:
        case ComputeCap():
            most = f"at most {FLOP.format(term.limit)} {_kind(term.label)}"
            return f"{most} {_over(term.window_s)}, {_shown(term.assurance)}"
        case Slowdown():
            rate = f"{SHARE.format(term.share_ppm)} of {SPEED.format(term.baseline)}"
            return f"at most {rate}, FLOP {_kind(term.label)} {_over(term.window_s)}, {_shown(term.assurance)}"
        case Ramp():
            steps = "; ".join(f"{FLOP.format(step.limit)} from {utc(step.start)}" for step in term.steps)
            return f"at most, in FLOP {_kind(term.label)}: {steps}; {_shown(term.assurance)}"
        case RunCap():
            what = "run" if term.label is None else f"run labelled {_LABEL_WORDS[term.label]}"
            whole = f"no {what} over {FLOP.format(term.limit)}, its lineage together"
            if term.per is Tie.OWNER:
                whole = f"no owner's {what}s over {FLOP.format(term.limit)} together"
            return f"{whole}, {_shown(term.assurance)}"
        case ScaleCap():
            what = "run" if term.label is None else f"run labelled {_LABEL_WORDS[term.label]}"
            most = f"no {what} on more than {term.devices:,} accelerators at once"
            if term.fabric_mib is not None:
                fabric = f"{TRAFFIC.format(term.fabric_mib)} through the fabric of any of them"
                most += f", nor more than {fabric} {_over(term.window_s)}"
            return f"{most}, {_shown(term.assurance)}"
        case Idle():
            busy = ""
            if term.activity_ppm is not None:
                busy = f" and tensor-active {SHARE.format(term.activity_ppm)} of the time"
            return f"accelerators at {POWER.format(term.power_mw)} each at most{busy}, {_shown(term.assurance)}"
        case PowerOff():
            return f"every accelerator is off, {_shown(term.assurance)}"
        case Coverage():
            return f"at least {SHARE.format(term.share_ppm)} of device-intervals are accounted for"
        case Gap():
            outage = "" if term.outage_s is None else f", nor {DURATION.format(term.outage_s)} in all"
            return f"no accelerator is unaccounted for longer than {DURATION.format(term.longest_s)} at a time{outage}"
        case Timeliness():
            share, lag = SHARE.format(term.share_ppm), DURATION.format(term.max_lag_s)
            return f"at least {share} of what hosts tell of is witnessed within {lag}, by heads that the log keeps"
        case AssuranceShare():
            return f"evidence of {term.level.name} or better stands over {SHARE.format(term.share_ppm)} of device-time"
        case Reporting():
            runs = "every run" if not term.devices else f"every run on more than {term.devices:,} accelerators"
            before = f"{DURATION.format(term.notice_s)} before" if term.notice_s else "before"
            whole = f"{runs} is announced {before} it starts"
            if term.closing_s is not None:
                whole += f", and closed within {DURATION.format(term.closing_s)} of its end"
            return whole
        case Freshness():
            return f"the newest witnessed head is at most {DURATION.format(term.max_age_s)} old"
        case Inventory():
            return "the inventory " + " and ".join(_inventory(term))
        case Custody():
            silence = ""
            if term.max_silence_s is not None:
                silence = f", with {DURATION.format(term.max_silence_s)} at most between one and the next"
            return f"the office's custody statements are one unbroken chain{silence}"
        case PowerCap():
            return f"{_power(term)}, {_shown(term.assurance)}"
        case _:
            return "every statement is witnessed in time by the quorum"


def utc(time: int) -> str:
    """A time in UTC, ISO 8601."""
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _kind(label: Label | None) -> str:
    return "of any kind" if label is None else f"labelled {_LABEL_WORDS[label]}"


def _inventory(term: Inventory) -> Iterator[str]:
    if term.minimum is not None and term.minimum == term.maximum:
        yield f"lists exactly {term.minimum:,} accelerators"
    else:
        if term.minimum is not None:
            yield f"lists at least {term.minimum:,} accelerators"
        if term.maximum is not None:
            yield f"at most {term.maximum:,}" if term.minimum else f"lists at most {term.maximum:,} accelerators"
    if term.roster is not None:
        yield f"is {term.roster.hex()}"


def _power(term: PowerCap) -> str:
    where = "all feeds from outside together"
    if term.meter is not None or term.feed is not None:
        where = f"meter {term.meter}" if term.feed is None else f"feed {term.feed}"
    if term.limit_mw is not None:
        return f"{where}: at most {POWER.format(term.limit_mw)} as the mean of any bucket"
    assert term.limit_mj is not None  # a power cap has one of the two
    return f"{where}: at most {ENERGY.format(term.limit_mj)} {_over(term.window_s)}"


def _over(window_s: int | None) -> str:
    return "over the phase" if window_s is None else f"in any {DURATION.format(window_s)}"


def _shown(assurance: Assurance) -> str:
    return f"shown at {assurance.name} or better"
