"""2046: what the verdicts of 2026 are worth when SHA-256, Ed25519 and a timestamp authority have fallen.

The attacker here finds any collision and preimage of SHA-256, signs anything with Ed25519 and ECDSA, and has all keys
that South ever had. He did not have them before 2040.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from attest.archive import renewal_tree
from attest.archive.policy import Policy
from attest.archive.renewal import Digest, Kept, digests_of, renew, require_covered, unstamped
from attest.archive.renewal_records import Link, Record, Stamp, format_timestamp, timestamp_digest
from attest.archive.renewal_tree import digest, object_leaf
from attest.archive.renewal_verify import Existed, Finding, NotShown, verify_record
from attest.errors import EvidenceError, MissingError, TrustError
from attest.sign.verdicts import sign_verdict
from attest.trust.keys import Alg
from attest.trust.signed_verdict import verify_verdict
from tests.archive.authority import Authority, Operator, Revoked, at, authority_table
from tests.archive.decades import (
    BROKEN,
    N26,
    N31,
    N36,
    N42,
    NORTH,
    NORTH_35,
    NOW,
    S26,
    S31,
    S36,
    S42,
    SOUTH,
    SOUTH_35,
    STAMPED,
    Archive,
    distrusted,
    honest,
    lists,
    policy_of,
)
from tests.schemas.example import key, world
from tests.schemas.regenerate import judged

VERDICT = judged()
JUDGE = key("judge")
OBJECTS = [VERDICT, world().agreement, world().note, *world().entries]
Y26, Y31, Y36, Y42 = STAMPED


@pytest.fixture(scope="module")
def archive() -> Archive:
    return honest(OBJECTS)


@pytest.fixture(scope="module")
def record(archive: Archive) -> Record:
    return archive.record(VERDICT)


def existed(data: bytes | Digest, record: Record, policy: Policy | None = None, time: int = NOW) -> Existed:
    """What a record shows, where it shows anything."""
    found = verify_record(digests_of(data) if isinstance(data, bytes) else data, record, policy or policy_of(), time)
    assert isinstance(found, Existed), found
    return found


def not_shown(data: bytes | Digest, record: Record, policy: Policy | None = None, time: int = NOW) -> list[str]:
    """The codes of why a record shows nothing."""
    found = verify_record(digests_of(data) if isinstance(data, bytes) else data, record, policy or policy_of(), time)
    assert isinstance(found, NotShown), found
    return codes(found.findings)


def refused(data: bytes | Digest, record: Record, policy: Policy | None = None) -> str:
    """The code that a record is refused with."""
    with pytest.raises(EvidenceError) as caught:
        verify_record(digests_of(data) if isinstance(data, bytes) else data, record, policy or policy_of(), NOW)
    return caught.value.code


def codes(findings: tuple[Finding, ...]) -> list[str]:
    return [finding.code for finding in findings]


def cut(record: Record, *lengths: int) -> Record:
    """Its first chains, each with so many links."""
    return Record(tuple(chain[:length] for chain, length in zip(record.chains, lengths, strict=False)))


# what was renewed in time ---------------------------------------------------------------------------------------------


def test_a_verdict_of_2026_still_verifies_in_2046(record: Record) -> None:
    found = existed(VERDICT, record)
    assert (found.since, found.chain, found.link) == (Y26, 0, 0)
    assert found.authorities == ("North", "South")
    assert found.findings == ()
    assert found.limit[:2] == (at(2052) + 1, "stamp/expired")
    policy_of().require_believed(Alg.ED25519, found.since)
    public = JUDGE.public_key()
    assert verify_verdict(VERDICT, {public.thumbprint: ("judge", public)}).signer == "judge"


@pytest.mark.parametrize("number", range(len(OBJECTS)))
def test_every_object_is_shown_since_2026(archive: Archive, number: int) -> None:
    found = existed(OBJECTS[number], archive.record(OBJECTS[number]))
    assert (found.since, found.findings) == (Y26, ())


def test_it_is_shown_in_every_year_between(record: Record) -> None:
    for time, lengths in ((Y26 + 1, (1,)), (Y31 + 1, (2,)), (Y36 + 1, (2, 1)), (Y42 + 1, (2, 1, 1))):
        assert existed(VERDICT, cut(record, *lengths), time=time).since == Y26


def test_what_comes_after_the_time_of_judgement_is_not_there_yet(record: Record) -> None:
    found = existed(VERDICT, record, time=at(2030))
    assert found.since == Y26
    assert set(codes(found.findings)) == {"stamp/future"}
    assert found.limit[:2] == (at(2033) + 1, "stamp/expired")


def test_an_object_of_2035_is_shown_since_2035_and_not_before() -> None:
    archive = honest([VERDICT], years=2)
    tree = renew("sha256", objects=[digest("sha256", b"of 2035")], timestamps=[archive.history[-1].timestamp])
    archive.stamp(tree, at(2035, 2), N31, S31, about=lists(at(2035, 2), NORTH, SOUTH))
    archive.objects.append(b"of 2035")
    archive.rehash("sha512", Y36, N36, S36, about=lists(Y36, NORTH, SOUTH))
    archive.rehash("sha3-512", Y42, N42, S42, about=lists(Y42, NORTH_35, SOUTH_35))
    assert existed(VERDICT, archive.record(VERDICT)).since == Y26
    assert existed(b"of 2035", archive.record(b"of 2035")).since == at(2035, 2)


# what was not ---------------------------------------------------------------------------------------------------------


def test_what_was_never_renewed_says_so(record: Record) -> None:
    assert not_shown(VERDICT, cut(record, 1)) == ["renewal/hash-weak", "renewal/lapsed"]
    assert not_shown(VERDICT, cut(record, 1), time=at(2034)) == ["stamp/expired", "stamp/expired", "renewal/lapsed"]
    assert not_shown(VERDICT, cut(record, 2)) == ["renewal/hash-weak", "renewal/lapsed"] * 2
    # SHA-512 and ML-DSA still stand, the certificates of 2036 do not.
    assert not_shown(VERDICT, cut(record, 2, 1))[:3] == ["stamp/expired", "stamp/expired", "renewal/lapsed"]


def test_a_timestamp_that_was_renewed_too_late_says_so() -> None:
    archive = Archive([VERDICT])
    archive.first(Y26, N26, S26)
    archive.again(at(2034), N31, S31, about=lists(at(2034), NORTH, SOUTH))  # the certificates ended in 2033
    archive.rehash("sha512", Y36, N36, S36, about=lists(Y36, NORTH, SOUTH))
    archive.rehash("sha3-512", Y42, N42, S42, about=lists(Y42, NORTH_35, SOUTH_35))
    found = existed(VERDICT, archive.record(VERDICT))
    assert (found.since, found.chain, found.link) == (at(2034), 0, 1)
    assert codes(found.findings) == ["stamp/expired", "stamp/expired", "renewal/late"]
    policy_of().require_believed(Alg.ED25519, found.since)


def test_a_hash_that_was_replaced_too_late_says_so() -> None:
    archive = honest([VERDICT], years=2)
    late = at(2041, 6)  # SHA-256 fell in 2040
    archive.rehash("sha512", late, N42, S42, about=lists(late, NORTH, SOUTH))
    found = existed(VERDICT, archive.record(VERDICT))
    assert found.since == late
    assert codes(found.findings) == ["renewal/hash-weak", "renewal/late", "renewal/hash-weak", "renewal/lapsed"]
    with pytest.raises(TrustError) as caught:
        policy_of().require_believed(Alg.ED25519, found.since)
    assert caught.value.code == "renewal/signature-weak"


@pytest.mark.parametrize(("late", "since"), [(BROKEN - 1, Y26), (BROKEN, BROKEN)])
def test_the_moment_of_the_break_is_too_late_and_the_one_before_is_not(late: int, since: int) -> None:
    archive = honest([VERDICT], years=1)
    archive.again(Y31, *(replace(one, until=at(2045)) for one in (N31, S31)), about=lists(Y31, NORTH, SOUTH))
    archive.rehash("sha512", late, N36, S36, about=lists(late, NORTH, SOUTH))
    assert existed(VERDICT, archive.record(VERDICT), time=at(2043)).since == since


def test_one_authority_that_lasts_is_enough_for_a_quorum_of_one() -> None:
    archive = Archive([VERDICT])
    archive.first(Y26, N26, replace(S26, until=at(2045)))
    archive.again(at(2034), N31, S31, about=lists(at(2034), NORTH, SOUTH))
    found = existed(VERDICT, archive.record(VERDICT), policy_of(1), at(2035))
    assert (found.since, found.authorities, codes(found.findings)) == (Y26, ("South",), ["stamp/expired"])
    assert existed(VERDICT, archive.record(VERDICT), policy_of(2), at(2035)).since == at(2034)


# an authority whose key was stolen ------------------------------------------------------------------------------------

STOLEN = Revoked(S31.serial, at(2033, 5))


def test_a_stolen_key_is_known_from_the_list_that_the_renewal_kept() -> None:
    record = honest([VERDICT], revoked=[STOLEN]).record(VERDICT)
    found = existed(VERDICT, record, policy_of(1))
    assert (found.since, found.authorities) == (Y26, ("North", "South"))
    assert codes(found.findings) == ["stamp/revoked"]
    # Where both must agree nothing is left of 2031, and by 2036 the certificates of 2026 had ended.
    strict = existed(VERDICT, record, policy_of(2))
    assert strict.since == Y36
    assert "stamp/revoked" in codes(strict.findings)
    assert codes(strict.findings).count("renewal/late") == 2


def test_what_was_stamped_with_a_stolen_key_and_renewed_before_the_theft_is_good() -> None:
    for stolen, since in ((Y36, Y36), (Y36 + 1, Y26)):
        record = honest([VERDICT], revoked=[STOLEN._replace(time=stolen)]).record(VERDICT)
        assert existed(VERDICT, record).since == since


def test_a_theft_that_is_known_only_later_stands_in_the_policy(record: Record) -> None:
    policy = policy_of(1, more=distrusted("2033-05-01T00:00:00Z", S31))
    found = existed(VERDICT, record, policy)
    assert (found.since, codes(found.findings)) == (Y26, ["stamp/revoked"])
    assert existed(VERDICT, record, policy_of(2, more=distrusted("2033-05-01T00:00:00Z", S31))).since == Y36


def test_an_archive_that_hides_the_revocation_shows_nothing_by_that_stamp() -> None:
    archive = honest([VERDICT], years=2)
    archive.rehash("sha512", Y36, N36, S36, about=lists(Y36, NORTH))  # South's list is left out
    archive.rehash("sha3-512", Y42, N42, S42, about=lists(Y42, NORTH_35, SOUTH_35))
    found = existed(VERDICT, archive.record(VERDICT), policy_of(1))
    assert (found.since, codes(found.findings)) == (Y26, ["stamp/unchecked"])
    assert existed(VERDICT, archive.record(VERDICT)).since == Y36


def test_what_a_renewal_that_does_not_count_knew_of_a_theft_is_not_forgotten() -> None:
    """One renewal tells of a theft and counts for nobody; the next, half a year later, hides it."""
    archive = honest([VERDICT], years=1)
    theft = [Revoked(S26.serial, at(2028))]
    stranger = Operator(Authority("Stranger", at(2020), at(2050)), at(2026), at(2038))
    archive.again(at(2032), stranger, about=lists(at(2032), SOUTH, revoked=theft))
    archive.again(at(2032, 6), N31, S31, about=lists(at(2032, 6), NORTH, SOUTH))
    record = archive.record(VERDICT)
    found = existed(VERDICT, record, policy_of(1), at(2033))
    assert (found.since, found.authorities) == (Y26, ("North",))
    assert codes(found.findings) == ["stamp/path", "renewal/late", "stamp/revoked"]
    assert existed(VERDICT, record, policy_of(2), at(2033)).since == at(2032, 6)


def test_the_lists_that_a_renewal_kept_cannot_be_exchanged() -> None:
    record = honest([VERDICT], revoked=[STOLEN]).record(VERDICT)
    (link,) = record.chains[1]
    clean = link._replace(timestamp=link.timestamp._replace(about=lists(Y36, NORTH, SOUTH)))
    assert refused(VERDICT, Record((record.chains[0], (clean,), record.chains[2]))) == "renewal/object"


def test_a_renewal_that_tells_of_a_theft_can_be_left_out_and_who_knows_better_finds_it() -> None:
    """In 2037 the certificates of 2031 still stand: then it takes today's list, or the policy, to know of the theft."""
    record = cut(honest([VERDICT], revoked=[STOLEN]).record(VERDICT), 2)
    assert existed(VERDICT, record, time=at(2037)).since == Y26
    known = lists(at(2037), SOUTH, revoked=[STOLEN])
    found = verify_record(digests_of(VERDICT), record, policy_of(), at(2037), known)
    assert codes(found.findings)[:2] == ["stamp/revoked", "renewal/lapsed"]
    policy = policy_of(more=distrusted("2033-05-01T00:00:00Z", S31))
    assert "stamp/revoked" in not_shown(VERDICT, record, policy, at(2037))


