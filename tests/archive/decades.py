"""Twenty years of an archive, and the policy of 2046 by which they are judged.

2026  two authorities stamp what came that year (SHA-256, ECDSA)
2031  the stamps are renewed before their certificates end
2036  SHA-512: all objects and all evidence of them are hashed again (ML-DSA, under new roots)
2042  SHA3-512: and again
2046  SHA-256, ECDSA, Ed25519 and RSA are declared weak from 2040 on
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from attest.archive.policy import Policy, default_policy, parse_policy
from attest.archive.renewal import Kept, assemble, digests_of, renew, unstamped
from attest.archive.renewal_records import Record, Revocation, Timestamp
from attest.archive.renewal_tree import Tree, digest
from tests.archive.authority import DAY, Authority, Operator, Revoked, at, authority_table

NORTH: Final = Authority("North", at(2020), at(2050))
SOUTH: Final = Authority("South", at(2020), at(2050))
NORTH_35: Final = Authority("North", at(2035), at(2065), "ml-dsa-65", "sha512")
SOUTH_35: Final = Authority("South", at(2035), at(2065), "ml-dsa-65", "sha512")
ROOTS: Final = (NORTH, SOUTH, NORTH_35, SOUTH_35)

N26, S26 = (Operator(root, at(2026), at(2033)) for root in (NORTH, SOUTH))
N31, S31 = (Operator(root, at(2030), at(2038)) for root in (NORTH, SOUTH))
N36, S36 = (Operator(root, at(2035), at(2044), "ml-dsa-65", "sha512") for root in (NORTH_35, SOUTH_35))
N42, S42 = (Operator(root, at(2041), at(2052), "ml-dsa-87", "sha512") for root in (NORTH_35, SOUTH_35))

STAMPED: Final = (at(2026, 11, 20), at(2031, 3), at(2036, 6), at(2042, 2))
NOW: Final = at(2046, 5)
BROKEN: Final = at(2040)


def policy_text(quorum: int = 2, *, roots: Sequence[Authority] = ROOTS, more: str = "") -> str:
    """What is known in 2046."""
    text = default_policy().decode().replace("quorum = 1", f"quorum = {quorum}")
    text = text.replace("2031-01-01T00:00:00Z", "2040-01-01T00:00:00Z")
    text = text.replace("2036-01-01T00:00:00Z", "2040-01-01T00:00:00Z")
    text = text.replace('"sha256"\n', '"sha256"\nweak_from = 2040-01-01T00:00:00Z\n', 1)
    return text + "".join(map(authority_table, roots)) + more


def policy_of(quorum: int = 2, *, roots: Sequence[Authority] = ROOTS, more: str = "") -> Policy:
    """The same, parsed."""
    return parse_policy(policy_text(quorum, roots=roots, more=more).encode())


def distrusted(since: str, *operators: Operator) -> str:
    """Lines of a policy that believe these keys no longer."""
    return "".join(
        f'\n[[distrusted]]\nkey = "{one.key_digest}"\nsince = {since}\nwhy = "stolen"\n' for one in operators
    )


def lists(time: int, *roots: Authority, revoked: Sequence[Revoked] = ()) -> Revocation:
    """The revocation lists of a time."""
    return Revocation(tuple(root.crl(time - DAY, revoked) for root in roots))


@dataclass
class Archive:
    """The objects of an archive, and what it keeps of their timestamps."""

    objects: list[bytes]
    history: list[Kept] = field(default_factory=list)

    def stamp(self, tree: Tree, time: int, *operators: Operator, about: Revocation = Revocation()) -> Timestamp:  # noqa: B008
        """Have a tree stamped at a time, and keep it."""
        timestamp = unstamped(tree, about)
        timestamp = timestamp._replace(stamps=tuple(one.stamp(timestamp.message, time) for one in operators))
        self.history.append(Kept(timestamp, tree))
        return timestamp

    def first(self, time: int, *operators: Operator, name: str = "sha256") -> Timestamp:
        """Stamp all objects."""
        return self.stamp(renew(name, objects=[digest(name, one) for one in self.objects]), time, *operators)

    def again(self, time: int, *operators: Operator, about: Revocation) -> Timestamp:
        """Renew the last timestamp."""
        last = self.history[-1].timestamp
        return self.stamp(renew(last.hash, timestamps=[last]), time, *operators, about=about)

    def rehash(self, name: str, time: int, *operators: Operator, about: Revocation) -> Timestamp:
        """Hash all objects and all evidence of them again."""
        records = [(digest(name, one), self.record(one)) for one in self.objects]
        return self.stamp(renew(name, records=records), time, *operators, about=about)

    def record(self, data: bytes) -> Record:
        """All evidence of one object."""
        return assemble(digests_of(data), self.history)


def honest(objects: Sequence[bytes], *, years: int = 4, revoked: Sequence[Revoked] = ()) -> Archive:
    """An archive that did what it should in the first so many of the years above.

    `revoked` is what South's list says from 2036 on.
    """
    archive = Archive(list(objects))
    y26, y31, y36, y42 = STAMPED
    archive.first(y26, N26, S26)
    if years > 1:
        archive.again(y31, N31, S31, about=lists(y31, NORTH, SOUTH))
    if years > 2:
        known = Revocation((*lists(y36, NORTH).crls, *lists(y36, SOUTH, revoked=revoked).crls))
        archive.rehash("sha512", y36, N36, S36, about=known)
    if years > 3:
        archive.rehash("sha3-512", y42, N42, S42, about=lists(y42, NORTH_35, SOUTH_35))
    return archive


def worked(objects: Sequence[bytes]) -> Archive:
    """The archive of schemas/archive-evidence.md: one authority, two hashes, and the same bytes every time."""
    archive = Archive(list(objects))
    archive.first(at(2026, 11, 20), N26)
    archive.again(at(2031, 3), N31, about=lists(at(2031, 3), NORTH))
    newer = Operator(NORTH, at(2033), at(2043), "p384", "sha512")
    archive.rehash("sha512", at(2034, 6), newer, about=lists(at(2034, 6), NORTH))
    return archive
