"""What revocation lists and OCSP replies say of a stamp: stolen and retired keys, and what says nothing."""

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st

from attest.archive.policy import Policy, default_policy, parse_policy
from attest.archive.renewal_records import Revocation, Stamp
from attest.archive.stamp_certificates import load_certificate
from attest.archive.stamp_revocation import WITHOUT_END, Status, statuses
from attest.archive.stamp_verify import Vouched, vouch
from attest.errors import EvidenceError
from tests.archive.authority import (
    DAY,
    HASHES,
    Authority,
    Imprint,
    Operator,
    Revoked,
    at,
    authority_table,
    digest,
    moment,
    private_key,
    usage,
)

NORTH = Authority("North", at(2020), at(2050))
OPERATOR = Operator(NORTH, at(2026), at(2033))
STRANGER = Authority("Stranger", at(2020), at(2050))
MESSAGE = b"message"
TIME = at(2026, 6)
RENEWED = at(2031)
POLICY = parse_policy((default_policy().decode() + authority_table(NORTH)).encode())
TOKEN = OPERATOR.token(Imprint("sha512", digest("sha512", MESSAGE), None), TIME)
FRESH = Revocation((NORTH.crl(TIME - DAY),))


def judged(then: Revocation, about: Revocation | None = None, policy: Policy = POLICY) -> Vouched:
    """What the stamp is worth with this known when it was made and this when it was renewed, in 2031."""
    return vouch(Stamp(TOKEN, (), then), MESSAGE, policy, about or Revocation(), None if about is None else RENEWED)


def refused(then: Revocation, about: Revocation | None = None, policy: Policy = POLICY) -> str:
    """The code that it is refused with."""
    with pytest.raises(EvidenceError) as caught:
        judged(then, about, policy)
    return caught.value.code


def said(evidence: Revocation) -> list[Status]:
    """What it says of the operator's certificate."""
    root = NORTH.root.public_bytes(Encoding.DER)
    return list(statuses(load_certificate(OPERATOR.der), load_certificate(root), evidence))


@pytest.mark.parametrize(
    ("then", "speaks"),
    [
        (Revocation((NORTH.crl(TIME - DAY),)), True),
        (Revocation((NORTH.crl(TIME),)), True),
        (Revocation((NORTH.crl(TIME + 30 * DAY),)), True),  # made later: it says more
        (Revocation((NORTH.crl(TIME - 8 * DAY),)), False),  # ended before
        (Revocation((NORTH.crl(TIME - 7 * DAY),)), False),  # ended just then
        (Revocation((NORTH.crl(TIME - 7 * DAY + 1),)), True),
        (Revocation((), (NORTH.ocsp(OPERATOR.certificate, TIME - DAY + 1),)), True),
        (Revocation((), (NORTH.ocsp(OPERATOR.certificate, TIME - DAY),)), False),
        (Revocation(), False),
        (Revocation((STRANGER.crl(TIME),)), False),
        (Revocation((), (STRANGER.ocsp(OPERATOR.certificate, TIME),)), False),
        (Revocation((b"junk",), (b"junk",)), False),
    ],
)
def test_a_stamp_needs_what_was_current_when_it_was_made(then: Revocation, speaks: bool) -> None:
    if speaks:
        assert judged(then).time == TIME
    else:
        assert refused(then) == "stamp/unchecked"


@pytest.mark.parametrize(
    ("about", "speaks"),
    [
        (Revocation((NORTH.crl(RENEWED - DAY),)), True),
        (Revocation((), (NORTH.ocsp(OPERATOR.certificate, RENEWED),)), True),
        (Revocation((NORTH.crl(RENEWED - 30 * DAY),)), False),
        (Revocation(), False),
    ],
)
def test_a_renewal_needs_what_is_current_when_it_is_made(about: Revocation, speaks: bool) -> None:
    if speaks:
        assert judged(FRESH, about).time == TIME
    else:
        assert refused(FRESH, about) == "stamp/unchecked"


