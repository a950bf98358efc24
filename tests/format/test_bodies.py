"""Bodies of statements: what a writer makes is read back, and every limit is refused one step beyond it."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attest.errors import EvidenceError, MalformedError, UnsupportedError
from attest.format import bodies, custody, key_acts, runs
from attest.format.bodies import (
    Block,
    Body,
    Channel,
    CloseBody,
    EventBody,
    GenesisBody,
    HeadBody,
    InventoryBody,
    MeterBody,
    UsageBody,
    block_of,
    format_body,
    parse_body,
)
from attest.format.custody import CustodyBody, CustodyObject
from attest.format.fields import MAX_TEXT, U64
from attest.format.key_acts import Enrol, KeysBody, Revoke, Rotate, Void
from attest.format.runs import Run
from attest.format.vocabulary import Act, Column, Kind, Label, Precision, Quantity, Role, State
from tests.format.values import BODIES

H = b"h" * 32
BLOCK = Block(H, 200)
RUN = Run(H, Label.TRAINING, Precision.BF16, 1, None)
USAGE = UsageBody(60, H, 2, BLOCK, (1, 2), (RUN,), bytes(16), ((1, bytes(16), bytes(16)), (2, bytes(16), bytes(16))))
METER = MeterBody(Quantity.REGISTER, 1_000, -3_600, 5, (Channel("dc1", 3, 0), Channel("n1", 2, 1)), BLOCK)
KEYS = KeysBody((Enrol("n1", Role.HOST, -19, H, b"p"), Rotate(-9, H, b"p"), Revoke(H, 9), Void(b"d")))
CUSTODY = CustodyBody("put", "ines", (CustodyObject("manifest", H, H + H, 912),), (("n", -1), ("by", "mail")))
ALL: dict[Kind, Body] = {
    Kind.GENESIS: GenesisBody(b"d"),
    Kind.INVENTORY: InventoryBody(BLOCK, 8),
    Kind.KEYS: KEYS,
    Kind.USAGE: USAGE,
    Kind.METER: METER,
    Kind.EVENT: EventBody(b"d"),
    Kind.HEAD: HeadBody(b"note"),
    Kind.CLOSE: CloseBody(),
    Kind.CUSTODY: CUSTODY,
}


@pytest.mark.parametrize("kind", Kind)
@given(data=st.data())
def test_what_is_written_is_read(kind: Kind, data: st.DataObject) -> None:
    body = data.draw(BODIES[kind])
    assert parse_body(kind, format_body(body)) == body


@pytest.mark.parametrize("kind", Kind)
def test_a_body_of_one_kind_is_none_of_another(kind: Kind) -> None:
    alike = {Kind.GENESIS, Kind.EVENT, Kind.HEAD}  # one byte string each
    for other, body in ALL.items():
        if other is not kind and not {kind, other} <= alike:
            with pytest.raises((MalformedError, UnsupportedError)):
                parse_body(kind, format_body(body))


def test_detached_bodies() -> None:
    assert {kind for kind, body in ALL.items() if block_of(body)} == {Kind.INVENTORY, Kind.USAGE, Kind.METER}


def test_the_numbers_of_the_words() -> None:
    assert {k.name: int(k) for k in Kind} == {
        "GENESIS": 1, "INVENTORY": 2, "KEYS": 3, "USAGE": 4, "METER": 5, "EVENT": 6, "HEAD": 7, "CLOSE": 10,
        "CUSTODY": 11,
    }  # fmt: skip
    assert [int(s) for s in State] == list(range(6))
    assert [int(label) for label in Label] == list(range(6))
    assert [int(p) for p in Precision] == list(range(9))
    assert [int(c) for c in Column] == list(range(1, 8))
    assert [int(q) for q in Quantity] == [1, 2, 3]
    assert [int(a) for a in Act] == [1, 2, 3, 4]
    assert [int(r) for r in Role] == [1, 2, 3]


def changed(kind: Kind, *path: Any) -> dict[int, Any]:
    """The body's value with the place that all but the last name set to the last."""
    value: Any = format_body(ALL[kind])
    place = value
    for key in path[:-2]:
        place = place[key]
    place[path[-2]] = path[-1]
    return dict(value)


