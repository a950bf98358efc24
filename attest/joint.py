"""What only the evidence of several parties together shows (schemas/verification.md, 6.13).

    joint/series     statements have the energy, bucket by bucket, of another log's that were witnessed before
    joint/device     an accelerator stands in the inventories of two sites at the same time
    joint/window     a copy does not reach to the end of the window over which all are judged
    joint/version    a party bound itself to another text of the agreement, too
    joint/unequal    no term of a phase binds a party: not all stop over the same window

None of these accuses anybody and none hides a breach. Each stands with the party whose evidence it weakens: who had
an accelerator, or a day of telemetry, witnessed first loses nothing when a rival says the same later. What says the
same at the same time is believed of neither. A party that the verifier did not pin, or that the agreement does not
bind, and a log with two histories take nothing from anybody.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import permutations
from typing import Final, NamedTuple

from attest.across import sound
from attest.agreement import Agreement, SignedAgreement
from attest.agreement.signed import NOBODY, OtherText
from attest.control import FOREVER
from attest.evaluate import SiteEvidence, longest
from attest.layout import Layouts
from attest.metering import Window
from attest.timeline import Timeline
from attest.verdict import Finding, Outcome, utc

Windows = Mapping[str, Sequence[tuple[str, Window]]]  # by party: phases and the buckets that can be judged of each
_NEVER: Final = FOREVER - 1  # what no quorum witnessed; still before what is not credited at all


def about_parties(
    signed: SignedAgreement, credible: Collection[str], evidence: Sequence[SiteEvidence], windows: Windows
) -> dict[str, list[Finding]]:
    """Findings by the party, `iss`, that they stand with; `credible` are those pinned and bound."""
    agreement = signed.agreement
    found: dict[str, list[Finding]] = {party.iss: [] for party in agreement.parties}
    logs = longest(evidence)
    for e in logs:
        if e.party is not None and e.copied is not None:
            found[e.party.iss].append(_series(e))
    for iss in found.keys() & signed.others.keys():
        texts = signed.others[iss]
        found[iss] += [_version(agreement, text) for text in texts]
    for iss, finding in _devices(agreement, credible, logs, windows):
        found[iss].append(finding)
    if len(agreement.parties) > 1 and agreement.policy.required:
        for iss, finding in _short(agreement, logs, windows):
            found[iss].append(finding)
    return found


def about_all(signed: SignedAgreement, windows: Windows) -> list[Finding]:
    """Findings about the agreement as a whole."""
    agreement = signed.agreement
    begun = {name for of_party in windows.values() for name, _ in of_party}
    found = []
    for other in signed.others.get(NOBODY, ()):
        what = f"no party bound itself to version {other.version}, SHA-256 {other.digest.hex()}"
        found.append(Finding("event/no-quorum", Outcome.HOLDS, what))
    for phase in agreement.phases:
        free = [p.name for p in agreement.parties if all(p.iss not in term.parties for term in phase.terms)]
        if phase.name in begun and free:
            text = f"no term of {phase.name} binds {', '.join(free)}: over this window not all parties are judged"
            found.append(Finding("joint/unequal", Outcome.HOLDS, text))
        spans = {p.name: tuple(w for name, w in windows[p.iss] if name == phase.name) for p in agreement.parties}
        if len(set(spans.values())) > 1:
            times = "; ".join(f"{name} {_told(agreement, span)}" for name, span in spans.items())
            text = f"{phase.name} does not bind all parties at the same time: {times}"
            found.append(Finding("joint/unequal", Outcome.HOLDS, text))
    return found


def _told(agreement: Agreement, spans: Sequence[Window]) -> str:
    bucket = agreement.bucket_s
    return ", ".join(f"{utc(a * bucket)} to {utc(b * bucket)}" for a, b in spans) or "at no time"


def _series(evidence: SiteEvidence) -> Finding:
    assert evidence.copied is not None and evidence.site is not None
    statements, first, origins = evidence.copied
    text = (
        f"{statements:,} statements of {evidence.site.origin} have the energy of {' and '.join(origins)}, bucket by"
        " bucket, which were witnessed no later; their devices count as silent"
    )
    return Finding(
        "joint/series",
        Outcome.UNPROVEN,
        text,
        index=first,
        numbers={"statements": statements},
        settle="the records of these devices",
    )


def _version(agreement: Agreement, text: OtherText) -> Finding:
    if text.amends:
        what = f"bound itself to version {text.version}, SHA-256 {text.digest.hex()}, which amends this one"
        return Finding("agreement/amended", Outcome.UNPROVEN, what, settle=f"--agreement with version {text.version}")
    amends = agreement.life.amends
    earlier = text.version < agreement.version
    if amends is not None and text.version == amends.version:
        earlier = text.digest == amends.digest
    what = f"bound itself to version {text.version} of {agreement.name}, too, SHA-256 {text.digest.hex()}"
    if earlier:
        return Finding("joint/version", Outcome.HOLDS, f"{what}, which this one comes after")
    return Finding("joint/version", Outcome.UNPROVEN, what, settle="the parties' word on which text is in force")


class _Claim(NamedTuple):
    """A log declares an accelerator from `start` to `end`, Unix s; a quorum had seen it do so by `seen`."""

    start: int
    end: int
    seen: int


def _devices(
    agreement: Agreement, credible: Collection[str], logs: Sequence[SiteEvidence], windows: Windows
) -> Iterator[tuple[str, Finding]]:
    """For each log what it declared no earlier than another log did."""
    known = [(e.site.origin, e.party.iss, e) for e in logs if e.site is not None and e.party is not None]
    shared: set[str] = set()
    seen: set[str] = set()
    for _, _, e in known if len(known) > 1 else ():
        uids = set() if e.layouts is None else _uids(e.layouts)
        shared |= seen & uids
        seen |= uids
    claims = []
    for _, iss, e in known:
        made = {} if e.layouts is None or e.timeline is None else _claims(e.layouts, e.timeline, shared)
        counts = iss in credible and sound(e)
        claims.append(made if counts else {uid: [c._replace(seen=FOREVER) for c in of] for uid, of in made.items()})
    buckets = {window for of_party in windows.values() for _, window in of_party}
    times = [(first * agreement.bucket_s, last * agreement.bucket_s) for first, last in sorted(buckets)]
    for number, other in permutations(range(len(known)), 2):
        (origin, iss, _), (first, owner, _) = known[number], known[other]
        mine, theirs = claims[number], claims[other]
        later = sorted(
            uid
            for uid in mine.keys() & theirs.keys()
            if any(b.seen <= a.seen or iss == owner for a, b in _together(mine[uid], theirs[uid], times))
        )
        if later:
            text = (
                f"{len(later):,} accelerators of {origin} stand in the inventory of {first} at the same time, declared"
                f" no later, the first {later[0]}"
            )
            settle = "a registry that says whose they are, or an inventory without them"
            yield iss, Finding("joint/device", Outcome.UNPROVEN, text, numbers={"devices": len(later)}, settle=settle)


def _uids(layouts: Layouts) -> set[str]:
    rosters = {record.block.digest: record.roster for _, _, record in layouts.periods() if record.roster is not None}
    return {device.uid for roster in rosters.values() for host in roster.hosts for device in host.devices}


def _claims(layouts: Layouts, timeline: Timeline, uids: Collection[str]) -> dict[str, list[_Claim]]:
    """When a log declares each of these accelerators: one claim for as long as every roster in force names it."""
    found: dict[str, list[_Claim]] = {}
    for start, end, record in layouts.periods():
        if record.roster is None:
            continue
        witnessed = timeline.upper(record.index)
        seen = _NEVER if witnessed is None else witnessed
        for uid in {d.uid for host in record.roster.hosts for d in host.devices if d.uid in uids}:
            claims = found.setdefault(uid, [])
            if claims and claims[-1].end == start:
                claims[-1] = claims[-1]._replace(end=end, seen=min(seen, claims[-1].seen))
            else:
                claims.append(_Claim(start, end, seen))
    return found


def _together(
    mine: Sequence[_Claim], theirs: Sequence[_Claim], times: Sequence[tuple[int, int]]
) -> Iterator[tuple[_Claim, _Claim]]:
    """The claims of two logs that overlap within some of the times; the claims of each do not, and are in order."""
    left = right = 0
    while left < len(mine) and right < len(theirs):
        one, other = mine[left], theirs[right]
        start, end = max(one.start, other.start), min(one.end, other.end)
        if any(max(start, first) < min(end, last) for first, last in times):
            yield one, other
        left, right = (left + 1, right) if one.end <= other.end else (left, right + 1)


def _short(agreement: Agreement, logs: Sequence[SiteEvidence], windows: Windows) -> Iterator[tuple[str, Finding]]:
    """For each log of which the copy ends before the last window that its party is judged over."""
    for e in logs:
        if e.party is None or e.site is None or e.timeline is None:
            continue
        iss = e.party.iss
        bound = [p.name for p in agreement.phases if any(iss in term.parties for term in p.terms)]
        end = max((last * agreement.bucket_s for name, (_, last) in windows[iss] if name in bound), default=0)
        newest = e.timeline.newest
        if newest is None or newest < end:
            reach = "was never witnessed" if newest is None else f"was last witnessed at {utc(newest)}"
            text = f"this copy of {e.site.origin} {reach}, the window that all are judged over ends at {utc(end)}"
            yield iss, Finding("joint/window", Outcome.UNPROVEN, text, settle=f"a newer copy of {e.site.origin}")