# the attacker of 2046 -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def forged() -> bytes:
    """Another verdict, with a signature of the judge's: Ed25519 is broken."""
    other = sign_verdict(VERDICT_JSON.replace(b'"unproven"', b'"breached"'), JUDGE)
    assert other != VERDICT
    return other


VERDICT_JSON = verify_verdict(VERDICT, {JUDGE.public_key().thumbprint: ("judge", JUDGE.public_key())}).text


def test_a_forgery_of_2046_verifies_and_is_not_believed(forged: bytes) -> None:
    public = JUDGE.public_key()
    assert verify_verdict(forged, {public.thumbprint: ("judge", public)}).signer == "judge"
    with pytest.raises(TrustError) as caught:
        policy_of().require_believed(Alg.ED25519, NOW)
    assert caught.value.code == "renewal/signature-weak"


def test_a_forgery_that_is_stamped_in_2046_existed_since_2046(forged: bytes) -> None:
    archive = Archive([forged])
    archive.first(NOW - 60, N42, S42, name="sha3-512")
    found = existed(forged, archive.record(forged))
    assert found.since == NOW - 60
    assert Alg.ED25519 not in policy_of().believed_at(found.since)


def test_a_forgery_with_the_record_of_the_verdict(forged: bytes, record: Record) -> None:
    assert refused(forged, record) == "renewal/object"