def test_nobody_answers_for_an_expired_certificate() -> None:
    stamp = Stamp(TOKEN, (), FRESH)
    assert vouch(stamp, MESSAGE, POLICY, Revocation(), at(2034)).limit[:2] == (at(2033) + 1, "stamp/expired")


def test_an_authority_that_publishes_nothing_need_not() -> None:
    keys = authority_table(NORTH, revocation="false")
    lenient = parse_policy((default_policy().decode() + keys).encode())
    assert judged(Revocation(), Revocation(), lenient).time == TIME


# revoked --------------------------------------------------------------------------------------------------------------

STOLEN = Revoked(OPERATOR.serial, at(2029))
REASONS = x509.ReasonFlags
RETIRED = [REASONS.affiliation_changed, REASONS.superseded, REASONS.cessation_of_operation]
WORST = [None, REASONS.key_compromise, REASONS.ca_compromise, REASONS.privilege_withdrawn, REASONS.certificate_hold]


@pytest.mark.parametrize("reason", WORST)
def test_a_stolen_key_is_good_only_for_what_was_renewed_before(reason: x509.ReasonFlags | None) -> None:
    about = Revocation((NORTH.crl(RENEWED - DAY, [STOLEN._replace(reason=reason)]),))
    assert judged(FRESH, about).limit[:2] == (at(2029), "stamp/revoked")


@pytest.mark.parametrize("reason", RETIRED)
def test_a_retired_key_is_good_for_what_it_stamped_before(reason: x509.ReasonFlags) -> None:
    about = Revocation((NORTH.crl(RENEWED - DAY, [STOLEN._replace(reason=reason)]),))
    assert judged(FRESH, about).limit[1] == "stamp/expired"
    early = Revocation((NORTH.crl(RENEWED - DAY, [Revoked(OPERATOR.serial, TIME, reason)]),))
    assert refused(FRESH, early) == "stamp/revoked"


def test_a_key_that_was_in_wrong_hands_earlier_is_bad_since_then() -> None:
    about = Revocation((NORTH.crl(RENEWED - DAY, [STOLEN._replace(invalid=at(2028))]),))
    assert judged(FRESH, about).limit[:2] == (at(2028), "stamp/revoked")


def test_a_retired_key_is_not_made_bad_by_a_date() -> None:
    retired = STOLEN._replace(reason=REASONS.superseded, invalid=at(2020))
    about = Revocation((NORTH.crl(RENEWED - DAY, [retired]),))
    assert judged(FRESH, about).limit[1] == "stamp/expired"


def test_a_responder_says_that_it_is_stolen() -> None:
    about = Revocation((), (NORTH.ocsp(OPERATOR.certificate, RENEWED, STOLEN),))
    assert judged(FRESH, about).limit[:2] == (at(2029), "stamp/revoked")


def test_what_is_known_to_be_stolen_counts_however_old_the_list_is() -> None:
    about = Revocation((NORTH.crl(at(2029, 2), [STOLEN]), NORTH.crl(RENEWED - DAY)))
    assert judged(FRESH, about).limit[:2] == (at(2029), "stamp/revoked")


def test_another_certificate_on_the_list_is_nobody_elses_business() -> None:
    about = Revocation((NORTH.crl(RENEWED - DAY, [Revoked(4711, at(2027))]),))
    assert judged(FRESH, about).limit[1] == "stamp/expired"


def test_an_intermediate_authority_can_be_stolen_too() -> None:
    middle = Authority("Middle", at(2022), at(2040))
    builder = NORTH.builder(middle.subject, middle.key.public_key(), 3, middle.since, middle.until)
    builder = builder.add_extension(x509.BasicConstraints(True, None), True)
    der = NORTH.signed(builder).public_bytes(Encoding.DER)
    operator = Operator(middle, at(2026), at(2033))
    token = operator.token(Imprint("sha512", digest("sha512", MESSAGE), None), TIME)
    then = Revocation((NORTH.crl(TIME - DAY, [Revoked(3, at(2028))]), middle.crl(TIME - DAY)))
    assert vouch(Stamp(token, (der,), then), MESSAGE, POLICY).limit[:2] == (at(2028), "stamp/revoked")
    half = Stamp(token, (der,), then._replace(crls=then.crls[1:]))
    with pytest.raises(EvidenceError, match="Middle") as caught:
        vouch(half, MESSAGE, POLICY)
    assert caught.value.code == "stamp/unchecked"


