"""Holes of times: max_lag, grace, gaps and fabrics that make a term impossible to keep or to show, or worthless."""

from collections.abc import Iterator
from typing import Final

from attest.agreement.kinds import AssuranceShare, Coverage, Custody, Gap, ScaleCap, Timeliness
from attest.agreement.lint.hole import Hole, Text
from attest.agreement.units import DURATION, TRAFFIC
from attest.format.block import MAX_PER_SECOND
from attest.format.vocabulary import Column

HEADS_S: Final = 3_600  # heads become entries of a log once an hour (schemas/log.md)
DUTIES: Final = (Coverage, Gap, Timeliness, AssuranceShare, Custody)


def holes(text: Text) -> Iterator[Hole]:
    """Of the whole agreement."""
    agreement = text.agreement
    lag, grace = agreement.max_lag_s, agreement.grace_s
    if lag < HEADS_S and agreement.policy.required:
        what = f"max_lag is {DURATION.format(lag)}, and a log keeps one cosigned head an hour: nothing would be timely"
        yield Hole(text.line("max_lag"), "lint/lag-short", what, "max_lag of 1 h or more")
    seen: set[int] = set()
    for phase, line in text.phases():
        length = phase.end - phase.start
        if lag >= length:
            what = (
                f"{phase.name} lasts {DURATION.format(length)} and max_lag is {DURATION.format(lag)}: all that is said"
                " of it may be written before it begins or after it ends"
            )
            yield Hole(line, "lint/lag-long", what, f"max_lag far below {DURATION.format(length)}")
        if grace >= length and any(isinstance(term, DUTIES) for term in phase.terms):
            what = (
                f"{phase.name} lasts {DURATION.format(length)} and grace is {DURATION.format(grace)}: while it lasts,"
                " no duty can be missed"
            )
            yield Hole(line, "lint/grace-long", what, f"grace far below {DURATION.format(length)}")
    for bound in text.terms():
        if bound.line in seen:
            continue
        seen.add(bound.line)
        term = bound.term
        if isinstance(term, Gap) and term.longest_s < agreement.interval_s:
            interval, longest = DURATION.format(agreement.interval_s), DURATION.format(term.longest_s)
            what = f"{bound.name}: one lost record is a gap of {interval}, and {longest} is allowed"
            yield Hole(bound.line, "lint/gap-short", what, f"longest of {interval} or more")
        most = MAX_PER_SECOND[Column.FABRIC] * agreement.interval_s
        if isinstance(term, ScaleCap) and term.fabric_mib is not None and term.fabric_mib < most:
            interval, allowed = DURATION.format(agreement.interval_s), TRAFFIC.format(term.fabric_mib)
            what = (
                f"{bound.name}: one lost record of {interval} is charged {TRAFFIC.format(most)} of fabric, and"
                f" {allowed} is allowed"
            )
            yield Hole(bound.line, "lint/fabric-short", what, "a larger fabric, or a longer window for it")
        length = bound.phase.end - bound.phase.start
        if isinstance(term, Custody) and term.max_silence_s is not None and term.max_silence_s >= length:
            what = f"{bound.name}: max_silence is as long as the phase, {DURATION.format(length)}: one entry is enough"
            yield Hole(bound.line, "lint/silence-long", what, f"max_silence far below {DURATION.format(length)}")
        if isinstance(term, Timeliness) and term.max_lag_s < min(HEADS_S, lag):
            what = (
                f"{bound.name}: max_lag is {DURATION.format(term.max_lag_s)}, and a log keeps one cosigned head an hour"
            )
            yield Hole(bound.line, "lint/lag-short", what, "max_lag of 1 h or more")
