r"""The archive's policy: from when which algorithm is weak, and which authorities are believed about time, and when.

    >>> policy = parse_policy(default_policy())
    >>> policy.hash_limit("sha256") == FOREVER, policy.hash_limit("sha1")
    (True, 0)
    >>> policy.key_limit("rsa", 4096) == policy.key_limit("ecdsa", 256) == 2_082_758_400  # 2036-01-01
    True

It is a TOML text as strict as a trust file (schemas/archive-evidence.md, "The policy"). What it does not list is not
believed: an unknown hash, a short key and an authority without a table are weak since ever. It is judged by the policy
of whoever verifies, so that what is known in 2046 of the algorithms of 2026 is said in one file of 2046.

Codes: policy/algorithm, policy/certificate, policy/period, policy/quorum, and those of attest.format.toml_table.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from attest.archive.renewal_tree import HASHES
from attest.archive.stamp_certificates import Certificate, load_certificate, when
from attest.errors import MalformedError, TrustError
from attest.format.toml_table import MAX_POLICY, Table, parse_toml, require_unique
from attest.trust.keys import Alg

FOREVER: Final = 1 << 40  # Unix s: later than any time that is judged
MAX_ALGORITHMS: Final = 64
MAX_AUTHORITIES: Final = 64
MAX_CHAIN: Final = 8  # certificates of one authority
MAX_DISTRUSTED: Final = 1_024
MAX_BITS: Final = 65_536
_MAX_NAME: Final = 512  # characters

# The kinds of keys that sign, and whether they come in sizes.
KEYS: Final = {"rsa": True, "ecdsa": True, "ed25519": False, "ml-dsa-44": False, "ml-dsa-65": False, "ml-dsa-87": False}
_ALGS: Final = {
    Alg.ED25519: ("ed25519", 0),
    Alg.ESP256: ("ecdsa", 256),
    Alg.ESP384: ("ecdsa", 384),
    Alg.ML_DSA_44: ("ml-dsa-44", 0),
    Alg.ML_DSA_65: ("ml-dsa-65", 0),
}


class Authority(NamedTuple):
    """A root that is believed in [since, until) (Unix s), with certificates that help to reach it.

    `revocation`: must its certificates be shown to be not revoked? `name` is who it is: two roots of one name are one
    authority.
    """

    name: str
    root: Certificate
    helpers: tuple[Certificate, ...]
    since: int
    until: int
    revocation: bool


class Distrusted(NamedTuple):
    """A key that is not believed from a time on (Unix s), and why."""

    since: int
    why: str


@dataclass(frozen=True)
class Policy:
    """A parsed policy. `digest` is the SHA-256 of the file itself; `quorum` is how many authorities must agree.

    `hashes` has from when each is weak (Unix s); `signatures` the same for keys of at least so many bits, by kind.
    """

    digest: bytes
    name: str
    quorum: int
    hashes: Mapping[str, int]
    signatures: Mapping[str, tuple[tuple[int, int], ...]]
    authorities: tuple[Authority, ...]
    distrusted: Mapping[bytes, Distrusted]

    def hash_limit(self, name: str) -> int:
        """From when on a hash is weak, Unix s; 0 for one that is not listed."""
        return self.hashes.get(name, 0)

    def key_limit(self, kind: str, bits: int) -> int:
        """The same for a key, by the largest size listed that it has."""
        sizes = [(least, limit) for least, limit in self.signatures.get(kind, ()) if least <= bits]
        return max(sizes)[1] if sizes else 0

    def believed_at(self, time: int) -> frozenset[Alg]:
        """The algorithms whose signatures may be believed on evidence that existed at `time`, Unix s.

        For evidence that is shown to exist since a time before an algorithm was weak, its signatures count for good.
        Attest hashes with SHA-256: once that is weak, no signature is believed on what is not older.
        """
        if time >= self.hash_limit("sha256"):
            return frozenset()
        return frozenset(alg for alg, key in _ALGS.items() if time < self.key_limit(*key))

    def require_believed(self, alg: Alg, time: int) -> None:
        """Return None if a signature counts on evidence that existed at `time`, Unix s.

        Raises TrustError `renewal/signature-weak`.
        """
        if alg not in self.believed_at(time):
            kind, bits = _ALGS[alg]
            weak = min(self.key_limit(kind, bits), self.hash_limit("sha256"))
            detail = f"{alg.name} over SHA-256 is weak from {when(weak)} on, this is known to exist since {when(time)}"
            raise TrustError("renewal/signature-weak", detail, hint="older evidence of it, renewed in time, is needed")


def default_policy() -> bytes:
    """The text of the policy that comes with the program: algorithms, with sources, and no authority."""
    return files("attest.archive").joinpath("policy.toml").read_bytes()


def parse_policy(text: bytes) -> Policy:
    """The policy's text to what it says. Raises AgreementError with line and key."""
    root = parse_toml(text).only("name", "quorum", "hash", "signature", "authority", "distrusted")
    authorities = tuple(_authorities(root)) if "authority" in root else ()
    quorum = root.integer("quorum", 1, MAX_AUTHORITIES)
    if authorities and quorum > len({authority.name for authority in authorities}):
        raise root.error("policy/quorum", f"{quorum} authorities must agree, and fewer are named", "quorum")
    return Policy(
        sha256(text).digest(),
        root.text("name", limit=_MAX_NAME),
        quorum,
        _hashes(root),
        _signatures(root),
        authorities,
        _distrusted(root) if "distrusted" in root else {},
    )


