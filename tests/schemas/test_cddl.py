"""CDDL and parsers agree: a CDDL implementation of others takes what tests make, and both refuse what is not valid.

One fault a case. What CDDL cannot say (encodings, rising orders, uniqueness), and the little that pycddl does not look
at, the parsers alone refuse.
"""

import re
from collections.abc import Callable
from typing import Any

import pytest

from attest.errors import EvidenceError
from attest.format.act import parse_act
from attest.format.cbor import decode, encode
from attest.format.cose import parse_document, parse_header
from attest.format.roster import parse_roster
from attest.format.statement import parse_payload, parse_statement
from attest.format.vocabulary import Kind
from tests.check.world import ACME, PACT, honest
from tests.schemas.example import agreement_text, all_acts, custody_entry, genesis_document, void_document, world
from tests.schemas.validate import (
    FORMATS,
    SCHEMAS,
    ValidationError,
    Watch,
    cddl,
    require,
    require_act,
    require_document,
    require_payload,
    require_statement,
    rules,
)

H = b"h" * 32


def entry(kind: Kind) -> bytes:
    """The example's statement of this kind."""
    return next(e for e in (*world().entries, custody_entry()) if parse_statement(e).statement.kind is kind)


def payload(kind: Kind) -> dict[int, Any]:
    """Its payload, decoded, to be altered."""
    found = decode(decode(entry(kind)).value[2])  # type: ignore[union-attr]
    assert isinstance(found, dict)
    return found


def act(place: int) -> list[Any]:
    """An act of a keys statement, decoded."""
    acts = [[1, *all_acts(world().log).acts[0]], [2, *all_acts(world().log).acts[1]]]
    acts += [[3, *all_acts(world().log).acts[2]], [4, *all_acts(world().log).acts[3]]]
    return [int(f) if isinstance(f, int) else f for f in acts[place]]


@pytest.mark.parametrize("index", range(7))
def test_the_example_is_valid(index: int) -> None:
    require_statement(world().entries[index])


def test_the_examples_have_every_kind_but_the_one_that_agreements_have() -> None:
    of_lab = {parse_statement(e).statement.kind for e in world().entries}
    assert of_lab == set(Kind) - {Kind.EVENT, Kind.CUSTODY}
    require_statement(custody_entry())
    assert parse_statement(custody_entry()).statement.kind is Kind.CUSTODY


def test_everything_of_a_simulated_lab_is_valid() -> None:
    lab = honest()
    for made in lab.entries:
        require_statement(made.data)
    require("roster", lab.roster_body)
    require_document("agreement", PACT.signed())
    assert len(lab.entries) > 30
    assert ACME.iss


def test_documents_and_acts_are_valid() -> None:
    require_document("genesis", genesis_document())
    require_document("void", void_document(world().log))
    require_document("agreement", world().agreement)
    require("roster", world().roster)
    for place in range(4):
        require("key-act", encode(act(place)))


def change(kind: Kind, edit: Callable[[dict[int, Any]], None]) -> bytes:
    """The payload with one thing changed."""
    value = payload(kind)
    edit(value)
    return encode(value)


def put(*path: Any) -> Callable[[Any], None]:
    """Sets the place that all but the last name to the last."""

    def edit(value: Any) -> None:
        for key in path[:-2]:
            value = value[key]
        value[path[-2]] = path[-1]

    return edit


def drop(*path: Any) -> Callable[[Any], None]:
    """Takes a place away."""

    def edit(value: Any) -> None:
        for key in path[:-1]:
            value = value[key]
        del value[path[-1]]

    return edit