def collision(data: bytes, target: bytes) -> Digest:
    """The digests of a forgery that the attacker gave the SHA-256 of another object."""
    return lambda name: digest(name, target if name == "sha256" else data)


def test_a_forgery_with_the_same_sha_256(forged: bytes, record: Record) -> None:
    assert refused(collision(forged, VERDICT), record) == "renewal/object"
    for lengths in ((1,), (2,)):  # without what was hashed again: SHA-256 alone shows nothing
        assert set(not_shown(collision(forged, VERDICT), cut(record, *lengths))) == {
            "renewal/hash-weak",
            "renewal/lapsed",
        }


def test_a_forgery_with_the_same_sha_256_that_is_hashed_again_in_2046(forged: bytes, record: Record) -> None:
    twin = collision(forged, VERDICT)
    tree = renew("sha3-512", records=[(twin("sha3-512"), cut(record, 2))])
    archive = Archive([])
    archive.stamp(tree, NOW - 60, N42, S42, about=lists(NOW, NORTH, SOUTH))
    found = existed(twin, require_covered(twin, cut(record, 2), archive.history[0]))
    assert found.since == NOW - 60
    assert codes(found.findings)[:2] == ["renewal/hash-weak", "renewal/late"]


class Broken:
    """SHA-256 with the collisions that the attacker found."""

    def __init__(self) -> None:
        self.found: dict[bytes, bytes] = {}

    def __call__(self, data: bytes = b"") -> Any:
        real = hashlib.sha256(data)
        return _Fixed(self.found[data]) if data in self.found else real