def _hashes(root: Table) -> dict[str, int]:
    tables = [table.only("name", "weak_from", "source") for table in root.tables("hash", MAX_ALGORITHMS)]
    require_unique(tables, "name", "hash")
    for table in tables:
        _require_known(table, "name", HASHES)
    return {table.text("name"): _weak_from(table) for table in tables}


def _signatures(root: Table) -> dict[str, tuple[tuple[int, int], ...]]:
    found: dict[str, tuple[tuple[int, int], ...]] = {}
    for table in root.tables("signature", MAX_ALGORITHMS):
        table.only("algorithm", "bits", "weak_from", "source")
        _require_known(table, "algorithm", KEYS)
        kind = table.text("algorithm")
        bits = table.integer("bits", 1, MAX_BITS) if KEYS[kind] else 0
        if not KEYS[kind] and "bits" in table:
            raise table.error("policy/algorithm", f"keys of {kind} have one size", "bits")
        if bits in (least for least, _ in found.get(kind, ())):
            raise table.error("toml/duplicate", f"a second limit for {kind} of {bits} bits", "algorithm")
        found[kind] = (*found.get(kind, ()), (bits, _weak_from(table)))
    return found


def _require_known(table: Table, key: str, known: Mapping[str, object]) -> None:
    if table.text(key) not in known:
        hint = "known here: " + ", ".join(known)
        raise table.error("policy/algorithm", f"{table.text(key)[:80]} is no algorithm that is known", key, hint=hint)
    table.text("source")


def _weak_from(table: Table) -> int:
    return table.time("weak_from") if "weak_from" in table else FOREVER


def _authorities(root: Table) -> Iterator[Authority]:
    seen: set[bytes] = set()
    for table in root.tables("authority", MAX_AUTHORITIES):
        table.only("name", "believed_from", "believed_until", "revocation", "certificates")
        *helpers, trusted = _certificates(table)
        if trusted.der in seen:
            raise table.error("toml/duplicate", "a second authority with this root", "certificates")
        seen.add(trusted.der)
        since = table.time("believed_from")
        until = table.time("believed_until") if "believed_until" in table else FOREVER
        if until <= since:
            raise table.error("policy/period", "must be later than believed_from", "believed_until")
        revocation = table.boolean("revocation") if "revocation" in table else True
        yield Authority(table.text("name", limit=_MAX_NAME), trusted, tuple(helpers), since, until, revocation)


def _certificates(table: Table) -> list[Certificate]:
    """A chain in PEM, the root last, as authorities publish it."""
    text = table.text("certificates", limit=MAX_POLICY, lines=True)
    try:
        chain = x509.load_pem_x509_certificates(text.encode())
        if len(chain) > MAX_CHAIN:
            raise table.error("policy/certificate", f"{len(chain)} certificates, at most {MAX_CHAIN}", "certificates")
        return [load_certificate(certificate.public_bytes(Encoding.DER)) for certificate in chain]
    except (ValueError, MalformedError) as error:
        raise table.error("policy/certificate", f"no certificates in PEM: {error}", "certificates") from error


def _distrusted(root: Table) -> dict[bytes, Distrusted]:
    tables = [table.only("key", "since", "why") for table in root.tables("distrusted", MAX_DISTRUSTED)]
    require_unique(tables, "key", "distrusted key")
    return {table.digest("key"): Distrusted(table.time("since"), table.text("why")) for table in tables}
