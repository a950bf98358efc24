"""From bundles to a verdict, in one line (schemas/verification.md has the same numbers).

    1  head      the checkpoint: who signed it, who witnessed it
    2  scan      every entry hashed, tree rebuilt, root == head's root       (map over ranges, reduce)
    3  control   replay genesis, keys, inventory, heads in index order -> who could say what, when
    4  facts     signatures, chains, spans, blocks, meters, sums             (map over ranges, reduce)
    5  evidence  what each statement is worth: timely, undisputed, of a sound source
    6  judge     facts against the agreement at a time -> outcomes

Nothing is interpreted before the tree authenticates it. The function does no I/O but what the bundles do, and reads
no clock: `at` is the time of judgement. `map` may be any map that keeps order; one that takes what it maps little by
little stops at the first file that is missing, whatever size the head has.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from attest import scan
from attest.acts import Paper
from attest.agreement import Agreement, Party, ScaleCap, SignedAgreement, Site
from attest.bundle import Bundle
from attest.errors import EvidenceError, Fault, MissingError, Scope, TreeError
from attest.evaluate import SiteEvidence
from attest.facts import Facts, begins
from attest.facts import merge as merge_facts
from attest.format.checkpoint import parse_checkpoint
from attest.format.note import parse_note
from attest.gather import Context, gather
from attest.judge import judge
from attest.layout import Layouts
from attest.lookups import Bodies, Roots
from attest.replay import head_of, replay
from attest.reread import read_series, read_traffic
from attest.series import Series, joined
from attest.timeline import Head, Timeline
from attest.traffic import Traffic, together
from attest.trust.notes import unknown_signatures
from attest.trust.pins import SeenHead, Trust
from attest.verdict import Verdict
from attest.worth import quality

Map = Callable[..., Iterable[Any]]
_T = TypeVar("_T")


def check(
    bundles: Sequence[Bundle],
    signed: SignedAgreement,
    trust: Trust | None,
    *,
    at: int,
    map: Map = map,
    papers: Sequence[Paper] = (),
    anomalies: bool = False,
) -> Verdict:
    """Judge copies of logs against a signed agreement at a time (Unix s); `papers` are events found beside them. For
    `anomalies` of single devices all blocks are read once more, and so they are for a term about the fabric.

    Bad evidence becomes findings of the verdict; a bundle of which a file cannot be read is named as missing.
    """
    seen = () if trust is None else trust.heads
    found: list[tuple[Bundle, SiteEvidence]] = []
    missing: list[str] = []
    for bundle in bundles:
        try:
            found.append((bundle, examine(bundle, signed, seen, map=map, anomalies=anomalies)))
        except MissingError as error:
            missing.append(f"{bundle.name}: {error}")
    found.sort(key=_order)
    return replace(judge(signed, trust, _compared(found), at=at, papers=papers), missing=tuple(missing))


def _order(found: tuple[Bundle, SiteEvidence]) -> tuple[str, int, bytes, tuple[Fault, ...], int]:
    """By what a copy is and not by how it was given, so that the order of the copies does not show in the verdict."""
    _, e = found
    origin = "" if e.site is None else e.site.origin
    size, note = (0, b"") if e.head is None else (e.head.size, e.head.note)
    return origin, size, note, e.faults, 0 if e.facts is None else e.facts.absent_blocks


def examine(
    bundle: Bundle, signed: SignedAgreement, seen: Sequence[SeenHead] = (), *, map: Map = map, anomalies: bool = False
) -> SiteEvidence:
    """Steps 1 to 5 for one log; `seen` are heads that its tree must contain.

    Raises MissingError where a file of the bundle cannot be read.
    """
    agreement = signed.agreement
    try:
        party, site, head = open_head(bundle, signed)  # 1
    except EvidenceError as error:
        return SiteEvidence(bundle.name, None, None, faults=(_copy_fault(error),))
    try:
        scanned = scan_log(bundle, head, map)  # 2
    except EvidenceError as error:
        return SiteEvidence(bundle.name, party, site, head=head, faults=(_copy_fault(error),))
    roots = Roots(bundle, head.size)
    try:
        control = replay(  # 3
            scanned.control, agreement, party, site, body_of=Bodies(bundle, head.size), root_at=roots
        )
    except EvidenceError as error:
        return SiteEvidence(bundle.name, party, site, head=head, faults=(_fault(error),))
    layouts = Layouts(control)
    timeline = Timeline(agreement.policy, [*control.heads, head])
    meters = {meter.sub: meter for meter in party.meters}
    context = Context(bundle, control, layouts, timeline, agreement.bucket_s, head.size, roots, meters)
    facts = _reduce(  # 4
        partial(merge_facts, sources=control.sources),
        list(map(partial(_gather, context), scan.ranges(head.size))),
    )
    starts = (begins(control.sources[number], chain) for number, chain in facts.chains.items())
    known = [_seen(head, roots) for head in seen if head.origin == site.origin]
    known.append(_strange(bundle, signed, site))
    found = (*facts.faults, *control.faults, *(fault for fault in (*starts, *known) if fault is not None))
    faults = tuple(fault for fault in found if not _excused(fault, found))
    worth = quality(facts, control, timeline, faults, agreement.max_lag_s)  # 5
    series = joined(map(partial(_series, context), scan.ranges(head.size))) if anomalies else None
    asked = scan.ranges(head.size) if _asks_traffic(agreement, site) else ()
    traffic = together(map(partial(_traffic, context), asked))
    return SiteEvidence(
        bundle.name,
        party,
        site,
        head,
        faults,
        control,
        layouts,
        timeline,
        facts,
        worth,
        tuple(bundle.extra()),
        agreement.policy.colluders(party.affiliated),
        series=series,
        traffic=traffic,
    )


def open_head(bundle: Bundle, signed: SignedAgreement) -> tuple[Party, Site, Head]:
    """Step 1. Raises EvidenceError where the checkpoint is not one of a log that the agreement names."""
    note = bundle.checkpoint()
    origin = parse_checkpoint(parse_note(note).text).origin
    named = signed.agreement.site(origin)
    if named is None:
        raise EvidenceError("head/unknown-origin", f"the agreement names no log {origin}")
    party, site = named
    head = head_of(-1, note, signed.agreement, party, site)
    if not head.size:
        raise EvidenceError("head/empty", "the log has no entries")
    return party, site, head


def _seen(head: SeenHead, roots: Roots) -> Fault | None:
    """None if the tree contains a head that the verifier saw earlier."""
    root = roots(head.size)
    if root is None:
        detail = f"{head.origin} was seen with size {head.size}, this copy has {roots.size}: older, or cut short"
        return Fault(-1, "head/rolled-back", Scope.COPY, detail)
    if root != head.root:
        detail = f"{head.origin} had root {head.root.hex()} at size {head.size}, here {root.hex()}"
        return Fault(-1, "log/fork", Scope.PARTY, detail)
    return None


def _excused(fault: Fault, faults: Sequence[Fault]) -> bool:
    """A link is missing because this program could not read the statement that it is: that is no contradiction."""
    return fault.code == "chain/gap" and any(
        other.code.startswith("unsupported/") and other.source == fault.source and other.index < fault.index
        for other in faults
    )


def _strange(bundle: Bundle, signed: SignedAgreement, site: Site) -> Fault | None:
    """None if all who signed the checkpoint are known: a signature that nobody can verify covers its own bytes."""
    known = (*site.log_keys, *(witness.vkey for witness in signed.agreement.policy.witnesses))
    strange = unknown_signatures(parse_note(bundle.checkpoint()), known)
    if not strange:
        return None
    names = ", ".join(sorted({signature.name for signature in strange}))
    return Fault(-1, "unsupported/signature", Scope.COPY, f"the agreement has no such key of {names}")


def _compared(found: Sequence[tuple[Bundle, SiteEvidence]]) -> list[SiteEvidence]:
    """Copies of one log against the longest of them that could be read: every head must be one of its tree's."""
    out = []
    for bundle, evidence in found:
        head, site = evidence.head, evidence.site
        others = [other for _, other in found if other is not evidence and other.site == site and other.head]
        if head is not None and site is not None and evidence.facts is not None:
            roots = Roots(bundle, head.size)
            heads = [SeenHead(site.origin, o.head.size, o.head.root) for o in others if o.head]
            faults = [_seen(seen, roots) for seen in heads if seen.size <= head.size]
            evidence = replace(evidence, faults=(*evidence.faults, *(fault for fault in faults if fault)))
        out.append(evidence)
    return out


