"""An agreement in sentences: what `attest agreement show` prints."""

from collections.abc import Iterator

from attest.agreement.kinds import Term
from attest.agreement.life import Life
from attest.agreement.model import Agreement, Meter, Party
from attest.agreement.pins import describe_pin
from attest.agreement.signed import SignedAgreement
from attest.agreement.term_words import describe, utc
from attest.agreement.tolerances import tolerance_lines
from attest.agreement.units import DURATION, ENERGY, POWER, SHARE


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
    if policy.required:
        yield f"  witnesses  quorum {policy.quorum} of {', '.join(w.name for w in policy.witnesses)}"
    else:
        yield "  witnesses  none: when a log was written, and that it has one history, is its own word"
    yield from _life(agreement.life)
    for party in agreement.parties:
        yield from _party(party, signed)
    for model, pin in agreement.pins.items():
        yield f"pin {model}: {describe_pin(pin)}"
    for phase in agreement.phases:
        length = DURATION.format(phase.end - phase.start)
        if phase.on is None:
            yield f"phase {phase.name}, {utc(phase.start)} to {utc(phase.end)} ({length})"
        else:
            at = f"at the earliest {utc(phase.start)}"
            yield f"phase {phase.name}, from a {phase.on} on ({at}) to {utc(phase.end)}"
        for term in phase.terms:
            yield f"  {term.name}: {describe(term)}{_scope(term, agreement)}"
    yield from tolerance_lines(agreement)


def _life(life: Life) -> Iterator[str]:
    if life.amends is not None:
        yield f"  amends     version {life.amends.version}, SHA-256 {life.amends.digest.hex()}"
    if life.adjudicators is not None:
        names = "; ".join(holder.name for holder in life.adjudicators.holders)
        yield f"  adjudicate {names} ({life.adjudicators.threshold} of {len(life.adjudicators.holders)} bind)"
    if life.outage_ppm:
        yield f"  outages    may excuse {SHARE.format(life.outage_ppm)} of declared device-time from coverage"
    if life.notice_s is not None:
        yield f"  withdrawal takes {DURATION.format(life.notice_s)} of notice"


def _party(party: Party, signed: SignedAgreement) -> Iterator[str]:
    policy, signers = signed.agreement.policy, signed.signers[party.iss]
    yield f"party {party.name}, {party.iss}"
    threshold = party.holders.threshold
    missing = [holder.name for holder in party.holders.holders if holder.name not in signers]
    state = "bound" if len(signers) >= threshold else f"not bound, {threshold - len(signers)} more must sign"
    yield f"  signed     {'; '.join(signers) or 'nobody'} ({state}; {threshold} of {len(party.holders.holders)} bind)"
    if missing:
        yield f"  not signed {'; '.join(missing)}"
    if policy.required:
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


def _scope(term: Term, agreement: Agreement) -> str:
    """Whom the term binds, where that is not everybody."""
    if all(site.name in term.sites for party in agreement.parties for site in party.sites):
        return ""
    bound = [party for party in agreement.parties if party.iss in term.parties]
    if all(site.name in term.sites for party in bound for site in party.sites):
        return f" (binds {', '.join(party.name for party in bound)})"
    return f" (binds {', '.join(term.sites)})"