# what says nothing ----------------------------------------------------------------------------------------------------


def listed(extension: x509.ExtensionType, critical: bool = True) -> Revocation:
    """A list of the root's with an extension."""
    builder = x509.CertificateRevocationListBuilder(NORTH.subject, moment(TIME), moment(TIME + DAY))
    return Revocation((NORTH.signed(builder.add_extension(extension, critical)).public_bytes(Encoding.DER),))


def point(**flags: bool) -> x509.IssuingDistributionPoint:
    """What a list says of its scope."""
    names = ("only_contains_user_certs", "only_contains_ca_certs", "indirect_crl", "only_contains_attribute_certs")
    chosen = {name: flags.get(name, False) for name in names}
    here = [x509.UniformResourceIdentifier("http://north.example/crl")]
    return x509.IssuingDistributionPoint(full_name=here, relative_name=None, only_some_reasons=None, **chosen)


@pytest.mark.parametrize(
    ("extension", "speaks"),
    [
        (point(), True),
        (point(only_contains_user_certs=True), True),
        (point(only_contains_ca_certs=True), False),
        (point(indirect_crl=True), False),
        (point(only_contains_attribute_certs=True), False),
        (
            x509.IssuingDistributionPoint(None, None, False, False, frozenset([REASONS.superseded]), False, False),
            False,
        ),
        (x509.DeltaCRLIndicator(1), False),
        (x509.CRLNumber(7), False),  # critical, which it must not be
    ],
)
def test_a_part_of_a_list_is_no_list(extension: x509.ExtensionType, speaks: bool) -> None:
    assert bool(said(listed(extension))) is speaks


def test_what_is_not_critical_does_not_matter() -> None:
    assert said(listed(x509.CRLNumber(7), False))


def test_a_reply_without_an_end_is_current_for_a_day() -> None:
    builder = ocsp.OCSPResponseBuilder().add_response(
        OPERATOR.certificate, NORTH.root, hashes.SHA1(), ocsp.OCSPCertStatus.GOOD, moment(TIME), None, None, None
    )
    response = builder.responder_id(ocsp.OCSPResponderEncoding.NAME, NORTH.root).sign(NORTH.key, HASHES["sha256"])
    (status,) = said(Revocation((), (response.public_bytes(Encoding.DER),)))
    assert status[:2] == (TIME, TIME + WITHOUT_END)
    assert status.speaks_of(TIME + WITHOUT_END - 1)
    assert not status.speaks_of(TIME + WITHOUT_END)


def test_a_list_made_after_the_end_of_its_issuer_says_nothing() -> None:
    assert said(Revocation((NORTH.crl(at(2049, 12, 1)),)))
    assert not said(Revocation((NORTH.crl(at(2051)),)))


def test_a_list_that_is_signed_with_a_weak_hash_says_nothing() -> None:
    text = default_policy().decode().replace('"sha512"\n', '"sha512"\nweak_from = 2026-01-01T00:00:00Z\n', 1)
    strict = parse_policy((text + authority_table(NORTH)).encode())
    same = Authority("North", at(2020), at(2050), hash="sha512")
    token = OPERATOR.token(Imprint("sha256", digest("sha256", MESSAGE), None), TIME)

    def worth(crl: bytes) -> Vouched:
        return vouch(Stamp(token, (), Revocation((crl,))), MESSAGE, strict)

    assert worth(NORTH.crl(TIME)).time == TIME
    with pytest.raises(EvidenceError) as caught:
        worth(same.crl(TIME))
    assert caught.value.code == "stamp/unchecked"