def scan_log(bundle: Bundle, head: Head, map: Map) -> scan.Scan:
    """Step 2. Raises TreeError where the entries, the hash tiles and the head are not one tree."""
    parts = list(map(partial(_scan_range, bundle, head.size), scan.ranges(head.size)))  # as far as there are files
    found: scan.Scan = _reduce(scan.merge, parts)
    scan.require_upper_tiles(bundle, head.size, found.roots)
    if found.range.root() != head.root:
        raise TreeError(
            "tree/root",
            f"the entries hash to {found.range.root().hex()}, the head says {head.root.hex()}",
            hint="get another copy of the bundle",
        )
    return found


def _scan_range(bundle: Bundle, size: int, tiles: tuple[int, int]) -> scan.Scan:
    return scan.scan(bundle, size, *tiles)


def _series(context: Context, tiles: tuple[int, int]) -> Series:
    return read_series(context, *tiles)


def _traffic(context: Context, tiles: tuple[int, int]) -> Traffic:
    return read_traffic(context, *tiles)


def _asks_traffic(agreement: Agreement, site: Site) -> bool:
    """Whether any term is about what a site's devices moved: only then is it worth another reading."""
    terms = (term for phase in agreement.phases for term in phase.terms)
    return any(isinstance(t, ScaleCap) and t.fabric_mib is not None and site.name in t.sites for t in terms)


def _gather(context: Context, tiles: tuple[int, int]) -> Facts:
    return gather(context, *tiles)


def _reduce(merge: Callable[[_T, _T], _T], parts: list[_T]) -> _T:
    """Neighbours merged pairwise, as a balanced tree."""
    while len(parts) > 1:
        pairs = [merge(parts[i], parts[i + 1]) for i in range(0, len(parts) - 1, 2)]
        parts = pairs + parts[len(pairs) * 2 :]
    return parts[0]


def _copy_fault(error: EvidenceError) -> Fault:
    """What goes wrong before the tree stands is the copy's fault, and nobody else's."""
    return Fault(-1, error.code, Scope.COPY, str(error))


def _fault(error: EvidenceError) -> Fault:
    return Fault(-1, error.code, error.scope, str(error.detail))