BODY = 8
U64 = (1 << 64) - 1
PAYLOADS: dict[str, tuple[Kind, Callable[[Any], None]]] = {
    "another version": (Kind.CLOSE, put(0, 2)),
    "no version": (Kind.CLOSE, drop(0)),
    "version true": (Kind.CLOSE, put(0, True)),
    "an unknown kind": (Kind.CLOSE, put(1, 12)),
    "a reserved kind": (Kind.CLOSE, put(1, 8)),
    "a kind below zero": (Kind.CLOSE, put(1, -1)),
    "no log": (Kind.CLOSE, put(2, None)),
    "a log of 31 bytes": (Kind.CLOSE, put(2, H[1:])),
    "a log in a genesis": (Kind.GENESIS, put(2, H)),
    "a predecessor in a genesis": (Kind.GENESIS, put(4, H)),
    "a genesis in the middle": (Kind.GENESIS, put(3, 1)),
    "seq below zero": (Kind.CLOSE, put(3, -1)),
    "seq of 2^63": (Kind.CLOSE, put(3, 1 << 63)),
    "seq as text": (Kind.CLOSE, put(3, "1")),
    "no predecessor": (Kind.CLOSE, put(4, None)),
    "a predecessor of 33 bytes": (Kind.CLOSE, put(4, H + b"h")),
    "a time beyond all calendars": (Kind.CLOSE, put(6, (1 << 40) + 1)),
    "a time before 1970": (Kind.CLOSE, put(5, -1)),
    "an anchor of two": (Kind.USAGE, drop(7, 2)),
    "an anchor of size 0": (Kind.USAGE, put(7, 0, 0)),
    "an anchor with a short root": (Kind.USAGE, put(7, 1, H[1:])),
    "an anchor as text": (Kind.USAGE, put(7, "yesterday")),
    "an extra key": (Kind.CLOSE, put(9, 0)),
    "no body": (Kind.CLOSE, drop(8)),
    "a genesis without a document": (Kind.GENESIS, put(BODY, {})),
    "an inventory without a block": (Kind.INVENTORY, put(BODY, 1, None)),
    "an empty inventory body": (Kind.INVENTORY, put(BODY, 1, 1, 0)),
    "a block of a gigabyte and a byte": (Kind.INVENTORY, put(BODY, 1, 1, (1 << 30) + 1)),
    "devices below zero": (Kind.INVENTORY, put(BODY, 2, -1)),
    "more devices than any site": (Kind.INVENTORY, put(BODY, 2, (1 << 24) + 1)),
    "no act": (Kind.KEYS, put(BODY, 1, [])),
    "an unknown act": (Kind.KEYS, put(BODY, 1, 0, 0, 5)),
    "an unknown role": (Kind.KEYS, put(BODY, 1, 0, 2, 4)),
    "an enrolment without proof": (Kind.KEYS, drop(BODY, 1, 0, 5)),
    "a key of 31 bytes": (Kind.KEYS, put(BODY, 1, 0, 4, H[1:])),
    "an empty proof": (Kind.KEYS, put(BODY, 1, 0, 5, b"")),
    "an empty sub": (Kind.KEYS, put(BODY, 1, 0, 1, "")),
    "an interval of 0": (Kind.USAGE, put(BODY, 1, 0)),
    "an interval of more than a day": (Kind.USAGE, put(BODY, 1, 86_401)),
    "an interval as a list": (Kind.USAGE, put(BODY, 1, [600])),
    "a roster of 31 bytes": (Kind.USAGE, put(BODY, 2, H[1:])),
    "no devices": (Kind.USAGE, put(BODY, 3, 0)),
    "1,025 devices": (Kind.USAGE, put(BODY, 3, 1_025)),
    "an unknown column": (Kind.USAGE, put(BODY, 5, [1, 8])),
    "an unknown label": (Kind.USAGE, put(BODY, 6, 0, 1, 6)),
    "an unknown precision": (Kind.USAGE, put(BODY, 6, 0, 2, 9)),
    "lineage below zero": (Kind.USAGE, put(BODY, 6, 0, 3, -1)),
    "declared below zero": (Kind.USAGE, put(BODY, 6, 0, 4, -1)),
    "declared beyond 2^62": (Kind.USAGE, put(BODY, 6, 0, 4, (1 << 62) + 1)),
    "a run of four": (Kind.USAGE, drop(BODY, 6, 0, 4)),
    "no span": (Kind.USAGE, put(BODY, 7, b"")),
    "more spans than fit": (Kind.USAGE, put(BODY, 7, bytes(56_008))),
    "spans as an array": (Kind.USAGE, put(BODY, 7, [0, 0, 0])),
    "a counter of shares": (Kind.USAGE, put(BODY, 8, 0, 0, 5)),
    "a counter without an end": (Kind.USAGE, drop(BODY, 8, 0, 2)),
    "an unknown quantity": (Kind.METER, put(BODY, 1, 4)),
    "a step of 0": (Kind.METER, put(BODY, 2, 0)),
    "a clock offset as text": (Kind.METER, put(BODY, 3, "an hour")),
    "an uncertainty of more than a day": (Kind.METER, put(BODY, 4, 86_401)),
    "no channel": (Kind.METER, put(BODY, 5, [])),
    "a channel of two": (Kind.METER, drop(BODY, 5, 0, 2)),
    "2^24 readings and one": (Kind.METER, put(BODY, 5, 0, 1, (1 << 24) + 1)),
    "a feed of 2,049 bytes": (Kind.METER, put(BODY, 5, 0, 0, "f" * 2_049)),
    "no readings block": (Kind.METER, put(BODY, 6, None)),
    "an empty note": (Kind.HEAD, put(BODY, 1, b"")),
    "a note of 60,001 bytes": (Kind.HEAD, put(BODY, 1, bytes(60_001))),
    "an unknown action": (Kind.CUSTODY, put(BODY, 1, "burn")),
    "an action by number": (Kind.CUSTODY, put(BODY, 1, 1)),
    "nobody's act": (Kind.CUSTODY, put(BODY, 2, "")),
    "objects as a map": (Kind.CUSTODY, put(BODY, 3, {})),
    "an object without a size": (Kind.CUSTODY, drop(BODY, 3, 0, 3)),
    "an object of one digest": (Kind.CUSTODY, put(BODY, 3, 0, 2, H)),
    "an object below nothing": (Kind.CUSTODY, put(BODY, 3, 0, 3, -1)),
    "an object of 2^63 bytes": (Kind.CUSTODY, put(BODY, 3, 0, 3, 1 << 63)),
    "details as an array": (Kind.CUSTODY, put(BODY, 4, [])),
    "a detail by number": (Kind.CUSTODY, put(BODY, 4, {1: "mail"})),
    "a detail that is true": (Kind.CUSTODY, put(BODY, 4, "size", True)),
    "65 details": (Kind.CUSTODY, put(BODY, 4, {f"{n}": n for n in range(65)})),
    "an empty detail": (Kind.CUSTODY, put(BODY, 4, "size", "")),
    "a custody body without details": (Kind.CUSTODY, drop(BODY, 4)),
}


