"""Hash trees, the bytes of records, and what an archive renews."""

import subprocess
import sys
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attest.archive.renewal import Kept, assemble, digests_of, renew, require_covered, unrenewed, unstamped
from attest.archive.renewal_records import (
    MAX_CHAINS,
    MAX_LINKS,
    MAX_REVOCATION,
    MAX_STAMPS,
    Link,
    Record,
    Revocation,
    format_record,
    format_timestamp,
    parse_record,
    parse_timestamp,
)
from attest.archive.renewal_tree import HASHES, MAX_PATH, Tree, digest, object_leaf, root_from
from attest.archive.renewal_verify import stands_until, verify_record
from attest.errors import ArchiveError, EvidenceError, MalformedError, MissingError, TreeError, UnsupportedError
from attest.format.cbor import decode, encode
from attest.log import merkle
from tests.archive.authority import at
from tests.archive.decades import N26, N31, N36, NORTH, S26, S31, S36, SOUTH, Archive, honest, lists, policy_of
from tests.project.test_codes import NOT_CODES, PACKAGE, literals
from tests.schemas.validate import ValidationError, require

SIZES = [*range(1, 18), 31, 32, 33, 63, 64, 65, 100]
WORDS = [f"object {number}".encode() for number in range(100)]


def tree_of(name: str, size: int) -> Tree:
    return Tree.of(name, [object_leaf(name, digest(name, word)) for word in WORDS[:size]])


# trees ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
def test_with_sha_256_it_is_the_tree_of_the_logs(size: int) -> None:
    tree = tree_of("sha256", size)
    leaves = [tree.leaves[at : at + 32] for at in range(0, len(tree.leaves), 32)]
    assert tree.root == merkle.root(leaves)
    assert len(leaves) == len(tree) == size
    for number, leaf in enumerate(leaves):
        assert tree.index(leaf) == number
        path = tree.path(number)
        hashes = [path[at : at + 32] for at in range(0, len(path), 32)]
        assert merkle.root_from_inclusion(leaf, number, size, hashes) == tree.root
        assert root_from("sha256", leaf, number, size, path) == tree.root


@pytest.mark.parametrize(("name", "size"), list(product(HASHES, SIZES)))
def test_every_leaf_leads_to_the_root_and_to_no_other_place(name: str, size: int) -> None:
    tree = tree_of(name, size)
    for word in WORDS[:size]:
        leaf = object_leaf(name, digest(name, word))
        number = tree.index(leaf)
        assert number is not None
        path = tree.path(number)
        assert root_from(name, leaf, number, size, path) == tree.root
        for other in (path + leaf, path + b"\0", *((path[:-1], path[len(leaf) :]) if path else ())):
            with pytest.raises(TreeError) as caught:
                root_from(name, leaf, number, size, other)
            assert caught.value.code == "renewal/path"
        if size > 1:
            assert root_from(name, object_leaf(name, b"another"), number, size, path) != tree.root


@given(st.sets(st.binary(min_size=1, max_size=4), min_size=1, max_size=40), st.randoms(use_true_random=False))
def test_a_set_of_objects_has_one_tree(words: set[bytes], random: Any) -> None:
    leaves = [object_leaf("sha512", digest("sha512", word)) for word in words]
    shuffled = [*leaves, *leaves[:3]]
    random.shuffle(shuffled)
    assert Tree.of("sha512", shuffled) == Tree.of("sha512", leaves)
    assert len(Tree.of("sha512", leaves)) == len(words)


@pytest.mark.parametrize("leaves", [b"", b"\1" * 31, b"\2" * 32 + b"\1" * 32, b"\1" * 64])
def test_leaves_that_are_no_rising_row(leaves: bytes) -> None:
    with pytest.raises(TreeError) as caught:
        Tree("sha256", leaves)
    assert caught.value.code == "renewal/tree"


@pytest.mark.parametrize("leaf", [bytes(32), b"\xff" * 32, b""])
def test_a_leaf_that_is_not_there(leaf: bytes) -> None:
    assert tree_of("sha256", 9).index(leaf) is None


def test_a_hash_that_is_not_known() -> None:
    for ask in (lambda: digest("sha1", b""), lambda: Tree("sha1", bytes(20))):
        with pytest.raises(UnsupportedError) as caught:
            ask()
        assert caught.value.code == "unsupported/hash"


def test_objects_timestamps_and_objects_hashed_again_are_never_mistaken_for_each_other() -> None:
    archive = honest([b"a"], years=1)
    (kept,) = archive.history
    encoded = format_timestamp(kept.timestamp)
    as_object = renew("sha256", objects=[digest("sha256", encoded)])
    assert as_object.root != renew("sha256", timestamps=[kept.timestamp]).root


# what is renewed ------------------------------------------------------------------------------------------------------


def test_a_timestamp_cannot_be_renewed_with_another_hash_alone() -> None:
    archive = honest([b"a"], years=1)
    with pytest.raises(ArchiveError) as caught:
        renew("sha512", timestamps=[archive.history[0].timestamp])
    assert caught.value.code == "renewal/hash"
    with pytest.raises(ArchiveError) as caught:
        renew("sha256", records=[(digest("sha256", b"a"), archive.record(b"a"))])
    assert caught.value.code == "renewal/hash"


