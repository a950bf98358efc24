"""Tokens with one fault each, and certificates that may not make any."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st

from attest.archive.policy import Policy, default_policy, parse_policy
from attest.archive.renewal_records import Revocation, Stamp
from attest.archive.stamp_certificates import MAX_CERTIFICATE, MAX_ISSUERS, MAX_NAME, load_certificate, paths
from attest.archive.stamp_der import item, oid
from attest.archive.stamp_token import MAX_ACCURACY, MAX_CERTIFICATES, MAX_TOKEN, parse_token
from attest.archive.stamp_verify import Vouched, vouch
from attest.errors import EvidenceError, MalformedError
from tests.archive.authority import (
    SIGNATURE_OIDS,
    Authority,
    Imprint,
    Operator,
    TokenParts,
    algorithm,
    at,
    authority_table,
    digest,
    integer,
    private_key,
    tlv,
    usage,
)

NORTH = Authority("North", at(2020), at(2050))
OPERATOR = Operator(NORTH, at(2026), at(2033))
OTHER = Operator(NORTH, at(2025), at(2033))
MESSAGE = b"message"
TIME = at(2026, 6)


def policy(*authorities: Authority, more: str = "", **keys: str) -> Policy:
    """One that believes these, who need not show revocation."""
    keys = {"revocation": "false", **keys}
    tables = "".join(authority_table(authority, **keys) for authority in authorities or (NORTH,))
    return parse_policy((default_policy().decode() + tables + more).encode())


def judged(token: bytes, by: Policy | None = None, *certificates: bytes) -> Vouched:
    """What a token is worth."""
    return vouch(Stamp(token, certificates, Revocation()), MESSAGE, by or policy())


def token(operator: Operator = OPERATOR, time: int = TIME, **changes: Any) -> bytes:
    """A token over the message."""
    return operator.token(Imprint("sha512", digest("sha512", MESSAGE), 5), time, **changes)


def refused(data: bytes, by: Policy | None = None, *certificates: bytes) -> str:
    """The code that a token is refused with."""
    with pytest.raises(EvidenceError) as caught:
        judged(data, by, *certificates)
    return caught.value.code


def test_a_token_without_fault() -> None:
    assert judged(token())[:2] == ("North", TIME)


FAULTS: dict[str, tuple[Callable[[], bytes], str]] = {
    "another version of the TSTInfo": (lambda: token(version=2), "stamp/malformed"),
    "content that is no TSTInfo": (lambda: token(content_type="1.2.840.113549.1.7.1"), "stamp/malformed"),
    "no content type among what is signed": (lambda: without("1.2.840.113549.1.9.3"), "stamp/malformed"),
    "no message digest": (lambda: without("1.2.840.113549.1.9.4"), "stamp/malformed"),
    "no signing certificate": (lambda: token(ess=""), "stamp/malformed"),
    "two signers": (lambda: token(signers=2), "stamp/malformed"),
    "no signer": (lambda: token(signers=0), "stamp/malformed"),
    "a month of 13": (lambda: token(gen_time=b"20261301000000Z"), "stamp/malformed"),
    "a time of another zone": (lambda: token(gen_time=b"20260101000000+0100"), "stamp/malformed"),
    "a fraction that ends in zero": (lambda: token(gen_time=b"20260101000000.10Z"), "stamp/malformed"),
    "an accuracy of years": (lambda: token(accuracy=tlv(0x30, integer(MAX_ACCURACY + 1))), "stamp/malformed"),
    "more certificates than are read": (
        lambda: token(certificates=[OPERATOR.der] * (MAX_CERTIFICATES + 1)),
        "stamp/malformed",
    ),
    "a certificate that is none": (lambda: token(certificates=[tlv(0x30, integer(1))]), "stamp/certificate"),
    "too long": (lambda: bytes(MAX_TOKEN + 1), "stamp/malformed"),
    "bytes after the end": (lambda: token() + b"\0", "stamp/malformed"),
    "cut off": (lambda: token()[:-1], "stamp/malformed"),
    "nothing": (lambda: b"", "stamp/malformed"),
    "an indefinite length": (lambda: b"\x30\x80" + token()[4:] + b"\0\0", "stamp/malformed"),
    "no SignedData": (lambda: tlv(0x30, tlv(0x06, oid("1.2.840.113549.1.7.1")), tlv(0xA0)), "stamp/malformed"),
    "no certificate": (lambda: token(certificates=[]), "stamp/certificate"),
    "the certificate of another key": (lambda: token(certificates=[OTHER.der]), "stamp/certificate"),
    "another certificate was signed": (lambda: token(ess_der=OTHER.der), "stamp/certificate"),
    "the same by SHA-1": (lambda: token(ess="v1", ess_der=OTHER.der), "stamp/certificate"),
    "a signature over other attributes": (lambda: token(spoil=lambda s: OPERATOR.sign(b"")), "stamp/signature"),
    "a signature that is none": (lambda: token(spoil=lambda s: b"\0" * 70), "stamp/signature"),
    "an empty signature": (lambda: token(spoil=lambda s: b""), "stamp/signature"),
    "a digest of another TSTInfo": (lambda: token(other_content=b"another"), "stamp/signature"),
    "an algorithm of another kind of key": (
        lambda: token(signature_algorithm=algorithm("1.2.840.113549.1.1.11")),
        "stamp/signature",
    ),
    "a key that is not here": (lambda: token(key_identifier=bytes(20)), "stamp/certificate"),
    "an unknown algorithm": (lambda: token(signature_algorithm=algorithm("1.2.3")), "unsupported/stamp-algorithm"),
    "parameters that are not understood": (
        lambda: token(signature_algorithm=algorithm("1.2.840.10045.4.3.2", integer(1))),
        "unsupported/stamp-algorithm",
    ),
    "an imprint of SHA-1": (
        lambda: OPERATOR.token(Imprint("sha1", digest("sha1", MESSAGE), 5), TIME),
        "unsupported/stamp-algorithm",
    ),
    "over another message": (
        lambda: OPERATOR.token(Imprint("sha512", digest("sha512", b"other"), 5), TIME),
        "stamp/imprint",
    ),
    "the right digest by the name of another hash": (
        lambda: OPERATOR.token(Imprint("sha3-512", digest("sha512", MESSAGE), 5), TIME),
        "stamp/imprint",
    ),
}


def without(attribute: str) -> bytes:
    """A token, whose signer left one attribute out."""

    class Fewer(TokenParts):
        def attributes(self, content: bytes) -> list[bytes]:
            kind = tlv(0x06, oid(attribute))
            return [one for one in super().attributes(content) if kind not in one]

    return Fewer(OPERATOR, Imprint("sha512", digest("sha512", MESSAGE), 5), TIME).der()


@pytest.mark.parametrize("name", FAULTS)
def test_a_token_with_one_fault(name: str) -> None:
    make, code = FAULTS[name]
    assert refused(make()) == code


def test_the_time_is_the_end_of_its_accuracy() -> None:
    accuracy = tlv(0x30, integer(2), tlv(0x80, b"\x05"), tlv(0x81, b"\x01"))
    assert judged(token(accuracy=accuracy)).time == TIME + 4  # each part rounded up by itself
    assert judged(token(gen_time=b"20260601000000.5Z")).time == at(2026, 6) + 1


@pytest.mark.parametrize("ess", ["v1", "v2"])
def test_both_ways_to_name_the_certificate(ess: str) -> None:
    assert judged(token(ess=ess)).time == TIME


@pytest.mark.parametrize(
    ("alg", "hash_", "kind"),
    [
        ("rsa", "sha512", ("rsa", 2048)),
        ("p384", "sha384", ("ecdsa", 384)),
        ("p384", "sha3-256", ("ecdsa", 384)),
        ("p384", "sha3-512", ("ecdsa", 384)),
        ("ed25519", "sha512", ("ed25519", 0)),
        ("ml-dsa-44", "sha512", ("ml-dsa-44", 0)),
        ("ml-dsa-65", "sha3-512", ("ml-dsa-65", 0)),
        ("ml-dsa-87", "sha512", ("ml-dsa-87", 0)),
    ],
)
def test_every_algorithm(alg: str, hash_: str, kind: tuple[str, int]) -> None:
    authority = Authority("Any", at(2020), at(2050), alg, hash_)
    operator = Operator(authority, at(2026), at(2033), alg, hash_)
    assert load_certificate(operator.der).key == kind
    assert judged(token(operator), policy(authority))[:2] == ("Any", TIME)
    bad = token(operator, spoil=lambda s: s[:-1] + bytes((s[-1] ^ 1,)))
    assert refused(bad, policy(authority)) == "stamp/signature"


def test_bare_rsa_takes_the_hash_of_the_content() -> None:
    operator = Operator(NORTH, at(2026), at(2033), "rsa", "sha512")
    bare = token(operator, signature_algorithm=algorithm("1.2.840.113549.1.1.1", tlv(0x05)))
    assert judged(bare).time == TIME


def test_a_certificate_that_cannot_be_read_does_not_cost_those_that_can() -> None:
    junk = tlv(0x30, integer(1))
    assert judged(token(certificates=[junk, OPERATOR.der]), None, junk).time == TIME


def test_certificates_may_lie_beside_the_token() -> None:
    bare = token(certificates=[])
    assert judged(bare, None, OPERATOR.der).time == TIME
    assert refused(bare, None, OTHER.der) == "stamp/certificate"


# certificates and paths -----------------------------------------------------------------------------------------------


def intermediate(*extensions: x509.ExtensionType, serial: int = 3) -> tuple[Operator, bytes]:
    """An operator below an intermediate authority, and the certificate of that."""
    middle = Authority("Middle", at(2022), at(2040))
    builder = NORTH.builder(middle.subject, middle.key.public_key(), serial, middle.since, middle.until)
    for extension in extensions:
        builder = builder.add_extension(extension, True)
    return Operator(middle, at(2026), at(2033)), NORTH.signed(builder).public_bytes(Encoding.DER)


CA = x509.BasicConstraints(True, None)
SIGNS = usage(key_cert_sign=True)
STAMPS = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
ANY = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE])


@pytest.mark.parametrize("extensions", [(CA,), (CA, SIGNS), (CA, STAMPS), (CA, SIGNS, ANY)])
def test_a_path_over_an_intermediate_authority(extensions: tuple[x509.ExtensionType, ...]) -> None:
    operator, middle = intermediate(*extensions)
    assert judged(token(operator, certificates=[operator.der, middle])).authority == "North"


@pytest.mark.parametrize(
    "extensions",
    [
        (),
        (x509.BasicConstraints(False, None),),
        (CA, usage(digital_signature=True)),
        (CA, x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])),
        (CA, x509.NameConstraints([x509.DNSName("example")], None)),  # critical, and not understood
    ],
)
def test_an_intermediate_that_may_not_sign_certificates(extensions: tuple[x509.ExtensionType, ...]) -> None:
    operator, middle = intermediate(*extensions)
    assert refused(token(operator, certificates=[operator.der, middle])) == "stamp/path"


def test_a_path_that_is_longer_than_its_root_allows() -> None:
    top = Authority("Top", at(2020), at(2050))
    builder = top.builder(top.subject, top.key.public_key(), 1, top.since, top.until)
    root = top.signed(builder.add_extension(x509.BasicConstraints(True, 0), True))
    middle = top.signed(
        top.builder(NORTH.subject, NORTH.key.public_key(), 2, at(2020), at(2050)).add_extension(CA, True)
    )
    found = [load_certificate(one.public_bytes(Encoding.DER)) for one in (OPERATOR.certificate, middle, root)]
    assert list(paths(found[0], found[1:], found[2:])) == []
    assert [len(path) for path in paths(found[1], (), found[2:])] == [2]


def test_an_authority_cannot_put_its_own_root_beside_the_token() -> None:
    stranger = Authority("North", at(2020), at(2050), "p384")
    operator = Operator(stranger, at(2026), at(2033))
    root = stranger.root.public_bytes(Encoding.DER)
    assert stranger.subject == NORTH.subject
    assert refused(token(operator, certificates=[operator.der, root])) == "stamp/path"


def test_many_issuers_of_one_name_are_not_tried_for_ever() -> None:
    first = load_certificate(OPERATOR.der)
    crowd = []
    for serial in range(MAX_ISSUERS + 8):
        stranger = private_key(f"crowd {serial}", "p256")
        builder = NORTH.builder(NORTH.subject, stranger.public_key(), serial + 1, at(2020), at(2050))
        crowd.append(load_certificate(NORTH.signed(builder.add_extension(CA, True)).public_bytes(Encoding.DER)))
    root = load_certificate(NORTH.root.public_bytes(Encoding.DER))
    assert len(list(paths(first, (), [root]))) == 1
    assert list(paths(first, [], [*crowd, root])) == []


@pytest.mark.parametrize(
    ("operator", "why"),
    [
        (Operator(NORTH, at(2026), at(2033), usages=()), "is not"),
        (Operator(NORTH, at(2026), at(2033), critical=False), "is not"),
        (Operator(NORTH, at(2026), at(2033), usages=(ExtendedKeyUsageOID.CODE_SIGNING,)), "is not"),
        (
            Operator(
                NORTH, at(2026), at(2033), usages=(ExtendedKeyUsageOID.TIME_STAMPING, ExtendedKeyUsageOID.CODE_SIGNING)
            ),
            "timestamps alone",
        ),
    ],
)
def test_a_certificate_that_is_not_for_timestamps_alone(operator: Operator, why: str) -> None:
    with pytest.raises(EvidenceError, match=why) as caught:
        judged(token(operator))
    assert caught.value.code == "stamp/certificate"


def test_a_key_that_is_not_for_signatures() -> None:
    builder = NORTH.builder(OPERATOR.certificate.subject, OPERATOR.key.public_key(), 9, at(2026), at(2033))
    builder = builder.add_extension(usage(key_agreement=True), True).add_extension(STAMPS, True)
    der = NORTH.signed(builder).public_bytes(Encoding.DER)

    class Mine(Operator):
        @property
        def certificate(self) -> x509.Certificate:  # type: ignore[override]
            return x509.load_der_x509_certificate(der)

    assert refused(token(Mine(NORTH, at(2026), at(2033)))) == "stamp/certificate"


@pytest.mark.parametrize("time", [at(2026) - 1, at(2033) + 1])
def test_a_certificate_that_was_not_valid_then(time: int) -> None:
    assert refused(token(time=time)) == "stamp/path"


@pytest.mark.parametrize("time", [at(2026), at(2033)])
def test_the_edges_of_its_validity_are_within(time: int) -> None:
    assert judged(token(time=time)).time == time


@pytest.mark.parametrize("time", [at(2027) - 1, at(2030), at(2031)])
def test_a_root_that_was_not_believed_then(time: int) -> None:
    by = policy(believed_from="2027-01-01T00:00:00Z", believed_until="2030-01-01T00:00:00Z")
    assert refused(token(time=time), by) == "stamp/untrusted"
    assert judged(token(time=at(2028)), by).limit[:2] == (at(2030), "stamp/untrusted")


def test_a_key_that_the_policy_distrusts_ends_its_stamps() -> None:
    more = f'\n[[distrusted]]\nkey = "{OPERATOR.key_digest}"\nsince = 2029-01-01T00:00:00Z\nwhy = "stolen"\n'
    limit = judged(token(), policy(more=more)).limit
    assert limit[:2] == (at(2029), "stamp/revoked")
    assert "stolen" in limit.detail


@pytest.mark.parametrize(
    ("authority", "operator_alg", "limit"),
    [
        (("p256", "sha256"), ("rsa", "sha256"), at(2031)),  # RSA of 2,048 bits
        (("rsa", "sha256"), ("p256", "sha256"), at(2031)),  # its root's is as much
        (("p256", "sha256"), ("p256", "sha256"), at(2036)),
        (("ml-dsa-65", "sha512"), ("p256", "sha256"), at(2036)),
    ],
)
def test_what_is_weak_first_on_the_way_ends_it(
    authority: tuple[str, str], operator_alg: tuple[str, str], limit: int
) -> None:
    root = Authority("Long", at(2020), at(2060), *authority)
    found = judged(token(Operator(root, at(2026), at(2050), *operator_alg)), policy(root)).limit
    assert found[:2] == (limit, "stamp/weak")


@pytest.mark.parametrize(
    ("root_hash", "hash_", "imprint"),
    [("sha256", "sha512", "sha512"), ("sha512", "sha256", "sha512"), ("sha512", "sha512", "sha256")],
)
def test_each_of_its_hashes_ends_it(root_hash: str, hash_: str, imprint: str) -> None:
    root = Authority("Long", at(2020), at(2050), "p384", root_hash)
    operator = Operator(root, at(2026), at(2045), "p384", hash_)
    text = default_policy().decode().replace('"sha256"\n', '"sha256"\nweak_from = 2029-01-01T00:00:00Z\n')
    by = parse_policy((text + authority_table(root, revocation="false")).encode())
    data = operator.token(Imprint(imprint, digest(imprint, MESSAGE), 5), TIME)
    assert judged(data, by).limit[:2] == (at(2029), "stamp/weak")


@pytest.mark.parametrize(("content", "attributes"), [("sha256", "sha512"), ("sha512", "sha256")])
def test_the_hash_of_the_content_and_that_of_the_signature_end_it_each(content: str, attributes: str) -> None:
    class Mixed(Operator):
        def sign(self, message: bytes) -> bytes:
            return replace(OPERATOR, hash=attributes).sign(message)

    root = Authority("Long", at(2020), at(2050), "p384", "sha512")
    operator = Mixed(root, at(2026), at(2033), "p256", content)
    object.__setattr__(operator, "key", OPERATOR.key)
    text = default_policy().decode().replace('"sha256"\n', '"sha256"\nweak_from = 2029-01-01T00:00:00Z\n')
    by = parse_policy((text + authority_table(root, revocation="false")).encode())
    mixed = token(operator, signature_algorithm=algorithm(SIGNATURE_OIDS["p256", attributes]))
    assert judged(mixed, by).limit[:2] == (at(2029), "stamp/weak")


def test_a_hash_that_the_policy_does_not_list_ends_it_at_once() -> None:
    lines = default_policy().decode().replace('[[hash]]\nname = "sha256"', '[[hash]]\nname = "sha384"', 1)
    text = lines.replace(
        '[[hash]]\nname = "sha384"\nsource = "NIST SP 800-57 part 1 rev. 5, table 3: no end"\n\n', "", 1
    )
    by = parse_policy((text + authority_table(NORTH, revocation="false")).encode())
    assert judged(token(), by).limit[:2] == (0, "stamp/weak")


# hostile bytes --------------------------------------------------------------------------------------------------------


@given(st.binary(max_size=200))
def test_any_bytes_are_a_token_or_malformed(data: bytes) -> None:
    with pytest.raises(EvidenceError):
        parse_token(data)


@given(st.data())
def test_a_token_with_a_changed_byte_is_refused_or_says_the_same(data: st.DataObject) -> None:
    good = token()
    place = data.draw(st.integers(0, len(good) - 1))
    value = data.draw(st.integers(0, 255))
    changed = good[:place] + bytes((value,)) + good[place + 1 :]
    try:
        vouched = judged(changed)
    except EvidenceError:
        return
    assert vouched == judged(good)


@given(st.binary(max_size=40))
def test_any_bytes_are_one_item_or_malformed(data: bytes) -> None:
    try:
        found = item(data)
    except MalformedError as error:
        assert error.code == "stamp/malformed"
        return
    assert tlv(found.tag, found.content) == found.whole == data


@pytest.mark.parametrize("data", ["0200", "02020001", "0202ff80", "0241" + "01" * 65, "020100ff", "0281017f", "1f8100"])
def test_integers_and_lengths_have_one_form(data: str) -> None:
    with pytest.raises(MalformedError):
        item(bytes.fromhex(data)).integer()


@pytest.mark.parametrize(("data", "number"), [("020100", 0), ("020200ff", 255), ("0202ff7f", -129), ("020180", -128)])
def test_integers(data: str, number: int) -> None:
    assert item(bytes.fromhex(data)).integer() == number


def test_names_in_errors_are_written_out_and_short() -> None:
    loud = Authority("\x1b[2J" + "N" * 40, at(2020), at(2050))
    name = load_certificate(Operator(loud, at(2026), at(2033)).der).name
    assert name.startswith(r"CN=\x1b[2JNNN")
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "N" * 64)] * 9)
    builder = NORTH.builder(subject, OPERATOR.key.public_key(), 9, at(2026), at(2033))
    assert len(load_certificate(NORTH.signed(builder).public_bytes(Encoding.DER)).name) == MAX_NAME


def test_a_time_beyond_the_calendar_is_refused_without_a_crash() -> None:
    far = token(gen_time=b"99991231235959.9Z", accuracy=tlv(0x30, integer(MAX_ACCURACY)))
    assert refused(far) == "stamp/path"


def test_a_certificate_too_large_to_be_one() -> None:
    with pytest.raises(MalformedError) as caught:
        load_certificate(bytes(MAX_CERTIFICATE + 1))
    assert caught.value.code == "stamp/certificate"


def test_certificate_times_of_this_century_and_the_next() -> None:
    far = Authority("Far", at(2020), at(2060))
    assert load_certificate(far.root.public_bytes(Encoding.DER)).until == at(2060)
