"""The walk finds the line of every value that tomllib finds, and refuses what would cost tomllib too much."""

import re
import time
import tomllib
from collections.abc import Iterator
from datetime import date, datetime
from datetime import time as clock
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from attest.errors import AgreementError
from attest.format.toml_lines import Path, key_lines

TEXT = '''# a comment = "no key"
plain = 1
"quoted key" = 'x # no comment'
'literal.key' = 2
dotted . key = 3.5
"esc\\u0061ped" = 1979-05-27 07:32:00Z

multi = """
inner = 1
[no.table]
ends in quotes: """""   # comment
literal = \'\'\'
[[no]]\'\'\'
array = [ # comment ] here
  1,   # one
  [2, "]"], [
    3,
  ],
  {x = 1, y.z = [4]},
]
empty = []
inline = {}
[table]
key = true

[[list]]
a = 1
[list.sub]
b = 2
[[list.deep]]
c = 3
[[list.deep]]
c = 4
[[list]]
[[list.deep]]
c = 5
[ table . "other one" ]
last = 'x'
'''


def paths(value: Any, path: Path = ()) -> Iterator[Path]:
    if path:
        yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from paths(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from paths(inner, (*path, index))


def line_of(text: str, needle: str) -> int:
    return text[: text.index(needle)].count("\n") + 1


def test_every_path_of_the_parsed_text_has_a_line() -> None:
    assert set(key_lines(TEXT)) == set(paths(tomllib.loads(TEXT)))


@pytest.mark.parametrize(
    ("path", "needle"),
    [
        (("plain",), "plain"),
        (("quoted key",), '"quoted'),
        (("literal.key",), "'literal"),
        (("dotted", "key"), "dotted"),
        (("escaped",), '"esc'),
        (("multi",), "multi"),
        (("literal",), "literal = "),
        (("array",), "array"),
        (("array", 0), "  1,"),
        (("array", 1, 1), "  [2,"),
        (("array", 2, 0), "    3,"),
        (("array", 3, "y", "z", 0), "  {x"),
        (("table",), "[table]"),
        (("table", "key"), "key = true"),
        (("list",), "[[list]]"),
        (("list", 0), "[[list]]"),
        (("list", 0, "sub", "b"), "b = 2"),
        (("list", 0, "deep", 1, "c"), "c = 4"),
        (("list", 1, "deep", 0, "c"), "c = 5"),
        (("table", "other one", "last"), "last"),
    ],
)
def test_a_value_is_found_on_its_line(path: Path, needle: str) -> None:
    assert key_lines(TEXT)[path] == line_of(TEXT, needle)


def test_lines_end_in_a_carriage_return_too() -> None:
    assert key_lines("a = 1\r\n\r\nb = 2\r\n") == {("a",): 1, ("b",): 3}


_keys = st.text("ab-_ .\"'\\\u00e9", min_size=1, max_size=4)
_values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.integers(-9, 9),
        st.booleans(),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text("ab\n\"'\\#=[]{},\u00e9", max_size=8),
        st.just(datetime(2026, 11, 9)),  # noqa: DTZ001 - a local date-time of TOML
        st.just(date(2026, 11, 9)),
        st.just(clock(7, 32)),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keys, inner, max_size=3),
    max_leaves=8,
)


def written(value: Any, multiline: bool) -> str:
    """TOML of a value, inline; texts as basic strings of one line or of several."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{written(k, False)} = {written(v, False)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        gap = "\n # ]\n" if multiline else " "
        return "[" + ",".join(gap + written(v, multiline) for v in value) + gap + "]"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        if multiline:
            return '"""\n' + escaped + '"""'
        return '"' + escaped.replace("\n", "\\n") + '"'
    if isinstance(value, bool):
        return str(value).lower()
    return value.isoformat() if isinstance(value, datetime | date | clock) else repr(value)


@given(st.dictionaries(_keys, _values, max_size=5), st.booleans())
def test_random_documents_have_the_paths_that_tomllib_finds(document: dict[str, Any], multiline: bool) -> None:
    text = "".join(f"{written(key, False)} = {written(value, multiline)}\n" for key, value in document.items())
    parsed = tomllib.loads(text)
    try:
        assert set(key_lines(text)) == set(paths(parsed))
    except AgreementError as error:
        assert error.code == "toml/nesting"


@given(st.text(st.sampled_from(list("ab=.\"'[]{},#\n\r \t\\1-:")), max_size=60) | st.text(max_size=30))
@example('a = """')
@example("a = '''x''")
@example("[a")
@example('"\\x" = 1')
def test_any_text_is_walked_or_refused_and_what_tomllib_takes_is_walked(text: str) -> None:
    try:
        lines = key_lines(text)
    except AgreementError as error:
        assert error.code in {"toml/syntax", "toml/nesting"}
        assert 1 <= error.line <= text.count("\n") + 1
        if error.code == "toml/syntax" and not re.search(r"[-0-9a-zA-Z+.:]{60}", text):
            with pytest.raises(tomllib.TOMLDecodeError):
                tomllib.loads(text)
        return
    try:
        parsed = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    assert set(paths(parsed)) <= set(lines)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a = 1\n" + ".".join("a" * 9) + " = 1\n", 2),
        ("[" + ".".join("a" * 100_000) + "]\n", 1),
        ("a = \n" + "[" * 9 + "]" * 9, 1),
        ("a = " + "[\n" * 100_000, 9),
        ("a = " + "{a = " * 100_000, 1),
    ],
)
def test_depth_is_bounded_before_tomllib_sees_the_text(text: str, line: int) -> None:
    with pytest.raises(AgreementError) as raised:
        key_lines(text)
    assert raised.value.code in {"toml/nesting", "toml/syntax"}
    assert raised.value.line == line


@pytest.mark.parametrize(
    "text",
    [
        'a = """' + '"" ' * 200_000,
        "a = '" + "x" * 600_000,
        'a = "' + "\\\\" * 300_000,
        "a" * 600_000,
        " \t" * 300_000 + "x",
        "#" * 600_000,
        "\n" * 600_000 + "[",
        "a = [" + "1," * 200_000,
    ],
)
def test_hostile_texts_cost_linear_time(text: str) -> None:
    begin = time.process_time()
    with pytest.raises(AgreementError):
        key_lines(text + "\n\x00")
    assert time.process_time() - begin < 5  # seconds; quadratic time takes minutes


def test_keys_within_the_bound_pass() -> None:
    assert re.fullmatch(r"a(\.a){7}", text := ".".join("a" * 8))
    assert len(key_lines(f"{text} = 1")) == 8
