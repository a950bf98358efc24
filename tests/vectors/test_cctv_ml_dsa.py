"""CCTV ML-DSA, accumulated (c2sp.org/CCTV/ML-DSA/accumulated.md): 100 keys and signatures whose hash is known.

The signatures are deterministic ones, which no library of ours makes: `cryptography` hedges. So they come from a
second implementation of FIPS 204, below, written to be read beside the standard. That its hash is the known one shows
that it is right; then our signers must derive its keys from the same seeds, and our keys accept its signatures.

The longer runs (10,000 and 60,000,000) are the same procedure. The field operations and ML-DSA-87 are of no use here:
no library shows its arithmetic, and we have no such keys.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import shake_128, shake_256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric import mldsa
from numpy.typing import NDArray

from attest.sign.keys import PrivateSigner
from attest.trust.keys import Alg

Poly = NDArray[np.int64]  # one polynomial, or an array of them, coefficients last

Q, N, D = 8_380_417, 256, 13
POWERS = np.array([pow(1753, e, Q) for e in range(2 * N)], np.int64)
ROOTS = np.array([2 * int(f"{i:08b}"[::-1], 2) + 1 for i in range(N)])
NTT = POWERS[np.outer(np.arange(N), ROOTS) % (2 * N)]  # section 7.5: the values at the odd powers of zeta
INVERSE = POWERS[-np.outer(ROOTS, np.arange(N)) % (2 * N)] * pow(N, -1, Q) % Q


@dataclass(frozen=True)
class Parameters:
    """Section 4, table 1."""

    k: int
    l: int  # noqa: E741
    eta: int
    tau: int
    omega: int
    gamma1_bits: int
    gamma2: int
    strength: int

    @property
    def beta(self) -> int:
        return self.tau * self.eta


SETS = {
    Alg.ML_DSA_44: Parameters(4, 4, 2, 39, 80, 17, (Q - 1) // 88, 128),
    Alg.ML_DSA_65: Parameters(6, 5, 4, 49, 55, 19, (Q - 1) // 32, 192),
}


def ntt(f: Poly) -> Poly:
    return f % Q @ NTT % Q


def inverse(f: Poly) -> Poly:
    return f % Q @ INVERSE % Q


def centred(f: Poly) -> Poly:
    """The representatives nearest to zero, mod±."""
    f = f % Q
    return np.where(f > Q // 2, f - Q, f)


def pack(f: Poly, width: int) -> bytes:
    bits = (f[..., None] >> np.arange(width)) & 1
    return np.packbits(bits.astype(np.uint8).ravel(), bitorder="little").tobytes()


def unpack(data: bytes, width: int) -> Poly:
    bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little").reshape(-1, width).astype(np.int64)
    return bits @ (1 << np.arange(width))


def expand_a(p: Parameters, rho: bytes) -> Poly:
    def poly(row: int, column: int) -> Poly:
        stream = np.frombuffer(shake_128(rho + bytes([column, row])).digest(1200), np.uint8).reshape(-1, 3)
        values = stream.astype(np.int64) @ [1, 1 << 8, 1 << 16] & 0x7FFFFF
        return values[values < Q][:N]

    return np.array([[poly(row, column) for column in range(p.l)] for row in range(p.k)])


def expand_s(p: Parameters, seed: bytes) -> Poly:
    def poly(number: int) -> Poly:
        stream = np.frombuffer(shake_256(seed + number.to_bytes(2, "little")).digest(600), np.uint8)
        nibbles = np.stack([stream & 15, stream >> 4], 1).ravel().astype(np.int64)
        kept = 2 - nibbles[nibbles < 15] % 5 if p.eta == 2 else 4 - nibbles[nibbles < 9]
        return kept[:N]

    return np.array([poly(number) for number in range(p.l + p.k)])


def sample_in_ball(p: Parameters, seed: bytes) -> Poly:
    stream = shake_256(seed).digest(1200)
    signs, at = int.from_bytes(stream[:8], "little"), 8
    c = np.zeros(N, np.int64)
    for i in range(N - p.tau, N):
        while stream[at] > i:
            at += 1
        c[i] = c[stream[at]]
        c[stream[at]] = 1 - 2 * (signs >> (i + p.tau - N) & 1)
        at += 1
    return c


def decompose(p: Parameters, f: Poly) -> tuple[Poly, Poly]:
    f = f % Q
    low = f % (2 * p.gamma2)
    low = np.where(low > p.gamma2, low - 2 * p.gamma2, low)
    edge = f - low == Q - 1
    return np.where(edge, 0, (f - low) // (2 * p.gamma2)), np.where(edge, low - 1, low)


def key_and_signature(p: Parameters, seed: bytes, message: bytes) -> tuple[bytes, bytes]:
    """Algorithms 1 and 2 with an empty context and 32 zero bytes in place of randomness."""
    expanded = shake_256(seed + bytes([p.k, p.l])).digest(128)
    rho, rho1, secret = expanded[:32], expanded[32:96], expanded[96:]
    a, s = expand_a(p, rho), expand_s(p, rho1)
    s1, s2 = ntt(s[: p.l]), ntt(s[p.l :])
    t = (inverse((a * s1 % Q).sum(1)) + s[p.l :]) % Q
    t1 = (t + (1 << D - 1) - 1) >> D
    t0 = ntt(t - (t1 << D))
    public = rho + pack(t1, 10)

    mu = shake_256(shake_256(public).digest(64) + bytes(2) + message).digest(64)
    rho2 = shake_256(secret + bytes(32) + mu).digest(64)
    gamma1, width = 1 << p.gamma1_bits, p.gamma1_bits + 1
    kappa = 0
    while True:
        seeds = [rho2 + (kappa + i).to_bytes(2, "little") for i in range(p.l)]
        y = np.array([gamma1 - unpack(shake_256(seed).digest(32 * width), width) for seed in seeds])
        kappa += p.l
        w = inverse((a * ntt(y) % Q).sum(1))
        high, _ = decompose(p, w)
        commitment = shake_256(mu + pack(high, 6 if p.k == 4 else 4)).digest(p.strength // 4)
        c = ntt(sample_in_ball(p, commitment))
        z = centred(y + inverse(c * s1))
        rest = w - inverse(c * s2)
        if abs(z).max() >= gamma1 - p.beta or abs(decompose(p, rest)[1]).max() >= p.gamma2 - p.beta:
            continue
        ct0 = centred(inverse(c * t0))
        hints = decompose(p, rest)[0] != decompose(p, rest + ct0)[0]
        if abs(ct0).max() < p.gamma2 and hints.sum() <= p.omega:
            break
    places = b"".join(bytes(np.flatnonzero(row).tolist()) for row in hints)
    counts = bytes(np.cumsum(hints.sum(1)).tolist())
    return public, commitment + pack(gamma1 - z, width) + places.ljust(p.omega, b"\0") + counts


def known(shared: Path, alg: Alg) -> str:
    text = (shared / "vectors/cctv/ml-dsa/accumulated.md").read_text()
    section = text.split(f"### ML-DSA-{'44' if alg is Alg.ML_DSA_44 else '65'}\n", 1)[1]
    found: Any = re.search(r"^- 100 iterations: `([0-9a-f]{64})`$", section, re.MULTILINE)
    return str(found[1])


def seeds() -> Iterator[bytes]:
    stream = shake_128(b"").digest(3200)
    return (stream[at : at + 32] for at in range(0, 3200, 32))


@pytest.mark.parametrize("alg", SETS)
def test_accumulated(shared: Path, alg: Alg) -> None:
    private = mldsa.MLDSA44PrivateKey if alg is Alg.ML_DSA_44 else mldsa.MLDSA65PrivateKey
    total = shake_128()
    for seed in seeds():
        public, signature = key_and_signature(SETS[alg], seed, b"")
        total.update(public + signature)
        key = PrivateSigner(private.from_seed_bytes(seed)).public_key()
        assert key.raw == public
        key.verify(signature, b"")
    assert total.hexdigest(32) == known(shared, alg)
