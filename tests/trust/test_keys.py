"""Public keys: their thumbprints, their texts, what is refused as a key and as a signature."""

import pickle
from base64 import b64decode, b64encode
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from attest.errors import SignatureError, TrustError
from attest.format.cbor import encode
from attest.sign.seeded import seeded_key
from attest.trust.keys import CURVES, Alg, PublicKey, format_key, parse_key

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493

# The fourteen encodings of the eight points of low order (CCTV, README of the Ed25519 vectors).
LOW_ORDER = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
]


def mixed(raw: bytes) -> bytes:
    """The key plus the point (0, -1) of order two: (-x, -y), which is neither small nor of the prime-order group."""
    number = int.from_bytes(raw, "little")
    y, odd = number & (1 << 255) - 1, number >> 255
    return ((P - y) | (1 - odd) << 255).to_bytes(32, "little")


def twin(alg: Alg, signature: bytes) -> bytes:
    """The other ECDSA signature that says the same: r || n - s."""
    half = len(signature) // 2
    s = CURVES[alg].order - int.from_bytes(signature[half:], "big")
    return signature[:half] + s.to_bytes(half, "big")


@pytest.mark.parametrize("alg", Alg)
def test_every_algorithm(alg: Alg) -> None:
    signer = seeded_key("keys", alg)
    key = signer.public_key()
    signature = signer.sign(b"message")
    key.verify(signature, b"message")
    for wrong in (signature[:-1], signature + b"\0", b"", b"\0" + signature):
        with pytest.raises(SignatureError, match="signature/size"):
            key.verify(wrong, b"message")
    for wrong in (signature[:-1] + bytes([signature[-1] ^ 1]), bytes(len(signature))):
        with pytest.raises(SignatureError, match="signature/invalid"):
            key.verify(wrong, b"message")
    with pytest.raises(SignatureError, match="signature/invalid"):
        key.verify(signature, b"message.")
    with pytest.raises(SignatureError, match="signature/invalid"):
        seeded_key("other", alg).public_key().verify(signature, b"message")


@pytest.mark.parametrize("alg", Alg)
def test_a_key_is_a_value(alg: Alg) -> None:
    signer = seeded_key("keys", alg)
    key = signer.public_key()
    key.verify(signer.sign(b"m"), b"m")
    same = pickle.loads(pickle.dumps(key))
    assert (same, hash(same), same.thumbprint) == (key, hash(key), key.thumbprint)
    same.verify(signer.sign(b"m"), b"m")
    assert parse_key(format_key(key)) == key
    with pytest.raises(AttributeError):
        key.raw = b""  # type: ignore[misc]


def test_thumbprint_of_the_standard() -> None:
    """RFC 9679 section 6."""
    x = bytes.fromhex("65eda5a12577c2bae829437fe338701a10aaa375e1bb5b5de108de439c08551d")
    y = bytes.fromhex("1e52ed75701163f7f9e40ddf9f341b3dc9ba860af7e0ca7ca7e9eecd0084d19c")
    key = PublicKey(Alg.ESP256, b"\x04" + x + y)
    assert key.thumbprint.hex() == "496bd8afadf307e5b08c64b0421bf9dc01528a344a43bda88fadd1669da253ec"


def test_thumbprint_covers_what_rfc_9679_requires() -> None:
    for alg, parameters in (
        (Alg.ED25519, {1: 1, -1: 6}),
        (Alg.ML_DSA_44, {1: 7, 3: -48}),
        (Alg.ML_DSA_65, {1: 7, 3: -49}),
    ):
        key = seeded_key("keys", alg).public_key()
        required = parameters | {-2 if alg is Alg.ED25519 else -1: key.raw}
        assert key.thumbprint == sha256(encode(required)).digest()


@pytest.mark.parametrize("raw", LOW_ORDER)
def test_weak_ed25519_keys_are_refused(raw: str) -> None:
    with pytest.raises(TrustError, match="key/weak"):
        PublicKey(Alg.ED25519, bytes.fromhex(raw))


@pytest.mark.parametrize("y", range(P, 2**255))
@pytest.mark.parametrize("odd", [0, 1])
def test_second_encodings_of_ed25519_keys_are_refused(y: int, odd: int) -> None:
    """All nineteen numbers that y can be written as a second time, whether or not they are of a point."""
    with pytest.raises(TrustError, match=r"key/(weak|point)"):
        PublicKey(Alg.ED25519, (y | odd << 255).to_bytes(32, "little"))