@pytest.mark.parametrize("case", PAYLOADS)
def test_an_invalid_payload_is_refused_by_both(case: str) -> None:
    kind, edit = PAYLOADS[case]
    require_payload(encode(payload(kind)))
    data = change(kind, edit)
    with pytest.raises(ValidationError):
        require_payload(data)
    with pytest.raises(EvidenceError):
        parse_payload(data)


UNSEEN: dict[str, tuple[Kind, Callable[[Any], None], str]] = {
    "until before from": (Kind.CLOSE, put(6, 0), "statement/integer"),
    "columns that fall": (Kind.USAGE, put(BODY, 5, [2, 1]), "usage/columns"),
    "a column twice": (Kind.USAGE, put(BODY, 5, [1, 1]), "usage/columns"),
    "columns without a block": (Kind.USAGE, put(BODY, 4, None), "usage/columns"),
    "a block without columns": (Kind.USAGE, put(BODY, 5, []), "usage/columns"),
    "a counter twice": (Kind.USAGE, put(BODY, 8, [[1, bytes(16), bytes(16)]] * 2), "usage/counters"),
    "counters of another number of devices": (Kind.USAGE, put(BODY, 8, 0, 1, bytes(24)), "statement/bytes"),
    "a span short of all devices": (Kind.USAGE, put(BODY, 7, bytes(8)), "statement/bytes"),
    "a feed twice": (Kind.METER, put(BODY, 5, [["f", 1, 0], ["f", 1, 0]]), "meter/feed-twice"),
    "a feed of 513 characters": (Kind.METER, put(BODY, 5, 0, 0, "f" * 513), "statement/text"),
    "a feed that breaks the line": (Kind.METER, put(BODY, 5, 0, 0, "a\nb"), "statement/text"),
    "a feed that turns the line": (Kind.METER, put(BODY, 5, 0, 0, "a\N{RIGHT-TO-LEFT OVERRIDE}b"), "statement/text"),
    "a clock offset of 2^63": (Kind.METER, put(BODY, 3, 1 << 63), "statement/integer"),
    # what the CDDL says and pycddl does not look at
    "a close that says more": (Kind.CLOSE, put(BODY, {1: 0}), "statement/keys"),
    "257 acts": (Kind.KEYS, put(BODY, 1, [[3, H, 0]] * 257), "statement/array"),
    "1,025 runs": (Kind.USAGE, put(BODY, 6, [[H, 0, 0, 0, None, 0]] * 1_025), "statement/array"),
    "three counters": (Kind.USAGE, put(BODY, 8, [[1, bytes(16), bytes(16)]] * 3), "statement/array"),
    "257 objects": (Kind.CUSTODY, put(BODY, 3, [["o", H, H + H, 0]] * 257), "statement/array"),
    "a detail beyond 64 bits": (Kind.CUSTODY, put(BODY, 4, "size", 1 << 63), "statement/integer"),
    "a detail of 513 characters of name": (Kind.CUSTODY, put(BODY, 4, "n" * 513, 1), "statement/text"),
    "a detail of two lines": (Kind.CUSTODY, put(BODY, 4, "size", "a\nb"), "statement/text"),
    "1,025 channels": (Kind.METER, put(BODY, 5, [[f"f{i}", 0, 0] for i in range(1_025)]), "statement/array"),
}


