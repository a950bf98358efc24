"""Notices: what a lab's office says of runs before they start and when they end (schemas/statement.md, "event").

>>> parse_notices([[1, 7, 1_794_182_400]])
(Notice(report=<Report.STARTS: 1>, lineage=7, at=1794182400),)
>>> format_notices(parse_notices([[2, 7, 1_794_787_200]]))
[[2, 7, 1794787200]]
"""

from typing import Any, Final, NamedTuple

from attest.format.fields import array, member, uint
from attest.format.vocabulary import Report

MAX_NOTICES: Final = 1_024  # of one statement
MAX_TIME: Final = 1 << 40  # as in statements


class Notice(NamedTuple):
    """A lineage will start, or has ended, at a time (Unix s)."""

    report: Report
    lineage: int
    at: int


def parse_notices(value: Any) -> tuple[Notice, ...]:
    """Decoded notices, typed and bounded."""
    return tuple([_notice(notice) for notice in array(value, 1, MAX_NOTICES, "event.notices")])


def format_notices(notices: tuple[Notice, ...]) -> list[list[int]]:
    """Report `parse_notices` accepts."""
    return [[int(n.report), n.lineage, n.at] for n in notices]


def _notice(value: Any) -> Notice:
    report, lineage, at = array(value, 3, 3, "event.notices")
    return Notice(
        member(Report, report, "event.notice.report"),
        uint(lineage, "event.notice.lineage", low=1),
        uint(at, "event.notice.at", MAX_TIME),
    )
