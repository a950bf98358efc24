"""The recorder's log where that is a site's, on another machine: signed here once, handed on as often as it takes.

    1  meet       the site says which log it is, where the source's chain stands and which inventories are in force
    2  hand on    what is signed and the site does not have
    3  close      windows whose rosters are known: up to the time of which the site has spoken
    4  hand on    the same again, for what was just signed
    5  receive    a receipt of each statement, under a checkpoint; then the outbox lets go of it

Nothing is signed before the site was met: an inventory that was declared in between would make the statement wrong. So
an agent that is away keeps its samples, and states them when it is back (schemas/site.md).
"""

import logging
from collections.abc import Sequence
from pathlib import Path

from attest.errors import AttestError
from attest.record.closing import Closed, State, Window, close_windows
from attest.record.meeting import Meeting
from attest.record.meters import Meter, close_meter
from attest.record.spool import Frame, Spool
from attest.store.outbox import Outbox

_log = logging.getLogger("attest.record")


class SiteLog:
    """Implements attest.record.recorder.Closer. In the file `causes` is why intervals are missing. With `meter` it is a
    meter's, else a host's."""

    def __init__(
        self, meeting: Meeting, spool: Spool, window: Window, causes: Path, meter: Meter | None = None
    ) -> None:
        self._meeting, self._spool, self._window, self._causes = meeting, spool, window, causes
        self._meter = meter

    def close(self, now_ms: int, waiting: Sequence[Frame]) -> Closed:
        """Sign what is due, and hand it on. Raises AttestError."""
        with Outbox(self._meeting.kept.box) as box:
            about, state, outgoing = self._meeting.go_on(box)
            first = next(self._spool.frames(), None)
            outgoing.since = first["time_ms"] // 1000 if first else None
            known = min(now_ms, about.time * 1000)
            beside = State(box, self._causes)
            if self._meter is None:
                closed = close_windows(outgoing, self._spool, waiting, self._window, known, beside)
            else:
                closed = close_meter(outgoing, self._spool, waiting, self._window, self._meter, known, beside)
            left = self._try_to_hand_on(box, state.seq)
        more = closed.more or self._window.due(now_ms) > self._window.due(known)
        return closed._replace(more=more, waiting=left)

    def seal(self) -> int:
        """Ask for receipts; the size of the newest checkpoint. Raises AttestError."""
        with Outbox(self._meeting.kept.box) as box:
            self._meeting.receive(box)
        seen = self._meeting.seen
        return seen.size if seen else 0

    def _try_to_hand_on(self, box: Outbox, seq: int) -> int:
        """How many statements are left: they were signed, whatever comes of it now."""
        try:
            return self._meeting.hand_on(box, seq)
        except AttestError as error:
            _log.error("not handed on", extra={"fields": {"code": error.code, "detail": error.detail}})
            return sum(1 for signed in box.waiting() if signed.seq >= seq)