def delegated(
    signer: str,
    *usages: x509.ObjectIdentifier,
    by: Authority = NORTH,
    until: int = at(2033),
    alg: str = "p256",
) -> Revocation:
    """A reply of a responder that somebody certified."""
    key = private_key(signer, alg)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, signer)])
    builder = by.builder(subject, key.public_key(), 12, at(2026), until).add_extension(
        usage(digital_signature=True), True
    )
    if usages:
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), False)
    certificate = by.signed(builder)
    response = (
        ocsp.OCSPResponseBuilder()
        .add_response(
            OPERATOR.certificate, NORTH.root, hashes.SHA1(), ocsp.OCSPCertStatus.GOOD,
            moment(TIME), moment(TIME) + timedelta(days=1), None, None,
        )
        .responder_id(ocsp.OCSPResponderEncoding.HASH, certificate)
        .certificates([certificate])
        .sign(key, HASHES["sha256"])
    )  # fmt: skip
    return Revocation((), (response.public_bytes(Encoding.DER),))


def test_a_responder_that_the_issuer_certified() -> None:
    assert said(delegated("responder", ExtendedKeyUsageOID.OCSP_SIGNING))


@pytest.mark.parametrize(
    "evidence",
    [
        delegated("no responder"),
        delegated("a web server", ExtendedKeyUsageOID.SERVER_AUTH),
        delegated("a stranger's", ExtendedKeyUsageOID.OCSP_SIGNING, by=STRANGER),
        delegated("an old one", ExtendedKeyUsageOID.OCSP_SIGNING, until=TIME - 1),
    ],
)
def test_a_responder_that_the_issuer_did_not_certify(evidence: Revocation) -> None:
    assert said(evidence) == []


def test_a_responder_with_a_weak_key_says_nothing() -> None:
    text = default_policy().decode().replace("2031-01-01T00:00:00Z", "2026-01-01T00:00:00Z")
    strict = parse_policy((text + authority_table(NORTH)).encode())
    assert judged(delegated("strong", ExtendedKeyUsageOID.OCSP_SIGNING), None, strict).time == TIME
    weak = delegated("weak", ExtendedKeyUsageOID.OCSP_SIGNING, alg="rsa")  # 2,048 bits
    assert refused(weak, None, strict) == "stamp/unchecked"
    assert judged(weak).time == TIME


def test_a_list_of_another_name_with_the_same_key_says_nothing() -> None:
    builder = x509.CertificateRevocationListBuilder(STRANGER.subject, moment(TIME), moment(TIME + DAY))
    assert said(Revocation((NORTH.signed(builder).public_bytes(Encoding.DER),))) == []


def test_a_reply_about_another_certificate_or_of_unknown_ones() -> None:
    other = Operator(NORTH, at(2025), at(2033))
    assert said(Revocation((), (NORTH.ocsp(other.certificate, TIME),))) == []
    builder = ocsp.OCSPResponseBuilder().add_response(
        OPERATOR.certificate, NORTH.root, hashes.SHA256(), ocsp.OCSPCertStatus.UNKNOWN, moment(TIME), None, None, None
    )
    response = builder.responder_id(ocsp.OCSPResponderEncoding.NAME, NORTH.root).sign(NORTH.key, HASHES["sha256"])
    assert said(Revocation((), (response.public_bytes(Encoding.DER),))) == []


def test_a_refusal_says_nothing() -> None:
    refusal = ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER)
    assert said(Revocation((), (refusal.public_bytes(Encoding.DER),))) == []


LISTED = NORTH.crl(TIME, [STOLEN])
REPLIED = NORTH.ocsp(OPERATOR.certificate, TIME, STOLEN)  # not deterministic: made once


@given(st.integers(0, len(LISTED) - 1), st.integers(1, 255))
def test_a_changed_list_says_the_same_or_nothing(place: int, flip: int) -> None:
    changed = LISTED[:place] + bytes((LISTED[place] ^ flip,)) + LISTED[place + 1 :]
    assert said(Revocation((changed,))) in ([], said(Revocation((LISTED,))))


@given(st.integers(0, len(REPLIED) - 1), st.integers(1, 255))
def test_a_changed_reply_says_the_same_or_nothing(place: int, flip: int) -> None:
    changed = REPLIED[:place] + bytes((REPLIED[place] ^ flip,)) + REPLIED[place + 1 :]
    assert said(Revocation((), (changed,))) in ([], said(Revocation((), (REPLIED,))))