LIMITS: list[tuple[Kind, tuple[Any, ...], Any, Any]] = [
    # kind, place, the last value that is taken, the first that is not
    (Kind.GENESIS, (1,), bytes(key_acts.MAX_DOCUMENT), bytes(key_acts.MAX_DOCUMENT + 1)),
    (Kind.GENESIS, (1,), b"d", b""),
    (Kind.INVENTORY, (1, 1), 1, 0),
    (Kind.INVENTORY, (1, 1), bodies.MAX_BLOCK, bodies.MAX_BLOCK + 1),
    (Kind.INVENTORY, (2,), 0, -1),
    (Kind.INVENTORY, (2,), bodies.MAX_INTERVALS, bodies.MAX_INTERVALS + 1),
    (Kind.KEYS, (1,), [[3, H, 0]] * key_acts.MAX_ACTS, [[3, H, 0]] * (key_acts.MAX_ACTS + 1)),
    (Kind.KEYS, (1, 0, 1), "s" * MAX_TEXT, "s" * (MAX_TEXT + 1)),
    (Kind.KEYS, (1, 0, 3), -(1 << 63), -(1 << 63) - 1),
    (Kind.KEYS, (1, 0, 3), (1 << 63) - 1, 1 << 63),
    (Kind.KEYS, (1, 0, 4), bytes(key_acts.MAX_KEY), bytes(key_acts.MAX_KEY + 1)),
    (Kind.KEYS, (1, 0, 4), bytes(32), bytes(31)),
    (Kind.KEYS, (1, 0, 5), bytes(key_acts.MAX_PROOF), bytes(key_acts.MAX_PROOF + 1)),
    (Kind.KEYS, (1, 1, 3), b"p", b""),
    (Kind.KEYS, (1, 2, 2), U64, U64 + 1),
    (Kind.KEYS, (1, 2, 2), 0, -1),
    (Kind.KEYS, (1, 3, 1), bytes(key_acts.MAX_DOCUMENT), bytes(key_acts.MAX_DOCUMENT + 1)),
    (Kind.USAGE, (1,), 1, 0),
    (Kind.USAGE, (1,), bodies.MAX_INTERVAL, bodies.MAX_INTERVAL + 1),
    (Kind.USAGE, (6,), [[H, 0, 0, 0, None, 0]] * runs.MAX_RUNS, [[H, 0, 0, 0, None, 0]] * (runs.MAX_RUNS + 1)),
    (Kind.USAGE, (6, 0, 1), 5, 6),
    (Kind.USAGE, (6, 0, 2), 8, 9),
    (Kind.USAGE, (6, 0, 3), U64, U64 + 1),
    (Kind.USAGE, (6, 0, 4), runs.MAX_DECLARED, runs.MAX_DECLARED + 1),
    (Kind.USAGE, (6, 0, 4), 0, -1),
    (Kind.USAGE, (7,), bytes(16), bytes(15)),
    (Kind.USAGE, (7,), bytes(8 * bodies.MAX_SPANS), bytes(8 * bodies.MAX_SPANS + 1)),
    (Kind.USAGE, (8, 0, 1), bytes(16), bytes(17)),
    (Kind.USAGE, (8, 1, 2), bytes(16), bytes(8)),
    (Kind.METER, (1,), 1, 0),
    (Kind.METER, (2,), bodies.MAX_STEP, bodies.MAX_STEP + 1),
    (Kind.METER, (2,), None, 0),
    (Kind.METER, (3,), -(1 << 63), -(1 << 63) - 1),
    (Kind.METER, (4,), bodies.MAX_INTERVAL, bodies.MAX_INTERVAL + 1),
    (Kind.METER, (4,), None, -1),
    (Kind.METER, (5, 0, 1), bodies.MAX_READINGS, bodies.MAX_READINGS + 1),
    (Kind.METER, (5, 0, 2), U64, U64 + 1),
    (Kind.METER, (5, 0, 0), "ß" * MAX_TEXT, "ß" * (MAX_TEXT + 1)),
    (Kind.METER, (5,), [[f"f{i}", 0, 0] for i in range(1_024)], [[f"f{i}", 0, 0] for i in range(1_025)]),
    (Kind.HEAD, (1,), bytes(key_acts.MAX_DOCUMENT), bytes(key_acts.MAX_DOCUMENT + 1)),
    (Kind.CUSTODY, (1,), "put", "burn"),
    (Kind.CUSTODY, (2,), "a", ""),
    (Kind.CUSTODY, (2,), "a" * MAX_TEXT, "a" * (MAX_TEXT + 1)),
    (Kind.CUSTODY, (3,), [], None),
    (Kind.CUSTODY, (3,), [["o", H, H + H, 1]] * custody.MAX_OBJECTS, [["o", H, H + H, 1]] * (custody.MAX_OBJECTS + 1)),
    (Kind.CUSTODY, (3, 0, 0), "r" * MAX_TEXT, "r" * (MAX_TEXT + 1)),
    (Kind.CUSTODY, (3, 0, 1), H, H + b"h"),
    (Kind.CUSTODY, (3, 0, 2), H + H, H),
    (Kind.CUSTODY, (3, 0, 3), 0, -1),
    (Kind.CUSTODY, (3, 0, 3), custody.MAX_OBJECT, custody.MAX_OBJECT + 1),
    (Kind.CUSTODY, (4,), {f"{n}": n for n in range(64)}, {f"{n}": n for n in range(65)}),
    (Kind.CUSTODY, (4,), {"n" * MAX_TEXT: 1}, {"n" * (MAX_TEXT + 1): 1}),
    (Kind.CUSTODY, (4,), {"n": 1}, {1: 1}),
    (Kind.CUSTODY, (4, "n"), "d" * custody.MAX_DETAIL, "d" * (custody.MAX_DETAIL + 1)),
    (Kind.CUSTODY, (4, "n"), (1 << 63) - 1, 1 << 63),
    (Kind.CUSTODY, (4, "n"), -(1 << 63), -(1 << 63) - 1),
    (Kind.CUSTODY, (4, "n"), 1, True),
    (Kind.CUSTODY, (4, "n"), "one line", "two\nlines"),
    (Kind.CUSTODY, (4, "n"), "known", None),
]


