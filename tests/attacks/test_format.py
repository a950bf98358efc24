"""Statements signed by whom they say that are no statements: unknown, negative, out of range, not canonical.

What this program does not know it neither passes nor accuses anybody of; everything else is the source's own fault.
"""

from collections.abc import Callable
from typing import Any

import cbor2

from attest.format.bodies import UsageBody
from attest.format.cose import Sign1, format_sign1, parse_sign1, sig_structure1
from attest.format.key_acts import KeysBody, Void
from attest.format.statement import format_payload, parse_payload
from attest.log.merkle import leaf_hash
from attest.sign.documents import sign_document
from attest.sign.statements import header_for, sign_payload
from attest.simulate.lab import Lab
from attest.simulate.source import Draft, Source
from tests.attacks.vectors import EVENING, SOURCE, Vector, attacks, invalid, play, ran, unproven, went_on
from tests.check.world import ACME

Payload = dict[int, Any]
Change = Callable[[Payload], object]
BODY = 8


def encoded(value: Any) -> bytes:
    """Deterministic, but for what the value itself is not."""
    return cbor2.dumps(value)


def written(made: Lab, source: Source, payload: bytes, *, block: bytes | None = None) -> None:
    """A source signs any bytes as its next statement, and goes on from there."""
    entry = sign_payload(header_for(source.signer, source.iss, source.sub), payload, source.signer)
    made.append(entry, block)
    source.seq, source.prev = source.seq + 1, leaf_hash(entry)


def usage(change: Change, *, on: bool = False) -> Callable[[], Lab]:
    """The host's statement of the evening with other fields, and its last, unless it goes on."""

    def story() -> Lab:
        made = ran()
        host, draft = made.host(0), bare(made)
        payload = cbor2.loads(format_payload(draft.statement))
        change(payload)
        written(made, host, encoded(payload))
        host.until = EVENING
        made.run(mute=None if on else lambda sub, start, end: sub == host.sub)
        return made

    return story


def bare(made: Lab) -> Draft:
    """A usage statement without block and counters."""
    draft = made.usage(0, EVENING)
    return draft.but_body(block=None, columns=(), counters=())._replace(block=None)


def meter(change: Change) -> Callable[[], Lab]:
    def story() -> Lab:
        made = ran()
        source, draft = made.meter, made.metering(EVENING)
        assert source is not None
        payload = cbor2.loads(format_payload(draft.statement))
        change(payload)
        written(made, source, encoded(payload))
        made.run(mute=lambda sub, start, end: sub == source.sub)
        return made

    return story


def acts(*values: Any) -> Callable[[], Lab]:
    """A keys statement of the office with acts of any kind."""

    def story() -> Lab:
        made = ran()
        office = made.office
        payload = cbor2.loads(format_payload(office.draft(KeysBody((Void(b"x"),)), made.now).statement))
        payload[BODY] = {1: list(values)}
        written(made, office, encoded(payload))
        office.until = made.now
        return went_on(made)

    return story


def put(*path: Any, value: Any) -> Change:
    """Sets the field at a path."""

    def change(payload: Any) -> None:
        for key in path[:-1]:
            payload = payload[key]
        payload[path[-1]] = value

    return change


def raw(change: Callable[[bytes], bytes]) -> Callable[[], Lab]:
    """The bytes of a payload, changed."""

    def story() -> Lab:
        made = ran()
        host = made.host(0)
        written(made, host, change(format_payload(bare(made).statement)))
        made.run(mute=lambda sub, start, end: sub == host.sub)
        return made

    return story


def enveloped(change: Callable[[Sign1], Sign1]) -> Callable[[], Lab]:
    """The envelope is another; the signature is the host's and right."""

    def story() -> Lab:
        made = ran()
        host = made.host(0)
        plain = change(parse_sign1(host.sign(bare(made))))
        message = sig_structure1(plain.protected, plain.payload or b"")
        made.append(format_sign1(plain._replace(signature=host.signer.sign(message))))
        made.run(mute=lambda sub, start, end: sub == host.sub)
        return made

    return story


def protected(change: Change) -> Callable[[], Lab]:
    def altered(plain: Sign1) -> Sign1:
        header = cbor2.loads(plain.protected)
        change(header)
        return plain._replace(protected=encoded(header))

    return enveloped(altered)


def doubled(payload: bytes) -> bytes:
    """The version twice."""
    return bytes([payload[0] + 1]) + payload[1:3] + payload[1:]


def padded(payload: bytes) -> bytes:
    """The version in two bytes where one does."""
    return payload[:2] + b"\x18\x01" + payload[3:]


