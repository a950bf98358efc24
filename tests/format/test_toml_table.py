"""Typed values with line and key; what a reader cannot see is refused."""

from collections.abc import Callable

import pytest

from attest.errors import AgreementError
from attest.format.toml_table import MAX_TEXT, Table, parse_toml, require_unique


def fails(text: str | bytes, use: Callable[[Table], object]) -> tuple[str, int, str]:
    with pytest.raises(AgreementError) as raised:
        use(parse_toml(text))
    return raised.value.code, raised.value.line, raised.value.key


def nothing(table: Table) -> None:
    """The text itself must fail."""


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("a = 1\nb = = 2\n", "toml/syntax", 2),
        ("a = 1\na = 2\n", "toml/syntax", 2),
        ("a = 1\n[a]\n", "toml/syntax", 2),
        ('a = "x\n', "toml/syntax", 1),
        ('\na = """\n\nx', "toml/syntax", 2),
        ("a = 01\n", "toml/syntax", 1),
        ("a = 2026-13-01T00:00:00Z\n", "toml/syntax", 1),
        ("a = 1\nb = " + "1" * 5_000, "toml/syntax", 2),
        ("a = 2026-02-30T00:00:00Z\n", "toml/syntax", 1),
        (b"a = 1\nb = '\xff'\n", "toml/encoding", 2),
        ("a = 1\n# safe \u202e\u2066 efas\n", "toml/hidden-character", 2),
        ("a = 'x\u200by'\n", "toml/hidden-character", 1),
        ("\ufeffa = 1\n", "toml/hidden-character", 1),
        ("a = 1 # \x1b[2K\n", "toml/hidden-character", 1),
        ("x" * (MAX_TEXT + 1), "toml/size", 0),
    ],
)
def test_a_text_that_cannot_be_read(text: str | bytes, code: str, line: int) -> None:
    assert fails(text, nothing)[:2] == (code, line)


@pytest.mark.parametrize(
    ("text", "use", "expected"),
    [
        ("\na = 1\nb = 2", lambda t: t.only("b"), ("toml/unknown-key", 2, "a")),
        ("[t]\na = 1", lambda t: t.table("t").only("b"), ("toml/unknown-key", 2, "t.a")),
        ("a = 1", lambda t: t.text("b"), ("toml/missing-key", 1, "b")),
        ("\n[t]\na = 1", lambda t: t.table("t").text("b"), ("toml/missing-key", 2, "t.b")),
        ("a = 1", lambda t: t.text("a"), ("toml/type", 1, "a")),
        ("a = ''", lambda t: t.text("a"), ("toml/empty", 1, "a")),
        ("a = ' '", lambda t: t.text("a"), ("toml/empty", 1, "a")),
        ("a = 'xyz'", lambda t: t.text("a", limit=2), ("toml/range", 1, "a")),
        ('a = """\nx\ny"""', lambda t: t.text("a"), ("toml/hidden-character", 1, "a")),
        ('a = "x\\u001b"', lambda t: t.text("a"), ("toml/hidden-character", 1, "a")),
        ('a = "x\\u202e"', lambda t: t.text("a"), ("toml/hidden-character", 1, "a")),
        ("a = 1.0", lambda t: t.integer("a", 0, 9), ("toml/type", 1, "a")),
        ("a = true", lambda t: t.integer("a", 0, 9), ("toml/type", 1, "a")),
        ("a = 10", lambda t: t.integer("a", 0, 9), ("toml/range", 1, "a")),
        ("a = -1", lambda t: t.integer("a", 0, 9), ("toml/range", 1, "a")),
        ("a = 1", lambda t: t.boolean("a"), ("toml/type", 1, "a")),
        ("a = 2026-11-09T00:00:00", lambda t: t.time("a"), ("toml/time", 1, "a")),
        ("a = 2026-11-09T00:00:00+01:00", lambda t: t.time("a"), ("toml/time", 1, "a")),
        ("a = 2026-11-09T00:00:00.5Z", lambda t: t.time("a"), ("toml/time", 1, "a")),
        ("a = 2026-11-09", lambda t: t.time("a"), ("toml/type", 1, "a")),
        ("a = '2026-11-09T00:00:00Z'", lambda t: t.time("a"), ("toml/type", 1, "a")),
        ("a = []", lambda t: t.texts("a", 2), ("toml/empty", 1, "a")),
        ("a = [\n'x',\n2]", lambda t: t.texts("a", 2), ("toml/type", 3, "a")),
        ("a = ['x', 'y', 'z']", lambda t: t.texts("a", 2), ("toml/too-many", 1, "a")),
        ("a = ['x']", lambda t: t.tables("a", 2), ("toml/type", 1, "a")),
        ("[[a]]\n[[a]]\n[[a]]", lambda t: t.tables("a", 2), ("toml/too-many", 1, "a")),
        ("a = 1", lambda t: t.table("a"), ("toml/type", 1, "a")),
        ("a = 'ABCD'", lambda t: t.digest("a"), ("toml/type", 1, "a")),
        (
            "[[a]]\nn = 'x'\n[[a]]\nn = 'x'",
            lambda t: require_unique(t.tables("a", 2), "n", "thing"),
            ("toml/duplicate", 4, "a.n"),
        ),
    ],
)
def test_a_value_that_is_not_what_it_must_be(
    text: str, use: Callable[[Table], object], expected: tuple[str, int, str]
) -> None:
    assert fails(text, use) == expected


def test_a_misspelt_key_is_answered_with_the_right_one() -> None:
    with pytest.raises(AgreementError) as raised:
        parse_toml("max_lga = 1").only("max_lag", "grace")
    assert raised.value.hint == "did you mean max_lag?"


def test_keys_with_control_characters_are_shown_escaped() -> None:
    with pytest.raises(AgreementError) as raised:
        parse_toml('"a\\u001b[2K" = 1').only("b")
    assert str(raised.value).isprintable()


def test_times_are_unix_seconds() -> None:
    table = parse_toml("a = 1970-01-02T00:00:01Z\nb = 2026-11-16 00:00:00+00:00")
    assert (table.time("a"), table.time("b")) == (86_401, 1_794_787_200)
