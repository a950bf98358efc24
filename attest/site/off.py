"""What is planned to be off, source by source: the ledger beside an open log, with the inventories of the log."""

from itertools import pairwise

from attest.errors import LogError, MalformedError
from attest.inventory.declared import Inventory, inventories, roster_of
from attest.inventory.ledger import FOREVER, Range
from attest.inventory.site import planned_off
from attest.store.writer import LogWriter


class Off:
    """As it is when it is made."""

    def __init__(self, log: LogWriter) -> None:
        """Raises LogError where the ledger cannot be read."""
        self._log = log
        self._planned = planned_off(log)
        self._inventories = inventories(log) if self._planned else []
        self._placed: dict[bytes, dict[str, tuple[str, ...]]] = {}

    def of(self, sub: str, until: int) -> dict[str, list[Range]]:
        """By device that an inventory gives the source from `until` on (Unix s), when it is to be off from then on."""
        left = {uid: [each for each in ranges if each[1] > until] for uid, ranges in self._planned.items()}
        first = min((ranges[0][0] for ranges in left.values() if ranges), default=FOREVER)
        ends = [after.start for _, after in pairwise(self._inventories)] + [FOREVER]
        mine: dict[str, list[Range]] = {}
        for inventory, end in zip(self._inventories, ends, strict=False):
            if end > max(until, first):
                mine |= {uid: left[uid] for uid in self._of(inventory).get(sub, ()) if left[uid]}
        return mine

    def _of(self, inventory: Inventory) -> dict[str, tuple[str, ...]]:
        """By source its devices for which there is a plan, of any time; none where the roster is not there."""
        if inventory.digest not in self._placed:
            try:
                hosts = roster_of(self._log, inventory).hosts
            except (LogError, MalformedError):
                hosts = ()
            mine = {host.sub: tuple(d.uid for d in host.devices if d.uid in self._planned) for host in hosts}
            self._placed[inventory.digest] = {sub: uids for sub, uids in mine.items() if uids}
        return self._placed[inventory.digest]