class _Fixed:
    digest_size = 32

    def __init__(self, value: bytes) -> None:
        self._value = value

    def digest(self) -> bytes:
        return self._value


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Iterator[Broken]:
    """From here on SHA-256 gives what the attacker wants."""
    oracle = Broken()
    monkeypatch.setitem(renewal_tree.HASHES, "sha256", oracle)
    timestamp_digest.cache_clear()
    yield oracle
    timestamp_digest.cache_clear()


def test_an_object_of_2035_cannot_be_brought_under_the_tree_of_2026(broken: Broken) -> None:
    young = b"delivered in 2035"
    archive = honest([VERDICT], years=2)
    tree = renew("sha256", objects=[digest("sha256", young)], timestamps=[archive.history[-1].timestamp])
    archive.stamp(tree, at(2035, 2), N31, S31, about=lists(at(2035, 2), NORTH, SOUTH))
    archive.objects.append(young)
    archive.rehash("sha512", Y36, N36, S36, about=lists(Y36, NORTH, SOUTH))
    archive.rehash("sha3-512", Y42, N42, S42, about=lists(Y42, NORTH_35, SOUTH_35))
    true, of_verdict = archive.record(young), archive.record(VERDICT)
    assert existed(young, true).since == at(2035, 2)
    # A second preimage of the root of 2026: its one leaf is now the young object's.
    first, *rest = of_verdict.chains[0]
    broken.found[b"\0\0" + digest("sha256", young)] = object_leaf("sha256", digest("sha256", VERDICT))
    for later in (true.chains[1:], of_verdict.chains[1:]):
        assert refused(young, Record(((first, *rest), *later))) == "renewal/object"
    assert set(not_shown(young, Record(((first, *rest),)))) == {"renewal/hash-weak", "renewal/lapsed"}


