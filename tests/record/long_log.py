"""A log made long with other hosts' statements, whose signatures nobody looks at."""

from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path
from typing import Final

from attest.compute.columns import format_spans
from attest.format.bodies import UsageBody
from attest.format.cose import Header, Sign1, format_header, format_sign1
from attest.format.runs import NO_RUN
from attest.format.statement import Statement, format_payload
from attest.format.vocabulary import Kind, State
from attest.sign.notes import sign_note
from attest.store.writer import LogWriter
from tests.collect.test_import import ISS, ORIGIN, START, signer

OTHERS: Final = 500  # hosts, which take turns
FRAME: Final = 20_000  # statements that are appended at once


def sign(text: str) -> bytes:
    return sign_note(text, ORIGIN, [signer("log")])


def fill(path: Path, size: int, others: Iterator[bytes]) -> None:
    """Sealed, with so many entries in all."""
    with LogWriter.open(path) as log:
        while (held := log.size + log.pending) < size:
            log.extend((entry, None) for entry in islice(others, min(FRAME, size - held)))
            log.seal(sign)


def statements() -> Iterator[bytes]:
    """Hour after hour of each host, in which nothing was sampled."""
    spans = format_spans((device * 60, int(State.MISSING), NO_RUN) for device in range(2))
    body = UsageBody(60, bytes(32), 2, None, (), (), spans, ())
    for number in count():
        seq, host = divmod(number, OTHERS)
        start = START + seq * 3600
        made = Statement(Kind.USAGE, bytes(32), seq, bytes(32), start, start + 3600, None, body)
        header = format_header(Header(-19, bytes(32), ISS, f"{ISS}/other/n{host}"))
        yield format_sign1(Sign1(header, b"\xa0", format_payload(made), bytes(64)))