def test_one_renewal_covers_many_timestamps_and_new_objects() -> None:
    archive = Archive([])
    for number in range(12):
        archive.stamp(renew("sha256", objects=[digest("sha256", WORDS[number])]), at(2026, number + 1), N26, S26)
    assert unrenewed("sha256", archive.history) == [kept.timestamp for kept in archive.history]
    assert unrenewed("sha512", archive.history) == []
    tree = renew("sha256", objects=[digest("sha256", b"new")], timestamps=unrenewed("sha256", archive.history))
    last = archive.stamp(tree, at(2031), N31, S31, about=lists(at(2031), NORTH, SOUTH))
    assert len(tree) == 13
    assert unrenewed("sha256", archive.history) == [last]
    for number in range(12):
        record = archive.record(WORDS[number])
        found = verify_record(digests_of(WORDS[number]), record, policy_of(), at(2035))
        assert found.since == at(2026, number + 1)  # type: ignore[union-attr]
    assert verify_record(digests_of(b"new"), archive.record(b"new"), policy_of(), at(2035)).since == at(2031)  # type: ignore[union-attr]


def test_an_object_that_no_timestamp_covers() -> None:
    archive = honest([b"a"], years=2)
    with pytest.raises(MissingError) as caught:
        archive.record(b"b")
    assert caught.value.code == "renewal/omitted"
    with pytest.raises(MissingError):
        require_covered(digests_of(b"b"), None, archive.history[0])


def test_when_a_timestamp_must_be_renewed_and_why() -> None:
    first, second = (kept.timestamp for kept in honest([b"a"], years=2).history)
    limit = stands_until(first, policy_of(), at(2027))
    assert limit is not None
    assert limit[:2] == (at(2033) + 1, "stamp/expired")
    assert stands_until(first, policy_of(), at(2034)) is None
    longer = Archive([b"a"])
    timestamp = longer.first(at(2031), *(replace(one, until=at(2045)) for one in (N31, S31)))
    limit = stands_until(timestamp, policy_of(), at(2032))
    assert limit is not None
    assert limit[:2] == (at(2040), "renewal/hash-weak")
    assert stands_until(timestamp, policy_of(), at(2040)) is None
    assert stands_until(second, policy_of(), at(2031)) is None  # made in March


def test_a_weak_hash_ends_a_timestamp_whose_stamps_stand() -> None:
    timestamp = Archive([b"a"]).first(at(2036), N36, S36)
    limit = stands_until(timestamp, policy_of(), at(2040) - 1)
    assert limit is not None
    assert limit[:2] == (at(2040), "renewal/hash-weak")
    assert stands_until(timestamp, policy_of(), at(2040)) is None


def test_a_quorum_stands_as_long_as_enough_of_it_do() -> None:
    timestamp = Archive([b"a"]).first(at(2030, 6), N26, S31)
    both, one = (stands_until(timestamp, policy_of(quorum), at(2031)) for quorum in (2, 1))
    assert both is not None
    assert one is not None
    assert (both.time, one.time) == (at(2033) + 1, at(2038) + 1)


def test_what_authorities_sign_names_hash_size_root_and_what_was_known() -> None:
    base = unstamped(tree_of("sha256", 3))
    others = [
        unstamped(tree_of("sha512", 3)),
        base._replace(size=4),
        base._replace(root=bytes(32)),
        base._replace(about=Revocation((b"list",))),
        base._replace(about=Revocation((), (b"list",))),
    ]
    assert len({base.message, *(other.message for other in others)}) == 6
    for other in (base, *others):
        require("timestamp-message", other.message)
    assert base._replace(stamps=(N26.stamp(base.message, at(2027)),)).message == base.message


# bytes ----------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def record() -> Record:
    return honest([b"a", b"b", b"c"]).record(b"b")


def test_records_and_timestamps_have_one_encoding(record: Record) -> None:
    data = format_record(record)
    assert parse_record(data) == record
    assert format_record(parse_record(data)) == data
    require("evidence-record", data)
    for chain in record.chains:
        for link in chain:
            one = format_timestamp(link.timestamp)
            assert parse_timestamp(one) == link.timestamp
            require("timestamp", one)


def set_at(*path: Any) -> Any:
    """Sets the place that all but the last name to the last."""

    def edit(value: Any) -> Any:
        for step in path[:-2]:
            value = value[step]
        value[path[-2]] = path[-1]

    return edit


