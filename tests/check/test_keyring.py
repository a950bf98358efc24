"""The keys of a log as acts change them: what reaches far through many of them."""

import pytest

from attest.errors import TrustError
from attest.format.act import GenesisAct, possession
from attest.format.key_acts import Revoke, Rotate
from attest.format.vocabulary import Role
from attest.keyring import Keyring
from attest.sign.seeded import seeded_key
from attest.trust.keys import Alg

ROTATIONS = 1_200  # deeper than Python recurses
LOG = b"genesis".ljust(32)


def founded() -> Keyring:
    """A ring with an office and one host."""
    ring = Keyring()
    office = seeded_key("keyring office", Alg.ED25519).public_key()
    ring.found(
        LOG,
        GenesisAct(
            "acme.example/log", "https://acme.example", "https://acme.example/office", office.alg, office.raw, None
        ),
    )
    key = seeded_key("keyring host 0", Alg.ED25519).public_key()
    ring.enrol(0, LOG, "https://acme.example/h", "https://acme.example", Role.HOST, key, independent=False)
    return ring


def test_a_revocation_reaches_through_any_number_of_rotations() -> None:
    """Rotated at every index; good until 600, what was rotated to after that was whoever's the key was then."""
    ring, kids = founded(), [seeded_key("keyring host 0", Alg.ED25519).public_key().thumbprint]
    for index in range(1, ROTATIONS + 1):
        signer = seeded_key(f"keyring host {index}", Alg.ED25519)
        key, record = signer.public_key(), ring.keys[kids[-1]]
        proof = signer.sign(possession(LOG, record.source.sub, record.source.role, key.alg, key.raw))
        ring.apply(index, LOG, record, Rotate(key.alg, key.raw, proof))
        kids.append(key.thumbprint)
    office = next(record for record in ring.keys.values() if record.source.role is Role.OFFICE)
    ring.apply(ROTATIONS + 1, LOG, office, Revoke(kids[599], 600))
    limited = [n for n, kid in enumerate(kids) if ring.keys[kid].last == 600]
    assert limited == list(range(599, ROTATIONS + 1))
    ring.apply(ROTATIONS + 2, LOG, office, Revoke(kids[0], 10))  # rotated away at 1, when it was still good
    assert [n for n, kid in enumerate(kids) if ring.keys[kid].last == 10] == [0]


def test_what_was_never_enrolled_is_not_revoked() -> None:
    ring = founded()
    office = next(record for record in ring.keys.values() if record.source.role is Role.OFFICE)
    with pytest.raises(TrustError) as error:
        ring.apply(3, LOG, office, Revoke(bytes(32), 1))
    assert error.value.code == "key/unknown"
