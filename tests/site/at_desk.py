"""A site whose log is kept in this process, for what takes too many lives for a server."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from attest.errors import LogError
from attest.format.upload import Item
from attest.inventory.ledger import Range
from attest.record.site import (
    About,
    Answer,
    State,
    format_about,
    format_answer,
    format_off,
    format_state,
    parse_about,
    parse_answer,
    parse_off,
    parse_state,
    source_id,
)
from attest.site.config import SOURCE
from attest.site.desk import Desk
from tests.record.rig import PlayedClock
from tests.site.faults import away
from tests.site.rig import Lab, signer

_T = TypeVar("_T")


@dataclass
class AtDesk:
    """Implements attest.record.site.Site for one source. `away` while it cannot be reached."""

    desk: Desk
    source: str
    clock: PlayedClock
    away: bool = False

    @classmethod
    def of(cls, lab: Lab, source: str, clock: PlayedClock) -> "AtDesk":
        return cls(Desk(lab.log, [signer("log")], SOURCE, lambda: clock.true_ms / 1000), source, clock)

    def about(self) -> About:
        return parse_about(format_about(self._reached().about()))

    def genesis(self) -> bytes:
        return self._reached().genesis()

    def roster(self, digest: bytes) -> bytes:
        return _there(self._reached().roster(digest))

    def growth(self, old: int) -> bytes | None:
        return self._reached().growth(old)

    def state(self) -> State:
        return parse_state(format_state(self._reached().state(self.source)))

    def planned_off(self) -> dict[str, list[Range]]:
        return parse_off(format_off(self._reached().planned_off(self.source)))

    def entry(self, seq: int) -> bytes:
        return _there(self._reached().entry(self.source, seq))

    def receipt(self, seq: int) -> bytes | None:
        return self._reached().receipt(self.source, seq)

    def hand_on(self, items: Sequence[Item]) -> Answer:
        now = self.clock.true_ms / 1000
        return parse_answer(format_answer(self._reached().admit(source_id(self.source), items, now)))

    def _reached(self) -> Desk:
        if self.away:
            away()
        return self.desk


def _there(found: _T | None) -> _T:
    if found is None:
        raise LogError("upload/unknown", "not there")
    return found