def test_a_timestamp_cannot_be_exchanged_for_one_with_the_same_sha_256(broken: Broken) -> None:
    archive = honest([VERDICT, b"other"])
    record = archive.record(VERDICT)
    first, second = record.chains[0]
    older = unstamped(archive.history[0].tree)
    older = older._replace(stamps=tuple(one.stamp(older.message, at(2026, 2)) for one in (N26, S26)))
    broken.found[format_timestamp(older)] = digest("sha256", format_timestamp(first.timestamp))
    exchanged = Record(((first._replace(timestamp=older), second), *record.chains[1:]))
    assert refused(VERDICT, exchanged) == "renewal/object"


def forge(data: bytes, *operators: Operator) -> Archive:
    """A whole history of twenty years, stamped by whoever is at hand."""
    archive = Archive([data])
    y26, y31, y36, y42 = operators
    archive.first(Y26, y26)
    archive.again(Y31, y31, about=lists(Y31, NORTH, SOUTH))
    archive.rehash("sha512", Y36, y36, about=lists(Y36, NORTH, SOUTH))
    archive.rehash("sha3-512", Y42, y42, about=lists(Y42, NORTH_35, SOUTH_35))
    return archive


def test_who_owns_one_of_two_authorities_makes_no_history_where_both_must_agree(forged: bytes) -> None:
    record = forge(forged, S26, S31, S36, S42).record(forged)
    assert set(not_shown(forged, record, policy_of(2))) >= {"renewal/lapsed"}
    # Where one is enough he does, until it is known that he has the keys.
    assert existed(forged, record, policy_of(1)).since == Y26
    known = policy_of(1, more=distrusted("2045-01-01T00:00:00Z", S26, S31, S36, S42))
    assert "stamp/revoked" in not_shown(forged, record, known)


def test_it_being_known_costs_an_honest_history_nothing(record: Record) -> None:
    known = policy_of(1, more=distrusted("2045-01-01T00:00:00Z", S26, S31, S36, S42))
    found = existed(VERDICT, record, known)
    assert (found.since, codes(found.findings)) == (Y26, ["stamp/revoked"])