@pytest.mark.parametrize(("kind", "place", "last", "beyond"), LIMITS, ids=lambda v: None)
def test_a_limit_is_where_it_is_said_to_be(kind: Kind, place: tuple[Any, ...], last: Any, beyond: Any) -> None:
    parse_body(kind, changed(kind, *place, last))
    with pytest.raises(EvidenceError) as caught:
        parse_body(kind, changed(kind, *place, beyond))
    if isinstance(caught.value, MalformedError):
        assert caught.value.path is not None
        assert caught.value.path.startswith(kind.name.lower())


RULES: list[tuple[str, Kind, Callable[[], dict[int, Any]], str]] = [
    ("columns that fall", Kind.USAGE, lambda: changed(Kind.USAGE, 5, [2, 1]), "usage/columns"),
    ("a column twice", Kind.USAGE, lambda: changed(Kind.USAGE, 5, [1, 1]), "usage/columns"),
    ("columns without a block", Kind.USAGE, lambda: changed(Kind.USAGE, 4, None), "usage/columns"),
    ("a block without columns", Kind.USAGE, lambda: changed(Kind.USAGE, 5, []), "usage/columns"),
    ("a column of another version", Kind.USAGE, lambda: changed(Kind.USAGE, 5, [1, 8]), "unsupported/column"),
    ("eight columns", Kind.USAGE, lambda: changed(Kind.USAGE, 5, list(range(1, 9))), "statement/array"),
    ("a counter of activity", Kind.USAGE, lambda: changed(Kind.USAGE, 8, 1, 0, 5), "usage/counters"),
    ("a counter twice", Kind.USAGE, lambda: changed(Kind.USAGE, 8, 1, 0, 1), "usage/counters"),
    ("counters that fall", Kind.USAGE, lambda: changed(Kind.USAGE, 8, 0, 0, 2), "usage/counters"),
    ("more devices than counters have", Kind.USAGE, lambda: changed(Kind.USAGE, 3, 1), "statement/bytes"),
    ("more devices than spans can have", Kind.USAGE, lambda: changed(Kind.USAGE, 3, 3), "statement/bytes"),
    ("a run with an array in it", Kind.USAGE, lambda: changed(Kind.USAGE, 6, 0, 4, [1]), "statement/array"),
    ("a feed twice", Kind.METER, lambda: changed(Kind.METER, 5, 1, 0, "dc1"), "meter/feed-twice"),
    ("an unknown quantity", Kind.METER, lambda: changed(Kind.METER, 1, 4), "unsupported/quantity"),
    ("quantity true", Kind.METER, lambda: changed(Kind.METER, 1, True), "statement/integer"),
    ("an act of another version", Kind.KEYS, lambda: changed(Kind.KEYS, 1, 0, 0, 5), "unsupported/act"),
    ("an unknown role", Kind.KEYS, lambda: changed(Kind.KEYS, 1, 0, 2, 0), "unsupported/role"),
    ("an enrolment as long as a rotation", Kind.KEYS, lambda: changed(Kind.KEYS, 1, 1, 0, 1), "statement/array"),
    ("an act of one", Kind.KEYS, lambda: changed(Kind.KEYS, 1, 0, [1]), "statement/array"),
    ("an act that is a map", Kind.KEYS, lambda: changed(Kind.KEYS, 1, 0, {}), "statement/array"),
    ("an unknown action", Kind.CUSTODY, lambda: changed(Kind.CUSTODY, 1, "burn"), "unsupported/action"),
    ("details in an array", Kind.CUSTODY, lambda: changed(Kind.CUSTODY, 4, []), "statement/keys"),
    ("a detail within a detail", Kind.CUSTODY, lambda: changed(Kind.CUSTODY, 4, "n", {}), "statement/text"),
    ("a key too many", Kind.CLOSE, lambda: {1: 0}, "statement/keys"),
    ("a key too few", Kind.INVENTORY, lambda: {1: list(BLOCK)}, "statement/keys"),
    ("keys in another order", Kind.INVENTORY, lambda: {2: 8, 1: list(BLOCK)}, "statement/keys"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "value", "code"), [r[1:] for r in RULES], ids=[r[0] for r in RULES])
