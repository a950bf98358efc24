"""The policy file: what it says of algorithms and authorities, and what it must not say."""

import pytest

from attest.archive.policy import FOREVER, MAX_AUTHORITIES, MAX_CHAIN, default_policy, parse_policy
from attest.archive.renewal_tree import HASHES
from attest.errors import AgreementError, TrustError
from attest.trust.keys import Alg
from tests.archive.authority import Authority, Operator, at, authority_table

NORTH = Authority("North", at(2020), at(2050))
SOUTH = Authority("South", at(2020), at(2050))
TEXT = default_policy().decode()


def error(text: str) -> AgreementError:
    """What a policy is refused with."""
    with pytest.raises(AgreementError) as caught:
        parse_policy(text.encode())
    return caught.value


def test_the_default_lists_every_hash_and_every_algorithm_of_attest_and_no_authority() -> None:
    policy = parse_policy(default_policy())
    assert set(policy.hashes) == set(HASHES)
    assert policy.authorities == ()
    assert policy.quorum == 1
    assert policy.believed_at(at(2026)) == frozenset(Alg)
    assert policy.believed_at(at(2036) - 1) == frozenset(Alg)
    assert policy.believed_at(at(2036)) == {Alg.ML_DSA_44, Alg.ML_DSA_65}


def test_every_limit_of_the_default_has_its_source() -> None:
    assert TEXT.count("[[hash]]") + TEXT.count("[[signature]]") == TEXT.count("\nsource = ")
    assert error(TEXT.replace('\nsource = "FIPS 204: no end"', "", 1)).code == "toml/missing-key"


@pytest.mark.parametrize(
    ("kind", "bits", "limit"),
    [
        ("rsa", 1024, 0),
        ("rsa", 2047, 0),
        ("rsa", 2048, at(2031)),
        ("rsa", 3071, at(2031)),
        ("rsa", 3072, at(2036)),
        ("rsa", 16384, at(2036)),
        ("ecdsa", 224, 0),
        ("ecdsa", 256, at(2036)),
        ("ecdsa", 521, at(2036)),
        ("ed25519", 0, at(2036)),
        ("ml-dsa-87", 0, FOREVER),
        ("unknown", 0, 0),
    ],
)
def test_keys_have_the_limit_of_their_size(kind: str, bits: int, limit: int) -> None:
    assert parse_policy(default_policy()).key_limit(kind, bits) == limit


def test_when_sha_256_is_weak_no_signature_over_it_is_believed() -> None:
    text = TEXT.replace('"sha256"\n', '"sha256"\nweak_from = 2030-01-01T00:00:00Z\n', 1)
    policy = parse_policy(text.encode())
    assert policy.believed_at(at(2030) - 1) == frozenset(Alg)
    assert policy.believed_at(at(2030)) == frozenset()


def test_a_signature_is_believed_on_what_is_older_than_the_break() -> None:
    policy = parse_policy(default_policy())
    policy.require_believed(Alg.ED25519, at(2036) - 1)
    policy.require_believed(Alg.ML_DSA_65, at(2046))
    with pytest.raises(TrustError, match="ED25519") as caught:
        policy.require_believed(Alg.ED25519, at(2036))
    assert caught.value.code == "renewal/signature-weak"


def test_authorities_and_distrusted_keys() -> None:
    operator = Operator(NORTH, at(2026), at(2033))
    table = authority_table(NORTH, believed_until="2040-01-01T00:00:00Z") + authority_table(SOUTH, revocation="false")
    more = f'\n[[distrusted]]\nkey = "{operator.key_digest}"\nsince = 2030-01-01T00:00:00Z\nwhy = "stolen"\n'
    policy = parse_policy((TEXT + table + more).encode())
    north, south = policy.authorities
    assert (north.name, north.since, north.until, north.revocation) == ("North", at(2020), at(2040), True)
    assert (south.name, south.until, south.revocation) == ("South", FOREVER, False)
    assert north.root.parsed == NORTH.root
    assert policy.distrusted == {bytes.fromhex(operator.key_digest): (at(2030), "stolen")}