@pytest.mark.parametrize("case", UNSEEN)
def test_what_cddl_does_not_see_the_parser_refuses(case: str) -> None:
    kind, edit, code = UNSEEN[case]
    data = change(kind, edit)
    require_payload(data)
    with pytest.raises(EvidenceError) as caught:
        parse_payload(data)
    assert caught.value.code == code


def headers() -> dict[int, Any]:
    found = decode(decode(entry(Kind.USAGE)).value[0])  # type: ignore[union-attr]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(
    "edit",
    [
        put(1, "EdDSA"), drop(1), put(3, "text/plain"), put(3, 60), put(4, H[1:]), drop(4), drop(15), put(15, 1, ""),
        put(15, 3, "aud"), drop(15, 2), put(16, "application/cose"), put(33, b"a chain of certificates"),
    ],
)  # fmt: skip
def test_an_invalid_header_is_refused_by_both(edit: Callable[[Any], None]) -> None:
    value = headers()
    require("header", encode(value))
    edit(value)
    with pytest.raises(ValidationError):
        require("header", encode(value))
    with pytest.raises(EvidenceError):
        parse_header(encode(value))


@pytest.mark.parametrize(
    "edit",
    [
        lambda t: t.pop(), lambda t: t.append(b""), put(0, "h"), put(2, None), put(3, 1)
    ],
)  # fmt: skip
def test_an_invalid_envelope_is_refused_by_both(edit: Callable[[Any], None]) -> None:
    value = decode(entry(Kind.USAGE))
    edit(value.value)  # type: ignore[union-attr]
    with pytest.raises(ValidationError):
        require("statement", encode(value))
    with pytest.raises(EvidenceError):
        parse_statement(encode(value))


def test_another_tag_is_refused_by_both() -> None:
    data = b"\xd8\x62" + entry(Kind.USAGE)[1:]
    with pytest.raises(ValidationError):
        require("statement", data)
    with pytest.raises(EvidenceError):
        parse_statement(data)


ACTS: dict[str, Any] = {
    "no type": {2: H},
    "an unknown type": {1: 3, 2: H, 3: 1, 4: [[0, H]]},
    "number 0": {1: 2, 2: H, 3: 0, 4: [[0, H]]},
    "nothing voided": {1: 2, 2: H, 3: 1, 4: []},
    "a place without a hash": {1: 2, 2: H, 3: 1, 4: [[0]]},
    "an index below zero": {1: 2, 2: H, 3: 1, 4: [[-1, H]]},
    "an extra key": {1: 2, 2: H, 3: 1, 4: [[0, H]], 5: 0},
    "a genesis without its last key": {1: 1, 2: "o", 3: "i", 4: "s", 5: -19, 6: H},
    "a predecessor without root": {1: 1, 2: "o", 3: "i", 4: "s", 5: -19, 6: H, 7: [1]},
    "an empty origin": {1: 1, 2: "", 3: "i", 4: "s", 5: -19, 6: H, 7: None},
}


@pytest.mark.parametrize("case", ACTS)
def test_an_invalid_act_is_refused_by_both(case: str) -> None:
    data = encode(ACTS[case])
    with pytest.raises(ValidationError):
        require_act(data)
    with pytest.raises(EvidenceError):
        parse_act(data)