def test_a_body_is_refused(kind: Kind, value: Callable[[], dict[int, Any]], code: str) -> None:
    with pytest.raises(EvidenceError) as caught:
        parse_body(kind, value())
    assert caught.value.code == code


@pytest.mark.parametrize("label", [True, 1.0])
def test_what_was_read_before_does_not_change_an_error(label: object) -> None:
    for _ in range(2):
        with pytest.raises(MalformedError, match="statement/integer"):
            parse_body(Kind.USAGE, changed(Kind.USAGE, 6, 0, 1, label))
        parse_body(Kind.USAGE, format_body(USAGE))


@pytest.mark.parametrize(
    "char",
    [
        "\0", "\n", "\r", "\t", "\x1b", "\x7f", "\x85", "\N{NO-BREAK SPACE}", "\N{SOFT HYPHEN}",
        "\N{ARABIC LETTER MARK}",
        "\N{ZERO WIDTH SPACE}", "\N{ZERO WIDTH JOINER}", "\N{LEFT-TO-RIGHT MARK}", "\N{RIGHT-TO-LEFT OVERRIDE}",
        "\N{LINE SEPARATOR}", "\N{PARAGRAPH SEPARATOR}", "\N{WORD JOINER}", "\N{FIRST STRONG ISOLATE}",
        "\N{IDEOGRAPHIC SPACE}", "\N{ZERO WIDTH NO-BREAK SPACE}", "\ue000", "\uffff", "\U000e0041", "\U0010ffff",
    ],
)  # fmt: skip
def test_hidden_characters_are_refused(char: str) -> None:
    with pytest.raises(MalformedError, match="statement/text"):
        parse_body(Kind.METER, changed(Kind.METER, 5, 0, 0, f"dc1{char}x"))


@pytest.mark.parametrize("name", ["a b", "Zürich", "東京-1", "Łódź", "n1/β", "𝒳", "~!@#$%^&*()", "e\u0301"])
def test_names_of_all_scripts_are_taken(name: str) -> None:
    body = parse_body(Kind.METER, changed(Kind.METER, 5, 0, 0, name))
    assert isinstance(body, MeterBody)
    assert body.channels[0].feed == name
