"""What a lab knows of its accelerators: the ledger, with the roster that the log has in force or will have next.

The log decides where a device is, the ledger what else became of it. A device that stands in the newest roster and
never arrived by the ledger is a *stray*: somebody declared it past the ledger. Where a log has inventories and no
ledger yet, what they declared has arrived, and what they declared no more is retired.

    arrives: declare, add          move                        retire
    ------------------> in stock <------> declared at a host  -------> retired --> comes back only for a reason
                                          (powered off or not)
"""

from collections.abc import Iterable
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, Self

from attest.errors import LogError
from attest.format.roster import Roster
from attest.inventory.declared import Inventory, inventories, roster_of
from attest.inventory.ledger import FOREVER, Act, Ledger, Line, Named, Range, counted, off_ranges
from attest.store.writer import LogWriter


class Place(StrEnum):
    """Where a device is in its life."""

    STOCK = "in stock"
    DECLARED = "declared"
    RETIRED = "retired"


class Device(NamedTuple):
    """A device that arrived; `host` is where it is declared, `since` (Unix s) the time of the last act about it."""

    named: Named
    place: Place
    host: str | None
    since: int

    @property
    def where(self) -> str:
        """In words."""
        return f"declared at {self.host}" if self.place is Place.DECLARED else str(self.place)


class Site:
    """One log's accelerators.

    path: of the log. devices: by uid. roster: the newest, None before the first. begins: from when on it is in force.
    strays: uids that stand in it and never arrived.
    """

    def __init__(self, path: Path, found: list[Inventory], roster: Roster | None, ledger: Ledger, begun: Line) -> None:
        self.path, self.inventories, self.roster, self.ledger = path, found, roster, ledger
        self.begins = found[-1].start if found else 0
        self.devices: dict[str, Device] = {}
        self._names: dict[str, str] = {}
        self._begun = begun
        self._lines = _carried_out(ledger, found)
        for line in self._lines if ledger.lines else [begun]:
            self._apply(line)
        self.strays = frozenset(self.hosts.keys() - {d.named.uid for d in self._placed(Place.DECLARED)})
        self._follow()

    @classmethod
    def of(cls, log: LogWriter) -> Self:
        """Of an open log. Raises LogError."""
        found = inventories(log)
        roster = roster_of(log, found[-1]) if found else None
        ledger = Ledger(log.path)
        entry = log.size + log.pending
        begun = Line(Act.BEGIN, 0, (), entry) if ledger.lines or roster is None else _begun(log, found, roster, entry)
        return cls(log.path, found, roster, ledger, begun)

    @cached_property
    def hosts(self) -> dict[str, str]:
        """By uid the host that the newest roster has it at."""
        hosts = self.roster.hosts if self.roster else ()
        return {device.uid: host.sub for host in hosts for device in host.devices}

    @cached_property
    def off(self) -> dict[str, int]:
        """By uid since when a device is to be off that is."""
        ranges = off_ranges(self._lines)
        return {uid: held[-1][0] for uid, held in ranges.items() if held[-1][1] == FOREVER}

    def find(self, name: str) -> Device | None:
        """The device of this uid or other name."""
        uid = self._names.get(name)
        return None if uid is None else self.devices[uid]

    def get(self, name: str) -> Device:
        """The same. Raises LogError `inventory/not-arrived`."""
        found = self.find(name)
        if found is None:
            detail = f"{name} never arrived at {self.path.name}"
            raise LogError("inventory/not-arrived", detail, hint="attest inventory add")
        return found

    def require_sound(self) -> None:
        """Raises LogError `inventory/not-arrived` where there are strays."""
        if self.strays:
            first = min(self.strays)
            detail = f"{len(self.strays):,} accelerators are declared and never arrived, {first} at {self.hosts[first]}"
            hint = "say why with `attest inventory declare --again`, which takes them in or leaves them out"
            raise LogError("inventory/not-arrived", detail, hint=hint)

    def keep(self, line: Line) -> None:
        """The line to the ledger, after what the log had declared before there was one."""
        if not self.ledger.lines and (self._begun.devices or self._begun.gone):
            self.ledger.append(self._begun)
        self.ledger.append(line)

    def _placed(self, place: Place) -> list[Device]:
        return [device for device in self.devices.values() if device.place is place]

    def _apply(self, line: Line) -> None:
        places = {Act.ADD: Place.STOCK, Act.MOVE: Place.STOCK, Act.RETIRE: Place.RETIRED}
        for device in line.devices:
            before = self.devices.get(device.uid)
            place = Place.DECLARED if line.host else places.get(line.act, Place.DECLARED)
            if before is not None and line.act in (Act.POWER_OFF, Act.POWER_ON):
                place = before.place
            serial = device.serial or (before.named.serial if before else None)
            self._set(Device(device._replace(serial=serial), place, None, line.at))
        for device in line.gone:
            self._set(Device(device, Place.RETIRED, None, line.at))

    def _set(self, device: Device) -> None:
        self.devices[device.named.uid] = device
        for name in device.named.names:
            self._names[name] = device.named.uid

    def _follow(self) -> None:
        """The log decides: what its newest roster has is there, with this model, and what it has not is not."""
        for host in self.roster.hosts if self.roster else ():
            for declared in host.devices:
                before = self.devices.get(declared.uid)
                named = Named(declared.uid, before.named.serial if before else None, declared.model)
                self._set(Device(named, Place.DECLARED, host.sub, before.since if before else self.begins))
        for device in self._placed(Place.DECLARED):
            if device.named.uid not in self.hosts:
                self._set(device._replace(place=Place.RETIRED, since=max(device.since, self.begins)))


def planned_off(log: LogWriter) -> dict[str, list[Range]]:
    """By uid when devices of the log are to be off, [start, end) in Unix s."""
    return off_ranges(_carried_out(Ledger(log.path), inventories(log)))


def _carried_out(ledger: Ledger, found: list[Inventory]) -> list[Line]:
    return counted(ledger.lines, {inventory.entry: inventory.digest.hex() for inventory in found})


def _begun(log: LogWriter, found: list[Inventory], roster: Roster, entry: int) -> Line:
    """What the log's inventories say of its devices before there is a ledger."""
    now = {device.uid: device for device in _named(roster)}
    gone: dict[str, Named] = {}
    for inventory in {before.digest: before for before in found[:-1]}.values():
        gone |= {device.uid: device for device in _named(roster_of(log, inventory)) if device.uid not in now}
    return Line(Act.BEGIN, found[-1].start, tuple(now.values()), entry, gone=tuple(gone.values()))


def _named(roster: Roster) -> Iterable[Named]:
    return (Named(device.uid, None, device.model) for host in roster.hosts for device in host.devices)
