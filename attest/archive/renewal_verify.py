"""Does a record show that an object existed, since when, and until when will it? (RFC 4998 section 5.3)

    1  every link's leaf leads to its root: the object, then the timestamp before, then the object under a new hash
       with all evidence before. What does not is no evidence of it: EvidenceError renewal/object, renewal/path
    2  backwards from the last link, each is judged as of the time of the next one that counts, the last as of `at`:
       its hash must not be weak then, and of its stamps count those that are good by themselves
       (attest.archive.stamp_verify) and whose limit has not come then
    3  a link counts if as many authorities as the policy asks for are left; its time is when the last of the first so
       many had seen it, so that none of them alone can make it earlier
    4  the object existed since the time of the earliest link that counts

Nothing is judged as of now: a certificate that expired in 2033 is good in 2046 if its stamp was renewed in 2031 and
that is good. What does not count is a finding, and what remains is said; where nothing remains, `NotShown`.

    renewal/lapsed      what was never renewed has ended      stamp/expired, stamp/weak, stamp/revoked,
    renewal/late        renewed only after it had ended       stamp/untrusted: why a stamp had ended by then
    renewal/hash-weak   the tree's hash was weak by then      stamp/future: made after the time of judgement
    stamp/order         EvidenceError: a stamp that is older than what it covers: one of its authorities lies
"""

from collections.abc import Callable
from typing import NamedTuple, TypeVar

from attest.archive.policy import Policy
from attest.archive.renewal import Digest, next_leaf
from attest.archive.renewal_records import NOTHING_KNOWN, Record, Revocation, Timestamp
from attest.archive.renewal_tree import root_from
from attest.archive.stamp_certificates import when
from attest.archive.stamp_verify import Limit, Vouched, vouch
from attest.errors import EvidenceError, TreeError

_T = TypeVar("_T")


class Finding(NamedTuple):
    """Why a link of a record, or one stamp of it (`authority`, where it is known), does not count."""

    code: str
    chain: int
    link: int
    authority: str
    detail: str


class Existed(NamedTuple):
    """The object existed at `since` (Unix s), by this link of this chain and these authorities; and this is shown for
    as long as the `limit` of the last link that counts has not come."""

    since: int
    chain: int
    link: int
    authorities: tuple[str, ...]
    limit: Limit
    findings: tuple[Finding, ...]


class NotShown(NamedTuple):
    """Nothing in the record shows, as of the time of judgement, that the object existed before it."""

    findings: tuple[Finding, ...]


class _Cover(NamedTuple):
    """What holds the link before: the time as of which that is judged, and what is known of revocation until then.

    `made` is False where nothing that counts covers it: then it is judged as of now.
    """

    time: int
    made: bool
    about: Revocation


def verify_record(
    of: Digest, record: Record, policy: Policy, at: int, known: Revocation = NOTHING_KNOWN
) -> Existed | NotShown:
    """What a record shows of an object, as of `at`, Unix s. Raises EvidenceError for what is no evidence of it.

    `known` is what the verifier knows himself of revocation at that time: a theft that it tells of counts against what
    nothing in the record renewed.
    """
    require_links(of, record)
    findings: list[Finding] = []
    existed: Existed | None = None
    bare = _Cover(at, False, known)
    cover = bare
    places = [(chain, link) for chain, links in enumerate(record.chains) for link in range(len(links))]
    for place in reversed(places):
        timestamp = record.chains[place[0]][place[1]].timestamp
        weak = _weak(timestamp, policy)
        good: list[Vouched] = []
        why = [Finding(weak.code, *place, "", weak.detail)]
        if cover.time < weak.time:
            good, why = _counting(timestamp, policy, cover, place)
        findings += why
        times = sorted(_by_authority(good, lambda v: v.time, min))
        if len(times) < policy.quorum:
            code = "renewal/late" if cover.made else "renewal/lapsed"
            if any(finding.code != "stamp/future" for finding in why) or not why:
                findings.append(Finding(code, *place, "", f"{len(times)} of {policy.quorum} authorities count"))
            # A weak hash binds nothing: what is older is not held by what is newer, and stands for itself.
            cover = bare if cover.time >= weak.time else cover._replace(about=_joined(cover.about, timestamp.about))
            continue
        limit = existed.limit if existed and cover.made else _until(good, weak, policy)
        names = tuple(sorted({vouched.authority for vouched in good}))
        existed = Existed(times[policy.quorum - 1], *place, names, limit, ())
        cover = _Cover(existed.since, True, timestamp.about)
    return NotShown(tuple(findings)) if existed is None else existed._replace(findings=tuple(findings))


