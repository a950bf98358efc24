"""An agreement in sentences: what `attest agreement show` prints, and what a report says of a term.

>>> term = ComputeCap(name="cap", parties=("https://acme.example",), sites=("dc1",), limit=10**22, label=None,
...                   window_s=2_592_000, assurance=Assurance.L3)
>>> describe(term)
'at most 1e22 FLOP of any kind in any 30 d, shown at L3 or better'
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from attest.agreement.model import (
    LABELS,
    Agreement,
    Assurance,
    ComputeCap,
    Coverage,
    Freshness,
    Inventory,
    Meter,
    Party,
    PowerCap,
    PowerOff,
    Term,
)
from attest.agreement.pins import describe_pin
from attest.agreement.signed import SignedAgreement
from attest.agreement.units import DURATION, ENERGY, FLOP, POWER, SHARE

_LABEL_WORDS: Final = {label: word for word, label in LABELS.items()}


def describe(term: Term) -> str:
    """What a term demands of each party it binds, in one clause with units."""
    match term:
        case ComputeCap():
            what = "of any kind" if term.label is None else f"labelled {_LABEL_WORDS[term.label]}"
            return f"at most {FLOP.format(term.limit)} {what} {_over(term.window_s)}, {_shown(term.assurance)}"
        case PowerOff():
            return f"every accelerator is off, {_shown(term.assurance)}"
        case Coverage():
            return f"at least {SHARE.format(term.share_ppm)} of device-intervals are accounted for"
        case Freshness():
            return f"the newest witnessed head is at most {DURATION.format(term.max_age_s)} old"
        case Inventory():
            return "the inventory " + " and ".join(_inventory(term))
        case PowerCap():
            return f"{_power(term)}, {_shown(term.assurance)}"
        case _:
            return "every statement is witnessed in time by the quorum"


def lines(signed: SignedAgreement) -> Iterator[str]:
    """The whole agreement, line by line."""
    agreement = signed.agreement
    yield f"{agreement.name}, version {agreement.version}"
    yield f"  digest     {agreement.digest.hex()}"
    yield (
        f"  time       buckets of {DURATION.format(agreement.bucket_s)}, intervals of"
        f" {DURATION.format(agreement.interval_s)}, witnessed within {DURATION.format(agreement.max_lag_s)},"
        f" grace {DURATION.format(agreement.grace_s)}"
    )
    policy = agreement.policy
    yield f"  witnesses  quorum {policy.quorum} of {', '.join(w.name for w in policy.witnesses)}"
    for party in agreement.parties:
        yield from _party(party, signed)
    for model, pin in agreement.pins.items():
        yield f"pin {model}: {describe_pin(pin)}"
    for phase in agreement.phases:
        length = DURATION.format(phase.end - phase.start)
        yield f"phase {phase.name}, {_utc(phase.start)} to {_utc(phase.end)} ({length})"
        for term in phase.terms:
            yield f"  {term.name}: {describe(term)}{_scope(term, agreement)}"


def _party(party: Party, signed: SignedAgreement) -> Iterator[str]:
    policy, signers = signed.agreement.policy, signed.signers[party.iss]
    yield f"party {party.name}, {party.iss}"
    threshold = party.holders.threshold
    missing = [holder.name for holder in party.holders.holders if holder.name not in signers]
    state = "bound" if len(signers) >= threshold else f"not bound, {threshold - len(signers)} more must sign"
    yield f"  signed     {'; '.join(signers) or 'nobody'} ({state}; {threshold} of {len(party.holders.holders)} bind)"
    if missing:
        yield f"  not signed {'; '.join(missing)}"
    without = f", without {', '.join(party.affiliated)}" if party.affiliated else ""
    least = policy.colluders(party.affiliated)
    yield f"  witnesses  {least} of them must collude to fork a log{without}"
    for site in party.sites:
        devices = "" if site.devices is None else f", {site.devices:,} accelerators"
        yield f"  site       {site.name}, log {site.origin}{devices}"
    for meter in party.meters:
        yield f"  meter      {meter.sub} at {meter.site}, by {meter.iss}: {_meter(meter)}"


def _meter(meter: Meter) -> str:
    clock = "of unknown clock"
    if meter.clock_uncertainty_s is not None:
        clock = f"clock within {DURATION.format(meter.clock_uncertainty_s)}"
    parts = [f"error {SHARE.format(meter.error_ppm)}", clock]
    parts.append("integrating" if meter.integrates else "a gauge, which bounds nothing")
    if meter.storage_mj:
        parts.append(f"{ENERGY.format(meter.storage_mj)} of storage a day behind it")
    if meter.generation_mw:
        parts.append(f"{POWER.format(meter.generation_mw)} of generation behind it")
    if meter.boot_mj is not None:
        parts.append(f"a boot behind it takes {ENERGY.format(meter.boot_mj)}")
    return ", ".join(parts)


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


def _scope(term: Term, agreement: Agreement) -> str:
    """Whom the term binds, where that is not everybody."""
    if all(site.name in term.sites for party in agreement.parties for site in party.sites):
        return ""
    bound = [party for party in agreement.parties if party.iss in term.parties]
    if all(site.name in term.sites for party in bound for site in party.sites):
        return f" (binds {', '.join(party.name for party in bound)})"
    return f" (binds {', '.join(term.sites)})"


def _utc(time: int) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
