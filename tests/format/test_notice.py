"""Notices of runs: their bytes, their bounds, and that they are events of another form."""

import pytest

from attest.errors import EvidenceError
from attest.format.bodies import EventBody, NoticeBody, format_body, parse_body
from attest.format.notice import MAX_NOTICES, Notice
from attest.format.vocabulary import Kind, Report

GOOD = [1, 7, 1_794_182_400]


def test_a_notice_is_read_as_it_was_written() -> None:
    body = NoticeBody((Notice(Report.STARTS, 7, 1_794_182_400), Notice(Report.ENDS, (1 << 64) - 1, 0)))
    assert parse_body(Kind.EVENT, format_body(body)) == body
    assert format_body(body) == {2: [GOOD, [2, (1 << 64) - 1, 0]]}
    assert parse_body(Kind.EVENT, {1: b"d"}) == EventBody(b"d")


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ({2: []}, "statement/array"),
        ({2: [GOOD] * (MAX_NOTICES + 1)}, "statement/array"),
        ({2: [[1, 7]]}, "statement/array"),
        ({2: [[3, 7, 0]]}, "unsupported/report"),
        ({2: [[True, 7, 0]]}, "statement/integer"),
        ({2: [[1, 0, 0]]}, "statement/integer"),
        ({2: [[1, 1 << 64, 0]]}, "statement/integer"),
        ({2: [[1, 7, (1 << 40) + 1]]}, "statement/integer"),
        ({1: b"d", 2: [GOOD]}, "statement/keys"),
        ({2: [GOOD], 3: 0}, "statement/keys"),
        ({}, "statement/keys"),
    ],
)
def test_anything_else_is_refused(value: object, code: str) -> None:
    with pytest.raises(EvidenceError) as raised:
        parse_body(Kind.EVENT, value)
    assert raised.value.code == code
