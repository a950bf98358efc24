"""The acts that change what a lab has: each is checked before anything is written, and gives a `Change`.

Identity comes first: no serial is that of two devices, and no UUID has two serials, here or in any log that is given
beside this one. Then the life of a device: what is moved, switched off or retired is where the act says that it is,
what comes has not come before, and what was retired comes back only for a reason, which the ledger keeps.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from attest.collect.stamps import format_time
from attest.compute.accelerators import same_model
from attest.errors import LogError
from attest.format.fields import HIDDEN, MAX_TEXT
from attest.format.roster import Roster
from attest.inventory.ledger import Act, Line, Named
from attest.inventory.rosters import placed, without
from attest.inventory.site import Device, Place, Site

MAX_NAMES: Final = 2  # of one device: its UUID and its serial


class Change(NamedTuple):
    """What an act comes to: its line, which names no roster yet, and the roster to be declared, None for none."""

    line: Line
    roster: Roster | None


class Terms(NamedTuple):
    """What all acts have: the log's next entry, the time (Unix s), the reason, the logs that lie beside."""

    entry: int
    at: int
    again: str | None = None
    beside: Sequence[Site] = ()


def parse_device(text: str, model: str) -> Named:
    """UID, or UID=SERIAL. Raises LogError `inventory/name`.

    >>> parse_device("GPU-5b4e=1652923034567", "NVIDIA L4")
    Named(uid='GPU-5b4e', serial='1652923034567', model='NVIDIA L4')
    """
    uid, equals, serial = text.partition("=")
    for name in (uid, model, *([serial] if equals else [])):
        require_name(name)
    return Named(uid, serial if equals and serial != uid else None, model)


def require_name(name: str) -> None:
    """Raises LogError `inventory/name` unless a roster can have this name."""
    if not 0 < len(name) <= MAX_TEXT or HIDDEN.search(name):
        raise LogError("inventory/name", f"{name[:80]!a} is no name: 1 to {MAX_TEXT} printable characters")


def add(site: Site, terms: Terms, devices: Sequence[Named], host: str | None, feed: str | None) -> Change:
    """Devices arrive, at a host or in stock. Raises LogError."""
    site.require_sound()
    _require_distinct(devices)
    for device in devices:
        known = _identified(site, device)
        if known is not None and known.place is not Place.RETIRED:
            hint = "attest inventory move"
            raise LogError("inventory/already", f"{device.uid} has arrived and is {known.where}", hint=hint)
        _require_may_come(device, known, terms)
    line = Line(Act.ADD, terms.at, tuple(devices), terms.entry, host=host, again=terms.again)
    return Change(line, None if host is None else placed(_roster(site), devices, host, feed))


def move(
    site: Site, terms: Terms, names: Sequence[str], source: str | None, host: str | None, feed: str | None
) -> Change:
    """Devices go from a host, or from stock, to a host or to stock. Raises LogError."""
    site.require_sound()
    devices = [_from(site, name, source) for name in names]
    named = _acted_on(devices, terms.at)
    roster = (
        without(_roster(site), {device.uid for device in named}) if source is not None or host is not None else None
    )
    if roster is not None and host is not None:
        roster = placed(roster, named, host, feed)
    return Change(Line(Act.MOVE, terms.at, named, terms.entry, host=host), roster)


def retire(site: Site, terms: Terms, names: Sequence[str]) -> Change:
    """Devices leave for good, from wherever they are. Raises LogError."""
    site.require_sound()
    devices = [site.get(name) for name in names]
    for device in devices:
        _require_here(device)
    named = _acted_on(devices, terms.at)
    declared = {device.named.uid for device in devices if device.place is Place.DECLARED}
    line = Line(Act.RETIRE, terms.at, named, terms.entry, again=None)
    return Change(line, without(_roster(site), declared) if declared else None)


def switch(site: Site, terms: Terms, names: Sequence[str], *, on: bool) -> Change:
    """Declared devices are to be off, or not any more. Raises LogError."""
    site.require_sound()
    devices = [site.get(name) for name in names]
    for device in devices:
        uid = device.named.uid
        if device.place is not Place.DECLARED:
            raise LogError("inventory/not-there", f"{uid} is {device.where}: only what is declared is on or off")
        if (uid in site.off) is not on:
            since = f" since {format_time(site.off[uid] * 1000)}" if uid in site.off else ""
            raise LogError("inventory/power", f"{uid} is {'not' if on else 'already'} powered off{since}")
    act = Act.POWER_ON if on else Act.POWER_OFF
    return Change(Line(act, terms.at, _acted_on(devices, terms.at), terms.entry), None)