def test_the_last_certificate_is_the_root_and_the_others_help() -> None:
    table = authority_table(NORTH).replace('"""\n-----', f'"""\n{SOUTH.pem}-----', 1)
    (authority,) = parse_policy((TEXT + table).encode()).authorities
    assert authority.root.parsed == NORTH.root
    assert [helper.parsed for helper in authority.helpers] == [SOUTH.root]


WRONG = {
    "an unknown key": ("strict = true\n" + TEXT, "toml/unknown-key", "strict"),
    "no name": (TEXT.replace("name = ", "title = ", 1), "toml/unknown-key", "title"),
    "no quorum": (TEXT.replace("quorum = 1\n", "", 1), "toml/missing-key", "quorum"),
    "a quorum of none": (TEXT.replace("quorum = 1", "quorum = 0", 1), "toml/range", "quorum"),
    "a quorum of more than there are": (
        TEXT.replace("quorum = 1", "quorum = 2", 1) + authority_table(NORTH),
        "policy/quorum",
        "quorum",
    ),
    "two roots of one authority are one": (
        TEXT.replace("quorum = 1", "quorum = 2", 1) + authority_table(NORTH) + authority_table(SOUTH, name='"North"'),
        "policy/quorum",
        "quorum",
    ),
    "an unknown hash": (TEXT.replace('"sha384"', '"sha1"', 1), "policy/algorithm", "hash.name"),
    "a hash twice": (TEXT.replace('"sha384"', '"sha256"', 1), "toml/duplicate", "hash.name"),
    "no hash": ("[[signature]]".join(TEXT.split("[[hash]]")), "toml/missing-key", "hash"),
    "an unknown algorithm": (TEXT.replace('"ed25519"', '"ed448"', 1), "policy/algorithm", "signature.algorithm"),
    "a size for keys that have one": (
        TEXT.replace('"ed25519"\n', '"ed25519"\nbits = 255\n', 1),
        "policy/algorithm",
        "signature.bits",
    ),
    "no size for keys that have several": (TEXT.replace("bits = 3072\n", "", 1), "toml/missing-key", "signature.bits"),
    "a size twice": (TEXT.replace("bits = 3072", "bits = 2048", 1), "toml/duplicate", "signature.algorithm"),
    "a date without a time": (
        TEXT.replace("2031-01-01T00:00:00Z", "2031-01-01", 1),
        "toml/type",
        "signature.weak_from",
    ),
    "an authority that ends before it begins": (
        TEXT + authority_table(NORTH, believed_until="2020-01-01T00:00:00Z"),
        "policy/period",
        "authority.believed_until",
    ),
    "an authority since ever": (
        TEXT + authority_table(NORTH).replace("believed_from", "from", 1),
        "toml/unknown-key",
        "authority.from",
    ),
    "a root twice": (
        TEXT + authority_table(NORTH) + authority_table(NORTH, name='"South"'),
        "toml/duplicate",
        "authority.certificates",
    ),
    "certificates that are none": (
        TEXT + authority_table(NORTH).replace("MII", "AAA", 1),
        "policy/certificate",
        "authority.certificates",
    ),
    "no certificate": (
        TEXT + authority_table(NORTH).replace(NORTH.pem, "none\n"),
        "policy/certificate",
        "authority.certificates",
    ),
    "more certificates than a chain has": (
        TEXT + authority_table(NORTH).replace(NORTH.pem, NORTH.pem * (MAX_CHAIN + 1)),
        "policy/certificate",
        "authority.certificates",
    ),
    "more authorities than are read": (
        TEXT + authority_table(NORTH) * (MAX_AUTHORITIES + 1),
        "toml/too-many",
        "authority",
    ),
    "a distrusted key by half": (
        TEXT + '\n[[distrusted]]\nkey = "00"\nsince = 2030-01-01T00:00:00Z\nwhy = "x"\n',
        "toml/type",
        "distrusted.key",
    ),
    "distrust without a reason": (
        TEXT + f'\n[[distrusted]]\nkey = "{"0" * 64}"\nsince = 2030-01-01T00:00:00Z\n',
        "toml/missing-key",
        "distrusted.why",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_policy_that_says_what_it_must_not(name: str) -> None:
    text, code, key = WRONG[name]
    found = error(text)
    assert (found.code, found.key) == (code, key)
    assert found.line > 0