def test_half_of_all_strings_are_no_ed25519_key() -> None:
    refused = 0
    for number in range(2, 102):
        try:
            PublicKey(Alg.ED25519, number.to_bytes(32, "little"))
        except TrustError as error:
            assert error.code == "key/point"
            refused += 1
    assert 30 < refused < 70


def test_ed25519_keys_with_a_part_of_low_order_are_taken() -> None:
    """They bind their holder like any other; PyNaCl and we agree on what they signed (CCTV)."""
    assert PublicKey(Alg.ED25519, mixed(seeded_key("keys").public_key().raw))


def test_the_same_ed25519_signature_has_no_second_form() -> None:
    signer = seeded_key("keys")
    signature = signer.sign(b"m")
    s = int.from_bytes(signature[32:], "little") + L
    with pytest.raises(SignatureError, match="signature/invalid"):
        signer.public_key().verify(signature[:32] + s.to_bytes(32, "little"), b"m")


@pytest.mark.parametrize("alg", CURVES)
def test_the_same_ecdsa_signature_has_no_second_form(alg: Alg) -> None:
    signer = seeded_key("keys", alg)
    for message in (bytes([i]) for i in range(20)):
        signature = signer.sign(message)
        signer.public_key().verify(signature, message)
        with pytest.raises(SignatureError, match="signature/high-s"):
            signer.public_key().verify(twin(alg, signature), message)


@pytest.mark.parametrize("alg", CURVES)
def test_ecdsa_numbers_out_of_range(alg: Alg) -> None:
    key = seeded_key("keys", alg).public_key()
    half, order = (len(key.raw) - 1) // 2, CURVES[alg].order
    for r, s, code in (
        (0, 1, "signature/invalid"),
        (1, 0, "signature/invalid"),
        (order, 1, "signature/invalid"),
        (1, order // 2, "signature/invalid"),
        (1, order // 2 + 1, "signature/high-s"),
        (1, order, "signature/high-s"),
        (1, order + 1, "signature/high-s"),
    ):
        with pytest.raises(SignatureError, match=code):
            key.verify(r.to_bytes(half, "big") + s.to_bytes(half, "big"), b"m")


@pytest.mark.parametrize("alg", CURVES)
def test_points_that_are_none(alg: Alg) -> None:
    raw = seeded_key("keys", alg).public_key().raw
    for wrong in (
        raw[:-1] + bytes([raw[-1] ^ 1]),
        b"\x06" + raw[1:],
        b"\x04" + b"\xff" * (len(raw) - 1),
        bytes(len(raw)),
    ):
        with pytest.raises(TrustError, match="key/point"):
            PublicKey(alg, wrong)


@pytest.mark.parametrize("alg", Alg)
def test_sizes(alg: Alg) -> None:
    raw = seeded_key("keys", alg).public_key().raw
    for wrong in (b"", raw[:-1], raw + b"\0"):
        with pytest.raises(TrustError, match="key/size"):
            PublicKey(alg, wrong)


def test_texts() -> None:
    key = seeded_key("keys", Alg.ESP256).public_key()
    point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), key.raw)
    name, encoded = format_key(key).split(":")
    assert name == "p256"
    assert b64decode(encoded) == point.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    ed = format_key(seeded_key("keys").public_key())
    for text, code in (
        ("", "key/text"),
        (ed.partition(":")[2], "key/text"),
        ("ed448:" + ed.partition(":")[2], "key/text"),
        ("Ed25519:" + ed.partition(":")[2], "key/text"),
        (" " + ed, "key/text"),
        (ed + "\n", "key/text"),
        (ed.rstrip("="), "key/text"),
        (ed + "=", "key/text"),
        (ed[:-2] + "*=", "key/text"),
        (ed[:20] + "é" + ed[21:], "key/text"),
        (f"ed25519:{ed[8:-2]}{chr(ord(ed[-2]) + 1)}=", "key/text"),  # the two bits beyond the last byte
        ("p256:" + b64encode(key.raw).decode(), "key/text"),
        ("p384:" + encoded, "key/point"),
        ("p256:" + ed.partition(":")[2], "key/point"),
        ("ed25519:" + encoded, "key/size"),
        ("ml-dsa-44:" + encoded, "key/size"),
        ("ed25519:" + b64encode(bytes(32)).decode(), "key/weak"),
    ):
        with pytest.raises(TrustError) as caught:
            parse_key(text)
        assert caught.value.code == code, text