def stands_until(timestamp: Timestamp, policy: Policy, at: int, known: Revocation = NOTHING_KNOWN) -> Limit | None:
    """From when on a timestamp counts no more unless it is renewed; None if it does not count at `at`, Unix s."""
    weak = _weak(timestamp, policy)
    good, _ = _counting(timestamp, policy, _Cover(at, False, known), (0, 0))
    enough = len({vouched.authority for vouched in good}) >= policy.quorum
    return _until(good, weak, policy) if enough and at < weak.time else None


def require_links(of: Digest, record: Record) -> None:
    """Return None if each link covers what it must (step 1).

    Raises EvidenceError `renewal/object` if the first of a chain is of another object, or of this one with other
    evidence; TreeError `renewal/path` for a link that does not cover the one before it.
    """
    so_far: Record | None = None
    for chain, links in enumerate(record.chains):
        for link, (number, path, timestamp) in enumerate(links):
            leaf = next_leaf(so_far, of, timestamp.hash)
            if root_from(timestamp.hash, leaf, number, timestamp.size, path) != timestamp.root:
                place = f"chain {chain}, link {link}"
                if link:
                    raise TreeError("renewal/path", f"{place} does not cover the link before it")
                raise EvidenceError("renewal/object", f"{place} is not of this object with this evidence")
            # As the archive had it when it was renewed: the chains before, and this one up to here.
            so_far = Record((*record.chains[:chain], links[: link + 1]))


def _counting(
    timestamp: Timestamp, policy: Policy, cover: _Cover, place: tuple[int, int]
) -> tuple[list[Vouched], list[Finding]]:
    """The stamps that count as of the time of what covers them, and why others do not."""
    good: list[Vouched] = []
    findings: list[Finding] = []
    for stamp in timestamp.stamps:
        try:
            vouched = vouch(stamp, timestamp.message, policy, cover.about, cover.time if cover.made else None)
        except EvidenceError as error:
            findings.append(Finding(error.code, *place, "", error.detail))
            continue
        authority, time, limit = vouched
        if cover.time >= limit.time:
            findings.append(Finding(limit.code, *place, authority, limit.detail))
        elif time <= cover.time:
            good.append(vouched)
        elif cover.made:
            where = f"chain {place[0]}, link {place[1]}"
            detail = f"{where}: {authority} stamped it at {when(time)}, and its renewal says {when(cover.time)}"
            raise EvidenceError("stamp/order", detail, hint="one of the authorities lies about the time")
        else:
            findings.append(
                Finding("stamp/future", *place, authority, f"made at {when(time)}, after {when(cover.time)}")
            )
    return good, findings


def _weak(timestamp: Timestamp, policy: Policy) -> Limit:
    """When its tree binds nothing any more."""
    return Limit(policy.hash_limit(timestamp.hash), "renewal/hash-weak", f"{timestamp.hash} is weak")


def _until(good: list[Vouched], weak: Limit, policy: Policy) -> Limit:
    """When too few of its authorities will be left, or its tree will bind nothing."""
    limits = sorted(_by_authority(good, lambda v: v.limit, max), reverse=True)
    return min(limits[policy.quorum - 1], weak)


def _by_authority(good: list[Vouched], of: Callable[[Vouched], _T], best: Callable[[_T, _T], _T]) -> list[_T]:
    """One value of each authority, however often it stamped."""
    found: dict[str, _T] = {}
    for vouched in good:
        value = of(vouched)
        found[vouched.authority] = best(found[vouched.authority], value) if vouched.authority in found else value
    return list(found.values())


def _joined(one: Revocation, other: Revocation) -> Revocation:
    return Revocation(one.crls + other.crls, one.ocsps + other.ocsps)