def test_one_authority_cannot_make_the_time_earlier(forged: bytes) -> None:
    archive = Archive([forged])
    timestamp = unstamped(renew("sha3-512", objects=[digest("sha3-512", forged)]))
    tree = renew("sha3-512", objects=[digest("sha3-512", forged)])
    stamps = (N42.stamp(timestamp.message, NOW - 60), S42.stamp(timestamp.message, at(2041, 2)))
    archive.history.append(Kept(timestamp._replace(stamps=stamps), tree))
    assert existed(forged, archive.record(forged)).since == NOW - 60
    assert existed(forged, archive.record(forged), policy_of(1)).since == at(2041, 2)


def test_two_stamps_of_one_authority_are_one(forged: bytes) -> None:
    tree = renew("sha3-512", objects=[digest("sha3-512", forged)])
    timestamp = unstamped(tree)
    stamps = (S42.stamp(timestamp.message, at(2043)), S42.stamp(timestamp.message, at(2044)))
    record = Archive([forged], [Kept(timestamp._replace(stamps=stamps), tree)]).record(forged)
    assert not_shown(forged, record) == ["renewal/lapsed"]


def test_a_late_renewal_cannot_be_hidden_by_a_backdated_one_between(forged: bytes) -> None:
    """The collision of above, with a hash renewal of "2036" that South alone stamped, renewed by both in 2042."""
    twin = collision(forged, VERDICT)
    old = cut(honest([VERDICT]).record(VERDICT), 2)
    archive = Archive([])
    tree = renew("sha512", records=[(twin("sha512"), old)])
    archive.stamp(tree, Y36, S36, about=lists(Y36, NORTH, SOUTH))
    middle = require_covered(twin, old, archive.history[-1])
    archive.again(Y42, N42, S42, about=lists(Y42, NORTH_35, SOUTH_35))
    whole = require_covered(twin, middle, archive.history[-1])
    found = existed(twin, whole)
    assert found.since == Y42
    assert "renewal/late" in codes(found.findings)
    assert existed(twin, whole, policy_of(1)).since == Y26  # what a quorum of one is worth against him


# records put together otherwise ---------------------------------------------------------------------------------------


def test_chains_that_are_swapped(record: Record) -> None:
    first, second, third = record.chains
    for chains in ((second, first, third), (first, third, second), (third,), (second, third), (first, third)):
        assert refused(VERDICT, Record(chains)) == "renewal/object"


def test_links_that_are_swapped_or_left_out(record: Record) -> None:
    (one, two), *rest = record.chains
    assert refused(VERDICT, Record(((two, one), *rest))) == "renewal/object"
    assert refused(VERDICT, Record(((two,), *rest))) == "renewal/object"
    assert refused(VERDICT, Record(((one,), *rest))) == "renewal/object"
    assert refused(VERDICT, Record(((one, two, two), *rest))) == "renewal/path"


def test_stamps_that_are_reordered_or_left_out(record: Record) -> None:
    (one, two), *rest = record.chains

    def with_stamps(stamps: tuple[Stamp, ...]) -> Record:
        changed = one._replace(timestamp=one.timestamp._replace(stamps=stamps))
        return Record(((changed, two), *rest))

    north, south = one.timestamp.stamps
    assert refused(VERDICT, with_stamps((south, north))) == "renewal/path"
    assert refused(VERDICT, with_stamps((north,))) == "renewal/path"


def test_stamps_of_2031_in_place_of_those_of_2026(record: Record) -> None:
    (one, two), *_ = record.chains
    changed = one._replace(timestamp=one.timestamp._replace(stamps=two.timestamp.stamps))
    assert not_shown(VERDICT, Record(((changed,),)), time=at(2032)) == [
        "stamp/imprint",
        "stamp/imprint",
        "renewal/lapsed",
    ]


