"""The vectors of rfc3161-client: tokens of five authorities, judged here as that library judges them.

And the other way round: what the tests' own authorities write is a token to OpenSSL and to rfc3161-client.
"""

import hashlib
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from rfc3161_client import VerificationError, VerifierBuilder, decode_timestamp_response
from rfc3161_client._rust import parse_timestamp_request

from attest.archive.policy import Policy, default_policy, parse_policy
from attest.archive.renewal_records import Revocation, Stamp
from attest.archive.stamp_der import SEQUENCE, item
from attest.archive.stamp_token import parse_token
from attest.archive.stamp_verify import vouch
from attest.errors import EvidenceError
from tests.archive.authority import DAY, Authority, Imprint, Operator, at, digest, reply

HELLO = b"hello"


class Vector(NamedTuple):
    """A response, what it should be over (None: the file `payload` beside it), and how it is judged ("": believed)."""

    file: str
    message: bytes | None
    code: str
    time: int = 0


VECTORS = [
    Vector("identrust/issue-104.tsr", HELLO, "", 1_741_683_128),  # the signer's certificate is not the first
    Vector("sigstage/response-sha256.tsr", HELLO, "", 1_746_791_936),
    Vector("sigstage/response-sha384.tsr", HELLO, "", 1_746_791_936),
    Vector("sigstage/response-sha512.tsr", HELLO, "", 1_746_791_937),
    Vector("sigstage/response-no-embedded-cert.tsr", HELLO, "", 1_750_234_383),
    Vector("sigstage/response-invalid-signature.tsr", HELLO, "stamp/signature"),
    Vector("sigstore.mock/response-expired.tsr", None, "", 1_675_209_601),  # good then, and for nobody after 2023
    Vector("test_tsa/response.tsr", HELLO, "", 1_728_402_033),
    Vector("test_tsa/response-injected-certs.tsr", HELLO, "", 1_728_402_033),  # and a spoofed signer among them
    Vector("test_tsa/other_response.tsr", HELLO, "stamp/path"),  # an authority of the same names with other keys
]


@pytest.fixture(scope="module")
def fixtures(shared: Path) -> Path:
    return shared / "vectors" / "rfc3161-client" / "fixtures"


def chain(folder: Path) -> list[x509.Certificate]:
    """The chain beside the responses, the root last; one of them is DER by the name of PEM."""
    data = (folder / "ts_chain.pem").read_bytes()
    return [x509.load_der_x509_certificate(data)] if data[:1] == b"0" else x509.load_pem_x509_certificates(data)


def policy(certificates: list[x509.Certificate]) -> Policy:
    """One that believes their root; none of these authorities publishes revocation where the files are."""
    pem = "".join(certificate.public_bytes(Encoding.PEM).decode() for certificate in certificates)
    table = '[[authority]]\nname = "one"\nbelieved_from = 2014-01-01T00:00:00Z\nrevocation = false\n'
    return parse_policy(default_policy() + f'{table}certificates = """\n{pem}"""\n'.encode())


def stamp(response: bytes) -> Stamp:
    """The token of a response."""
    return Stamp(item(response).items(SEQUENCE)[1].whole, (), Revocation())


def peer(response: bytes, certificates: list[x509.Certificate], message: bytes) -> bool:
    """Does rfc3161-client believe it?"""
    builder = VerifierBuilder().add_root_certificate(certificates[-1])
    for certificate in certificates[1:-1]:
        builder = builder.add_intermediate_certificate(certificate)
    if len(certificates) > 1:
        builder = builder.tsa_certificate(certificates[0])
    try:
        return builder.build().verify_message(decode_timestamp_response(response), message)
    except VerificationError:
        return False


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: v.file)
def test_a_response_is_judged_as_the_library_judges_it(fixtures: Path, vector: Vector) -> None:
    path = fixtures / vector.file
    message = (path.parent / "payload").read_bytes() if vector.message is None else vector.message
    certificates = chain(path.parent)
    assert peer(path.read_bytes(), certificates, message) == (not vector.code)
    if vector.code:
        with pytest.raises(EvidenceError) as caught:
            vouch(stamp(path.read_bytes()), message, policy(certificates))
        assert caught.value.code == vector.code
        return
    vouched = vouch(stamp(path.read_bytes()), message, policy(certificates))
    assert vouched.time == vector.time
    assert vouched.time < vouched.limit.time