def declare(site: Site, terms: Terms, roster: Roster, serials: Mapping[str, str]) -> Change:
    """A whole roster: what stands in it has arrived before, or this is the first. Raises LogError."""
    if terms.again is None:
        site.require_sound()
    for serial in serials.values():
        require_name(serial)
    first = site.roster is None and not site.devices
    devices = [Named(d.uid, serials.get(d.uid), d.model) for host in roster.hosts for d in host.devices]
    _require_distinct(devices)
    told = []
    for device in devices:
        known = _identified(site, device)
        if known is None and not first and terms.again is None:
            detail = f"{device.uid} never arrived at {site.path.name}"
            raise LogError("inventory/not-arrived", detail, hint="attest inventory add, with or without a host")
        if known is None or known.place is Place.RETIRED or device.uid in site.strays:
            _require_may_come(device, known, terms)
        elif not same_model(known.named.model, device.model) and terms.again is None:
            detail = f"{device.uid} is a {known.named.model}, and would be a {device.model}"
            raise LogError("inventory/model", detail, hint="say why with --again")
        if known is None or known.place is not Place.DECLARED or device.uid in site.strays or _tells(device, known):
            told.append(device)
    _require_none_vanishes(site, {device.uid for device in devices})
    return Change(Line(Act.DECLARE, terms.at, tuple(told), terms.entry, again=terms.again), roster)


def _roster(site: Site) -> Roster:
    if site.roster is None:
        detail = f"{site.path} has no inventory yet: it has to say which feeds there are"
        raise LogError("inventory/none", detail, hint="attest inventory declare")
    return site.roster


def _require_distinct(devices: Iterable[Named]) -> None:
    seen: dict[str, str] = {}
    for device in devices:
        for name in device.names:
            if name in seen:
                _refuse_identity(f"{name} stands twice, for {seen[name]} and for {device.uid}")
            seen[name] = device.uid


def _identified(site: Site, device: Named) -> Device | None:
    """The device as the site knows it. Raises LogError `inventory/identity`."""
    found = None
    for name in device.names:
        known = site.find(name)
        if known is not None:
            _require_same(device, known, site)
            if known.named.uid != device.uid:
                _refuse_identity(f"{device.uid} is known as {known.named.uid}")
            found = known
    return found


def _require_same(device: Named, known: Device, site: Site) -> None:
    if len({*device.names, *known.named.names}) > MAX_NAMES:
        here, there = ("=".join(one.names) for one in (device, known.named))
        _refuse_identity(f"{here} would be one device with {there} of {site.path.name}")


def _tells(device: Named, known: Device) -> bool:
    """Whether there is something new in what is said of a device."""
    return device._replace(serial=device.serial or known.named.serial) != known.named


def _refuse_identity(detail: str) -> None:
    raise LogError("inventory/identity", detail, hint="read both names off the device: attest inventory scan")


def _require_may_come(device: Named, known: Device | None, terms: Terms) -> None:
    """Of what comes to this site: it is nowhere else, and was retired nowhere, but for a reason."""
    if known is not None:
        _require_returns(device, known, "here", terms)
    for site in terms.beside:
        for there in filter(None, map(site.find, device.names)):
            _require_same(device, there, site)
            if there.place is not Place.RETIRED or terms.at < there.since:
                until = f" until {format_time(there.since * 1000)}" if there.place is Place.RETIRED else ""
                detail = f"{device.uid} is {there.where if not until else 'declared'} in {site.path.name}{until}"
                raise LogError("inventory/elsewhere", detail, hint="retire it there first")
            _require_returns(device, there, f"in {site.path.name}", terms)


def _require_returns(device: Named, known: Device, where: str, terms: Terms) -> None:
    if terms.again is None:
        detail = f"{device.uid} was retired {where} at {format_time(known.since * 1000)}"
        raise LogError("inventory/retired", detail, hint="say why it comes back with --again")
    _require_later([known], terms.at)


def _require_here(device: Device) -> None:
    if device.place is Place.RETIRED:
        detail = f"{device.named.uid} was retired at {format_time(device.since * 1000)}"
        raise LogError("inventory/retired", detail, hint="attest inventory add --again, if it is back")


def _from(site: Site, name: str, source: str | None) -> Device:
    device = site.get(name)
    _require_here(device)
    if device.host != source:
        detail = f"{name} is {device.where}, not {'in stock' if source is None else f'declared at {source}'}"
        raise LogError("inventory/not-there", detail, hint="attest inventory scan, at either host")
    return device


def _acted_on(devices: Sequence[Device], at: int) -> tuple[Named, ...]:
    named = tuple(device.named for device in devices)
    _require_distinct(named)
    _require_later(devices, at)
    return named


def _require_later(devices: Iterable[Device], at: int) -> None:
    for device in devices:
        if at < device.since:
            detail = f"the last act about {device.named.uid} is of {format_time(device.since * 1000)}"
            raise LogError("inventory/past", detail, hint="acts about a device follow on each other")


def _require_none_vanishes(site: Site, uids: set[str]) -> None:
    gone = sorted(site.hosts.keys() - uids - site.strays)
    if gone:
        detail = f"{len(gone):,} accelerators would vanish from the inventory, {gone[0]} of {site.hosts[gone[0]]}"
        raise LogError("inventory/vanished", detail, hint="attest inventory retire, or move into stock")