ROSTERS: dict[str, Any] = {
    "no feeds": {1: [], 2: []},
    "no hosts": {1: [["f", None, None]]},
    "a feed of two": {1: [["f", None]], 2: []},
    "an unnamed feed": {1: [["", None, None]], 2: []},
    "a parent below zero": {1: [["f", -1, None]], 2: []},
    "a meter by number": {1: [["f", None, 1]], 2: []},
    "a host without devices": {1: [["f", None, None]], 2: [["h", []]]},
    "a device without model": {1: [["f", None, None]], 2: [["h", [["u", 0]]]]},
    "a device on a feed by name": {1: [["f", None, None]], 2: [["h", [["u", "m", "f"]]]]},
    "an extra key": {1: [["f", None, None]], 2: [], 3: []},
}


@pytest.mark.parametrize("case", ROSTERS)
def test_an_invalid_roster_is_refused_by_both(case: str) -> None:
    data = encode(ROSTERS[case])
    with pytest.raises(ValidationError):
        require("roster", data)
    with pytest.raises(EvidenceError):
        parse_roster(data)


@pytest.mark.parametrize(
    ("edit", "rule"),
    [
        (lambda t: t[3].clear(), "genesis-document"),
        (put(3, 0, 0, b""), "signer"),
        (lambda t: t[3][0].pop(), "document-signature"),
        (put(0, encode({3: "text/plain"})), "act-header"),
        (put(2, encode({1: 2})), "genesis-act"),
    ],
)
def test_an_invalid_document_is_refused_by_cddl(edit: Callable[[Any], None], rule: str) -> None:
    value = decode(genesis_document())
    edit(value.value)  # type: ignore[union-attr]
    with pytest.raises(ValidationError):
        require_document("genesis", encode(value))
    assert rule in rules("act")


def test_a_document_without_signatures_is_refused_by_the_parser() -> None:
    value = decode(genesis_document())
    value.value[3].clear()  # type: ignore[union-attr]
    with pytest.raises(EvidenceError):
        parse_document(encode(value))


def test_cddl_says_the_limits_that_the_code_has() -> None:
    from attest.format import act, bodies, custody, key_acts, roster, runs

    text = cddl("statement")
    for number in (
        bodies.MAX_BLOCK, bodies.MAX_INTERVALS, bodies.MAX_READINGS, bodies.MAX_STEP, bodies.MAX_INTERVAL,
        bodies.MAX_DEVICES, runs.MAX_DECLARED, bodies.MAX_SPANS * bodies.SPAN_SIZE, key_acts.MAX_DOCUMENT,
        8 * bodies.MAX_DEVICES, key_acts.MAX_PROOF, key_acts.MAX_KEY, custody.MAX_OBJECT, 4 * custody.MAX_DETAIL,
    ):  # fmt: skip
        assert f"..{number}" in text, number
    counts = (key_acts.MAX_ACTS, runs.MAX_RUNS, bodies.MAX_CHANNELS, act.MAX_VOIDED)
    for count in (*counts, custody.MAX_OBJECTS, custody.MAX_DETAILS):
        assert f"*{count} " in text, count
    for count in (roster.MAX_FEEDS, roster.MAX_HOSTS, bodies.MAX_DEVICES):
        assert f"*{count} " in cddl("roster"), count
    assert (
        set(re.findall(r'"([a-z]+)"', text[text.index("\naction =") : text.index("\ncustody-object")]))
        == custody.ACTIONS
    )


def test_every_rule_is_used() -> None:
    for name in FORMATS:
        text = cddl(name)
        defined = rules(name)
        assert len(set(defined)) == len(defined), name
        own = rules(name)[: len(re.findall(r"^[a-z-]+ = ", (SCHEMAS / f"{name}.cddl").read_text("utf-8"), re.M))]
        for rule in own[1:]:
            uses = len(re.findall(rf"(?<![a-z-]){rule}(?![a-z-])", re.sub(r";[^\n]*", "", text)))
            assert uses > 1 or rule in ("possession", "act", "timestamp-message"), (name, rule)


def test_the_watch_sees_what_is_signed(watch: Watch) -> None:
    before = dict(watch.seen)
    genesis_document()
    all_acts(world().log)
    agreement_text()
    new = {rule for rule, count in watch.seen.items() if count > before.get(rule, 0)}
    assert {"signer", "act-header", "act", "possession"} <= new