def test_a_renewal_that_omits_an_object() -> None:
    archive = honest(OBJECTS, years=2)
    lost = archive.objects.pop(0)
    archive.rehash("sha512", Y36, N36, S36, about=lists(Y36, NORTH, SOUTH))
    before = archive.record(lost)
    with pytest.raises(MissingError) as caught:
        require_covered(digests_of(lost), before, archive.history[-1])
    assert caught.value.code == "renewal/omitted"
    for one in archive.objects:
        require_covered(digests_of(one), cut(archive.record(one), 2), archive.history[-1])
    assert not_shown(lost, archive.record(lost)) == ["renewal/hash-weak", "renewal/lapsed"] * 2


def test_the_stamp_of_another_archive(record: Record) -> None:
    other = honest([b"another archive's"])
    theirs = other.record(b"another archive's")
    assert refused(VERDICT, theirs) == "renewal/object"
    (one, _), *_ = record.chains
    taken = one._replace(timestamp=one.timestamp._replace(stamps=theirs.chains[0][0].timestamp.stamps))
    assert not_shown(VERDICT, Record(((taken,),)), time=at(2027)) == [
        "stamp/imprint",
        "stamp/imprint",
        "renewal/lapsed",
    ]
    grafted = Record((record.chains[0], *theirs.chains[1:]))
    assert refused(VERDICT, grafted) == "renewal/object"


@pytest.mark.parametrize("quorum", [1, 2])
def test_a_renewal_that_says_it_is_older_than_what_it_covers(quorum: int) -> None:
    archive = honest([VERDICT], years=1)
    archive.again(Y26 - 60, N26, S26, about=lists(Y26, NORTH, SOUTH))
    with pytest.raises(EvidenceError) as caught:
        existed(VERDICT, archive.record(VERDICT), policy_of(quorum), at(2027))
    assert caught.value.code == "stamp/order"


@pytest.mark.parametrize(
    ("since", "code"),
    [
        (at(2040), "stamp/path"),  # an honest root of 2040 has no certificate of 2026
        (at(2020), "stamp/untrusted"),  # a liar's has
    ],
)
def test_a_backdated_token_by_an_authority_that_is_trusted_only_later(forged: bytes, since: int, code: str) -> None:
    later = Authority("Later", since, at(2065), "ml-dsa-65", "sha512")
    operator = Operator(later, at(2041) if since == at(2040) else at(2026), at(2055), "ml-dsa-65", "sha512")
    archive = Archive([forged])
    archive.first(Y26, operator, name="sha512")
    policy = policy_of(1, more=authority_table(later, believed_from="2040-01-01T00:00:00Z"))
    assert not_shown(forged, archive.record(forged), policy) == [code, "renewal/lapsed"]


def test_a_path_that_says_more_or_less(record: Record) -> None:
    link = record.chains[0][0]

    def with_path(number: int, path: bytes) -> Record:
        return Record(((Link(number, path, link.timestamp), *record.chains[0][1:]), *record.chains[1:]))

    cases: list[tuple[Callable[[], Record], str]] = [
        (lambda: with_path(link.number, link.path[:-32]), "renewal/path"),
        (lambda: with_path(link.number, link.path + bytes(32)), "renewal/path"),
        (lambda: with_path(link.number, link.path[1:]), "renewal/path"),
        (lambda: with_path(link.timestamp.size, link.path), "renewal/path"),
        (lambda: with_path(link.number ^ 1, link.path), "renewal/object"),
    ]
    for make, code in cases:
        assert refused(VERDICT, make()) == code


def test_nothing_is_believed_without_a_policy_that_believes_somebody(record: Record) -> None:
    nobody = policy_of(1, roots=())
    assert set(not_shown(VERDICT, record, nobody, at(2039))) == {"stamp/path", "renewal/lapsed"}


def test_a_timestamp_without_stamps_shows_nothing() -> None:
    tree = renew("sha512", objects=[digest("sha512", VERDICT)])
    record = Archive([VERDICT], [Kept(unstamped(tree), tree)]).record(VERDICT)
    assert not_shown(VERDICT, record) == ["renewal/lapsed"]