@pytest.mark.parametrize("vector", [v for v in VECTORS if not v.code], ids=lambda v: v.file)
def test_a_response_is_not_over_another_message(fixtures: Path, vector: Vector) -> None:
    path = fixtures / vector.file
    certificates = chain(path.parent)
    assert not peer(path.read_bytes(), certificates, b"hullo")
    with pytest.raises(EvidenceError) as caught:
        vouch(stamp(path.read_bytes()), b"hullo", policy(certificates))
    assert caught.value.code == "stamp/imprint"


def test_all_responses_are_in_the_table(fixtures: Path) -> None:
    found = {str(path.relative_to(fixtures)) for path in fixtures.rglob("*.tsr")}
    assert found == {vector.file for vector in VECTORS}


@pytest.mark.parametrize(
    ("request_file", "response_file", "same"),
    [
        ("test_tsa/request.der", "test_tsa/response.tsr", True),
        ("test_tsa/other_request.der", "test_tsa/response.tsr", False),
        ("test_tsa/request.der", "test_tsa/other_response.tsr", False),
        ("test_tsa/other_request.der", "test_tsa/other_response.tsr", False),  # by the file names it would be
    ],
)
def test_a_response_has_the_nonce_of_its_request_or_not(
    fixtures: Path, request_file: str, response_file: str, same: bool
) -> None:
    request = parse_timestamp_request((fixtures / request_file).read_bytes())
    token = parse_token(stamp((fixtures / response_file).read_bytes()).token)
    assert (token.nonce == request.nonce) is same
    assert token.imprint == request.message_imprint.message
    assert token.imprint == hashlib.sha512(HELLO).digest()


def test_a_certificate_that_expired_is_good_as_of_the_stamp_and_ends_it(fixtures: Path) -> None:
    folder = fixtures / "sigstore.mock"
    response = (folder / "response-expired.tsr").read_bytes()
    vouched = vouch(stamp(response), (folder / "payload").read_bytes(), policy(chain(folder)))
    assert vouched.limit[:2] == (1_704_067_201, "stamp/expired")  # 2024-01-01T00:00:01Z


# ours by others -------------------------------------------------------------------------------------------------------

NORTH = Authority("North", at(2020), at(2050), "p384", "sha512")
OURS = {
    "ecdsa p256": (Operator(NORTH, at(2026), at(2033)), "sha256"),
    "ecdsa p384, sha512": (Operator(NORTH, at(2027), at(2033), "p384", "sha512"), "sha512"),
    "ecdsa p384, sha384": (Operator(NORTH, at(2028), at(2033), "p384", "sha384"), "sha384"),
    "rsa, sha512": (Operator(NORTH, at(2026, 2), at(2033), "rsa", "sha512"), "sha512"),
    "a sha3 imprint": (Operator(NORTH, at(2026), at(2033)), "sha3-512"),
}


@pytest.mark.parametrize("name", OURS)
def test_our_tokens_are_tokens_to_openssl(tmp_path: Path, name: str) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("there is no openssl command here to verify tokens with")
    operator, imprint = OURS[name]
    time = operator.since + DAY
    token = operator.token(Imprint(imprint, digest(imprint, HELLO), 12345), time)
    (tmp_path / "root.pem").write_text(NORTH.pem)
    (tmp_path / "message").write_bytes(HELLO)
    (tmp_path / "response.tsr").write_bytes(reply(token))
    done = subprocess.run(
        [openssl, "ts", "-verify", "-data", "message", "-in", "response.tsr", "-CAfile", "root.pem",
         "-attime", str(time)],
        check=False, cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert "Verification: OK" in done.stdout, done.stderr


@pytest.mark.parametrize("name", OURS)
def test_our_tokens_are_tokens_to_the_library(name: str) -> None:
    operator, imprint = OURS[name]
    token = operator.token(Imprint(imprint, digest(imprint, HELLO), 12345), operator.since + DAY)
    verifier = VerifierBuilder().add_root_certificate(NORTH.root).build()
    assert verifier.verify(decode_timestamp_response(reply(token)), digest(imprint, HELLO))