def unsorted(payload: bytes) -> bytes:
    """Kind before version."""
    return payload[:1] + payload[3:5] + payload[1:3] + payload[5:]


def floated(payload: bytes) -> bytes:
    """A version of 1.0."""
    return payload[:2] + b"\xf9\x3c\x00" + payload[3:]


def spoken_for_later() -> Lab:
    """A host of tomorrow's software: one statement of a kind that is not known, and then it goes on as ever."""
    made = ran()
    host, office = made.host(0), made.office
    payload = cbor2.loads(format_payload(office.draft(KeysBody((Void(b"x"),)), made.now).statement))
    payload[1] = 8
    written(made, office, encoded(payload))
    office.until = made.now
    assert host.seq
    return went_on(made)


def void_of_tomorrow() -> Lab:
    """An act of the root holders of a type that is not known."""
    made = ran()
    document = sign_document(encoded({1: 9}), "application/vnd.attest.act+cbor", ACME.holder_keys())
    made.keys(Void(document))
    return went_on(made)


def unsigned(plain: Sign1) -> Sign1:
    return plain._replace(unprotected=b"\xa1\x04\x41x")


def sized(block: int) -> Change:
    return put(BODY, 4, value=[bytes(32), block])


HUGE = 1 << 80
SEVEN = [[1, bytes(56), bytes(56)]]
VECTORS = (
    # unknown
    unproven("a version to come", usage(put(0, value=2)), "unsupported/version"),
    unproven("a kind to come", usage(put(1, value=12)), "unsupported/kind"),
    unproven("a kind that is reserved, in the office's chain", spoken_for_later, "unsupported/kind"),
    unproven("a host that goes on after a version to come", usage(put(0, value=2), on=True), "unsupported/version"),
    unproven("a label to come", usage(put(BODY, 6, 0, 1, value=9)), "unsupported/label"),
    unproven("a precision to come", usage(put(BODY, 6, 0, 2, value=99)), "unsupported/precision"),
    unproven("a column to come", usage(put(BODY, 5, value=[1, 99])), "unsupported/column"),
    unproven("a quantity to come", meter(put(BODY, 1, value=4)), "unsupported/quantity"),
    unproven("an act to come", acts([9, b""]), "unsupported/act"),
    unproven("a role to come", acts([1, "https://acme.example/x", 9, -19, bytes(32), bytes(64)]), "unsupported/role"),
    unproven("an act of the holders to come", void_of_tomorrow, "unsupported/act"),
    # numbers
    invalid("a window that ends before it begins", usage(put(6, value=1)), "statement/integer", SOURCE),
    invalid("a window before time", usage(put(5, value=-1)), "statement/integer", SOURCE),
    invalid("a window beyond time", usage(put(6, value=1 << 41)), "statement/integer", SOURCE),
    invalid("a seq below zero", usage(put(3, value=-1)), "statement/integer", SOURCE),
    invalid("a seq that is true", usage(put(3, value=True)), "statement/integer", SOURCE),
    invalid("a seq beyond 64 bits", usage(put(3, value=HUGE)), "cbor/load", SOURCE),
    invalid("a seq in seconds and a half", usage(put(3, value=1.5)), "statement/integer", SOURCE),
    invalid("a seq in words", usage(put(3, value="three")), "statement/integer", SOURCE),
    invalid("no devices", usage(put(BODY, 3, value=0)), "statement/integer", SOURCE),
    invalid("fewer than no devices", usage(put(BODY, 3, value=-8)), "statement/integer", SOURCE),
    invalid("more devices than a rack has", usage(put(BODY, 3, value=1 << 20)), "statement/integer", SOURCE),
    invalid("intervals of no time", usage(put(BODY, 1, value=0)), "statement/integer", SOURCE),
    invalid("intervals of negative time", usage(put(BODY, 1, value=-60)), "statement/integer", SOURCE),
    invalid("a block of negative size", usage(sized(-1)), "statement/integer", SOURCE),
    invalid("a block of an exabyte", usage(sized(1 << 60)), "statement/integer", SOURCE),
    invalid("less than nothing declared", usage(put(BODY, 6, 0, 4, value=-1)), "statement/integer", SOURCE),
    invalid("more declared than can be counted", usage(put(BODY, 6, 0, 4, value=1 << 63)), "statement/integer", SOURCE),
    invalid("a lineage below zero", usage(put(BODY, 6, 0, 3, value=-1)), "statement/integer", SOURCE),
    invalid("a clock error below zero", meter(put(BODY, 4, value=-1)), "statement/integer", SOURCE),
    invalid("readings below zero", meter(put(BODY, 5, 0, 1, value=-1)), "statement/integer", SOURCE),
    invalid("an anchor of size zero", usage(put(7, 0, value=0)), "statement/integer", SOURCE),
    # shapes
    invalid("a field too many", usage(put(9, value=0)), "statement/keys", SOURCE),
    invalid("a field of another name", usage(lambda p: p.update({"x": p.pop(8)})), "statement/keys", SOURCE),
    invalid("a body without its fields", usage(put(BODY, value={})), "statement/keys", SOURCE),
    invalid("a statement that is a list", raw(lambda p: encoded([1, 4])), "statement/keys", SOURCE),
    invalid("columns that fall", usage(put(BODY, 5, value=[2, 1])), "usage/columns", SOURCE),
    invalid("a column twice", usage(put(BODY, 5, value=[1, 1])), "usage/columns", SOURCE),
    invalid("columns without a block", usage(put(BODY, 5, value=[1])), "usage/columns", SOURCE),
    invalid("a counter of clocks", usage(put(BODY, 8, value=[[7, bytes(64), bytes(64)]])), "usage/counters", SOURCE),
    invalid("a counter twice", usage(put(BODY, 8, value=[[1, bytes(64), bytes(64)]] * 2)), "usage/counters", SOURCE),
    invalid("a counter of seven devices", usage(put(BODY, 8, value=SEVEN)), "statement/bytes", SOURCE),
    invalid("spans for no device", usage(put(BODY, 7, value=b"")), "statement/bytes", SOURCE),
    invalid("a predecessor of 31 bytes", usage(put(4, value=bytes(31))), "statement/bytes", SOURCE),
    invalid("no predecessor", usage(put(4, value=None)), "statement/genesis", SOURCE),
    invalid("a run that is a number", usage(put(BODY, 6, value=[7])), "statement/array", SOURCE),
    invalid("a run with a list in it", usage(put(BODY, 6, 0, 3, value=[])), "statement/array", SOURCE),
    invalid("acts that are none", acts(), "statement/array", SOURCE, "chain/gap"),
    invalid("an act with a field too few", acts([3, bytes(32)]), "statement/array", SOURCE, "chain/gap"),
    invalid("a feed without a name", meter(put(BODY, 5, 0, 0, value="")), "statement/text", SOURCE),
    invalid("a feed with a line break", meter(put(BODY, 5, 0, 0, value="a\nb")), "statement/text", SOURCE),
    # encodings
    invalid("a key twice", raw(doubled), "statement/not-canonical", SOURCE),
    invalid("a number longer than it needs", raw(padded), "statement/not-canonical", SOURCE),
    invalid("keys in another order", raw(unsorted), "statement/keys", SOURCE),
    invalid("a number with a point", raw(floated), "statement/keys", SOURCE),
    invalid("bytes after the statement", raw(lambda p: p + b"\0"), "statement/not-canonical", SOURCE),
    invalid("a statement cut short", raw(lambda p: p[:-3]), "cbor/load", SOURCE),
    invalid("a statement without an end", raw(lambda p: b"\xbf" + p[1:] + b"\xff"), "statement/not-canonical", SOURCE),
    invalid("arrays in arrays in arrays", raw(lambda p: b"\x81" * 40 + b"\0"), "cbor/load", SOURCE),
    # envelopes
    invalid(
        "a header that is not signed",
        enveloped(unsigned),
        "statement/unprotected",
        SOURCE,
    ),
    invalid("a payload somewhere else", enveloped(lambda s: s._replace(payload=None)), "statement/detached", SOURCE),
    invalid("another content type", protected(put(3, value="text/plain")), "header/type", SOURCE),
    invalid("a header with a field too many", protected(put(99, value=1)), "header/keys", SOURCE),
    invalid("a header without its source", protected(put(15, value={1: ACME.iss})), "header/claims", SOURCE),
    invalid("a key id of 4 bytes", protected(put(4, value=b"abcd")), "header/key", SOURCE),
    invalid("another algorithm than was enrolled", protected(put(1, value=-9)), "key/header", SOURCE),
)


@attacks(VECTORS)
def test_attack(vector: Vector) -> None:
    play(vector)


def test_the_stories_begin_with_a_statement_that_holds() -> None:
    made = ran()
    statement = parse_payload(format_payload(bare(made).statement))
    assert isinstance(statement.body, UsageBody)
    assert statement.body.runs
