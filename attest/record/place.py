"""Where a source's chain stands in its log, and so where its next statement goes."""

from typing import NamedTuple

from attest.control import Source
from attest.format.statement import parse_statement
from attest.log.merkle import leaf_hash
from attest.store.writer import LogWriter


class Place(NamedTuple):
    """What the next statement of a chain must carry; `until` of the last one, None before the first."""

    seq: int
    prev: bytes
    until: int | None


def place(log: LogWriter, source: Source) -> Place:
    """Where the source's next statement goes."""
    last = log.last(source.sub)
    if last is None:
        return Place(0, source.enrolment, None)
    entry = log.entry(last)
    statement = parse_statement(entry).statement
    return Place(statement.seq + 1, leaf_hash(entry), statement.end)
