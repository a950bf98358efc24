"""What an importer hands on to be signed: drafts of statements, in order, without gaps between them.

A draft has the window [start, end) in Unix seconds, the body and the block that the body commits to. The first draft
begins where the source's last statement ended, or with the first reading of a source that has said nothing yet. Blocks
are bound to the chain, so drafts know the log, the source and its next seq; `salt` gives 32 random bytes for each.

    >>> chain = Chain(b"g" * 32, "https://acme.example/dc1/m1", 0, None)
    >>> chain.binding(2).seq
    2
    >>> list(windows(86_399, 172_801, 86_400))
    [(86399, 86400), (86400, 172800), (172800, 172801)]
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import Final, NamedTuple

from attest.collect.stamps import format_time
from attest.errors import LogError
from attest.format.block import Binding
from attest.format.bodies import MeterBody, UsageBody

DAY: Final = 86_400  # s
MAX_ROOM: Final = 60_000  # bytes of a statement that its lists may take
MAX_VALUES: Final = 1 << 22  # readings or device-intervals of one draft: blocks of some 80 MB at most

Salt = Callable[[], bytes]


class Chain(NamedTuple):
    """Where a source's chain goes on: its log, its URI, the next seq, and `until` of its last statement, if any."""

    log: bytes
    sub: str
    seq: int
    until: int | None

    def binding(self, number: int) -> Binding:
        """What the block of draft `number` is bound to."""
        return Binding(self.log, self.sub, self.seq + number)

    def require_new(self, last: int) -> None:
        """Raise LogError `import/nothing-new` unless something of after `until` is there; `last` in Unix s."""
        if self.until is not None and last <= self.until:
            raise LogError(
                "import/nothing-new",
                f"{self.sub} has already spoken for all time until {format_time(self.until * 1000)},"
                f" and the last reading is of {format_time(last * 1000)}",
                hint="nothing was written; all nodes of one source are imported together",
            )


class Draft(NamedTuple):
    """A statement to be signed."""

    start: int
    end: int
    body: MeterBody | UsageBody
    block: bytes | None


def windows(start: int, end: int, length: int, edges: Iterable[int] = ()) -> Iterator[tuple[int, int]]:
    """[start, end) cut at the multiples of `length` and at `edges`."""
    cuts = {start, end, *range(start - start % length + length, end, length)}
    cuts |= {edge for edge in edges if start < edge < end}
    yield from pairwise(sorted(cuts))
