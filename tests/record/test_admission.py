"""What is refused changes nothing: one admission serves a log for as long as it is open."""

from collections.abc import Iterator
from hashlib import sha256

import pytest

from attest.compute.columns import format_spans
from attest.errors import LogError
from attest.format.act import possession
from attest.format.bodies import Body, CloseBody, UsageBody
from attest.format.key_acts import KeysBody, Rotate
from attest.format.roster import format_roster
from attest.format.runs import NO_RUN
from attest.format.statement import Statement
from attest.format.vocabulary import Kind, Role
from attest.log.merkle import leaf_hash
from attest.record.admission import Admission
from attest.sign.statements import header_for, sign_statement
from attest.store.writer import LogWriter
from tests.collect.test_import import HOST, ISS, START, Site, declare, feed_roster, signer, site

__all__ = ["site"]  # a fixture

ROSTER = sha256(format_roster(feed_roster())).digest()


@pytest.fixture
def admission(site: Site) -> Iterator[Admission]:
    with LogWriter.open(site.log) as log:
        yield Admission(log)


def usage(roster: bytes = ROSTER, devices: int = 2) -> UsageBody:
    spans = format_spans((device, 1, NO_RUN) for device in range(devices))
    return UsageBody(60, roster, devices, None, (), (), spans, ())


def statement(
    admission: Admission, body: Body, *, seq: int = 0, prev: bytes | None = None, start: int = START, key: str = "host"
) -> bytes:
    kind = {UsageBody: Kind.USAGE, CloseBody: Kind.CLOSE, KeysBody: Kind.KEYS}[type(body)]
    before = admission.ring.sources[HOST].enrolment if prev is None else prev
    end = start + 60 if kind is Kind.USAGE else start
    made = Statement(kind, admission.genesis, seq, before, start, end, None, body)
    return sign_statement(header_for(signer(key), ISS, HOST), made, signer(key))


def rotate(log: bytes, name: str) -> Rotate:
    key = signer(name).public_key()
    proof = signer(name).sign(possession(log, HOST, Role.HOST, int(key.alg), key.raw))
    return Rotate(int(key.alg), key.raw, proof)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (usage(bytes(32)), "usage/roster"),
        (usage(devices=1), "usage/devices"),
    ],
)
def test_a_statement_under_another_roster_is_refused(admission: Admission, body: UsageBody, code: str) -> None:
    with pytest.raises(LogError, match=code):
        admission.require(statement(admission, body))


def test_a_window_over_the_change_of_rosters_is_refused(site: Site) -> None:
    with LogWriter.open(site.log) as log:
        declare(log, feed_roster(uids=("GPU-0", "GPU-2")), START + 30)
        admission = Admission(log)
        with pytest.raises(LogError, match="usage/roster"):
            admission.require(statement(admission, usage()))


def test_a_block_that_is_not_the_statements_is_refused(admission: Admission) -> None:
    with pytest.raises(LogError, match="log/block"):
        admission.require(statement(admission, usage()), b"a block")


def test_the_same_twice_has_one_index_and_another_for_its_place_is_refused(admission: Admission) -> None:
    first = statement(admission, usage())
    index = admission.require(first)
    assert admission.require(first) == index
    with pytest.raises(LogError, match="log/equivocation"):
        admission.require(statement(admission, usage(), start=START + 60))
    assert admission.log.extend([(first, None)]) == [index]
    assert admission.require(first) == index
    with pytest.raises(LogError, match="log/equivocation"):
        admission.require(statement(admission, usage(), start=START + 60))


@pytest.mark.parametrize("fault", ["a second act that is refused", "another predecessor", "a block too many"])
def test_a_refused_rotation_leaves_the_key_in_force(admission: Admission, fault: str) -> None:
    acts = [rotate(admission.genesis, "next")]
    if fault.startswith("a second"):
        acts.append(rotate(admission.genesis, "after next"))
    prev = bytes(32) if fault.startswith("another") else None
    block = b"x" if fault.startswith("a block") else None
    index = admission.index
    with pytest.raises(LogError):
        admission.require(statement(admission, KeysBody(tuple(acts)), prev=prev), block)
    assert admission.require(statement(admission, usage())) == index


def test_after_a_rotation_the_next_key_signs(admission: Admission) -> None:
    first = statement(admission, KeysBody((rotate(admission.genesis, "next"),)))
    admission.require(first)
    with pytest.raises(LogError, match="key/retired"):
        admission.require(statement(admission, usage(), seq=1, prev=leaf_hash(first)))
    admission.require(statement(admission, usage(), seq=1, prev=leaf_hash(first), key="next"))