WRONG: dict[str, Any] = {
    "another version": set_at(1, 2),
    "version true": set_at(1, True),
    "a key more": set_at(3, 0),
    "no chain": set_at(2, []),
    "a chain without a link": set_at(2, 0, []),
    "a link of two": set_at(2, 0, 0, [0, b""]),
    "a number below zero": set_at(2, 0, 0, 0, -1),
    "a hash of no name": set_at(2, 0, 0, 2, 1, "md5"),
    "no size": set_at(2, 0, 0, 2, 2, 0),
    "a root as text": set_at(2, 0, 0, 2, 3, "root"),
    "lists that are none": set_at(2, 0, 0, 2, 4, 1, [7]),
    "more lists than are read": set_at(2, 0, 0, 2, 4, 1, [b""] * (MAX_REVOCATION + 1)),
    "no stamp": set_at(2, 0, 0, 2, 5, []),
    "more stamps than are read": set_at(2, 0, 0, 2, 5, [{1: b"", 2: [], 3: {1: [], 2: []}}] * (MAX_STAMPS + 1)),
    "a token as text": set_at(2, 0, 0, 2, 5, 0, 1, "token"),
    "certificates as one": set_at(2, 0, 0, 2, 5, 0, 2, b""),
    "a stamp without revocation": set_at(2, 0, 0, 2, 5, 0, 3, None),
    "a path of several strings": set_at(2, 0, 0, 1, [bytes(32)]),
    "a path of more hashes than any tree": set_at(2, 0, 0, 1, bytes(64 * (MAX_PATH + 1))),
}
UNSEEN: dict[str, Any] = {
    "a number beyond the tree": set_at(2, 0, 0, 0, 3),
    "a root of another size": set_at(2, 0, 0, 2, 3, bytes(48)),
    "a path of no whole number of hashes": set_at(2, 0, 0, 1, bytes(33)),
    "a path of more hashes than any tree of its hash": set_at(2, 0, 0, 1, bytes(32 * (MAX_PATH + 1))),
    "more chains than are read": lambda value: value[2].extend(value[2] * MAX_CHAINS),
    "more links than are read": lambda value: value[2][0].extend(value[2][0] * MAX_LINKS),
}


def changed(record: Record, edit: Any) -> bytes:
    value: Any = decode(format_record(record), max_size=1 << 20)
    edit(value)
    return encode(value)


@pytest.mark.parametrize("case", WRONG)
def test_a_record_that_is_none_is_refused_by_parser_and_schema(record: Record, case: str) -> None:
    data = changed(record, WRONG[case])
    with pytest.raises(MalformedError) as caught:
        parse_record(data)
    assert caught.value.code == "renewal/malformed"
    with pytest.raises(ValidationError):
        require("evidence-record", data)


@pytest.mark.parametrize("case", UNSEEN)
def test_what_the_schema_does_not_see_the_parser_refuses(record: Record, case: str) -> None:
    with pytest.raises(MalformedError) as caught:
        parse_record(changed(record, UNSEEN[case]))
    assert caught.value.code == "renewal/malformed"


def test_a_chain_of_two_hashes(record: Record) -> None:
    (first, second), third, *_ = record.chains
    mixed = Record(((first, Link(0, third[0].path, third[0].timestamp)),))
    with pytest.raises(MalformedError, match="one hash"):
        parse_record(format_record(mixed))
    split = Record(((first,), (second,)))
    with pytest.raises(MalformedError, match="another hash"):
        parse_record(format_record(split))


@given(st.binary(max_size=64))
def test_any_bytes_are_a_record_or_malformed(data: bytes) -> None:
    with pytest.raises(MalformedError):
        parse_record(data)


@given(st.data())
def test_a_changed_record_shows_nothing_more(data: st.DataObject) -> None:
    good = format_record(_RECORD)
    place = data.draw(st.integers(0, len(good) - 1))
    flipped = good[:place] + bytes((good[place] ^ data.draw(st.integers(1, 255)),)) + good[place + 1 :]
    try:
        found = verify_record(digests_of(b"b"), parse_record(flipped), policy_of(), at(2046, 5))
    except EvidenceError:
        return
    assert getattr(found, "since", at(2046)) >= at(2026, 11, 20)


_RECORD = honest([b"a", b"b", b"c"]).record(b"b")


HERE = Path(__file__).parent
MODULES = [p for kind in ("policy", "renewal*", "stamp*") for p in (PACKAGE / "archive").glob(f"{kind}.py")]


def test_every_code_of_evidence_has_a_test() -> None:
    raised = set().union(*map(literals, MODULES)) - NOT_CODES
    tested = set().union(*(literals(HERE / name) for name in ("test_2046.py", "test_policy.py", "test_renewal.py")))
    tested |= set().union(*map(literals, HERE.glob("test_stamp*.py")))
    assert len(MODULES) == 12
    assert raised - tested == set()


def test_verifying_needs_the_base_install_alone() -> None:
    program = (
        "import sys\n"
        "import attest.archive.renewal_verify, attest.archive.renewal\n"
        "print(' '.join(sorted({m.split('.')[0] for m in sys.modules})))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) & {"rfc3161_client", "httpx", "sqlalchemy", "boto3", "asn1crypto"} == set()


def test_a_record_without_the_last_renewal_is_the_record_of_before() -> None:
    archive = honest([b"a"], years=3)
    before = assemble(digests_of(b"a"), archive.history[:2])
    whole = require_covered(digests_of(b"a"), before, archive.history[2])
    assert whole == archive.record(b"a")
    assert isinstance(archive.history[2], Kept)
    assert N36.since == at(2035)
