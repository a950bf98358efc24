"""What is on a host against what the newest inventory says is there (schemas/inventory.md, "Scan").

Devices are told by uid or serial, whichever the roster has. A device that should be off and is not there is as
declared; whatever else differs has a code, and a device that could not be read is neither there nor absent.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from attest.collect.collector import Refusal
from attest.collect.dcgm import Scrape
from attest.collect.stamps import format_time
from attest.compute.accelerators import same_model
from attest.inventory.acts import MAX_NAMES
from attest.inventory.site import Device, Place, Site


class Seen(NamedTuple):
    """A device that a collector found; empty is what it does not say."""

    uid: str
    serial: str
    model: str

    @property
    def names(self) -> tuple[str, ...]:
        """What it can be known by."""
        return tuple(filter(None, (self.uid, self.serial)))


class Item(NamedTuple):
    """What came of one device: nothing, where `code` is None, but what `text` says."""

    device: str
    serial: str
    model: str
    code: str | None
    text: str


def seen(scrapes: Iterable[Scrape]) -> list[Seen]:
    """The devices of scrapes, each as it was scraped last."""
    return list({scrape.uid: Seen(scrape.uid, scrape.serial, scrape.model) for scrape in scrapes}.values())


def compare(
    site: Site, beside: Sequence[Site], source: str, found: Sequence[Seen], refused: Sequence[Refusal]
) -> list[Item]:
    """An item a device, those that are declared at the source first."""
    by_name: dict[str, Seen] = {}
    twice: list[Item] = []
    for one in found:
        for name in one.names:
            if by_name.setdefault(name, one) is not one:
                twice.append(_item(one, "scan/twice", f"{name} is the name of two devices here"))
    declared = [site.devices[uid] for uid, host in site.hosts.items() if host == source]
    unread = {refusal.who: refusal for refusal in refused}
    told: set[Seen] = set()
    items = []
    for device in declared:
        here = next((by_name[name] for name in device.named.names if name in by_name), None)
        if here is None:
            items.append(_not_seen(site, device, unread))
        else:
            told.add(here)
            items.append(_seen(site, beside, source, here, device))
    items += [_seen(site, beside, source, one, None) for one in found if one not in told]
    names = {name for device in declared for name in device.named.names}
    rest = (refusal for refusal in refused if refusal.who not in names)
    return [*items, *twice, *(Item(r.who, "", "", r.code, r.cause) for r in rest)]


def _item(one: Seen, code: str | None, text: str) -> Item:
    return Item(one.uid, one.serial, one.model, code, text)


def _not_seen(site: Site, device: Device, unread: dict[str, Refusal]) -> Item:
    uid, serial, model = device.named
    refusal = next((unread[name] for name in device.named.names if name in unread), None)
    if refusal is not None:
        return Item(uid, serial or "", model, "scan/unread", f"{refusal.code}: {refusal.cause}")
    if uid in site.off:
        return Item(uid, serial or "", model, None, f"powered off since {format_time(site.off[uid] * 1000)}")
    return Item(uid, serial or "", model, "scan/absent", "declared here, and not there")


def _seen(site: Site, beside: Sequence[Site], source: str, one: Seen, device: Device | None) -> Item:
    return next(_differs(site, beside, source, one, device), _item(one, None, "as declared"))


def _differs(site: Site, beside: Sequence[Site], source: str, one: Seen, device: Device | None) -> Iterator[Item]:
    """What is wrong about a device that is there, the gravest first."""
    here = list(filter(None, map(site.find, one.names)))
    known = device or next(iter(here), None)
    elsewhere = [(other, there) for other in beside for there in filter(None, map(other.find, one.names))]
    for where, there in [*((site, there) for there in here), *elsewhere]:
        if len({*one.names, *there.named.names}) > MAX_NAMES:
            yield _item(one, "scan/identity", f"{where.path.name} knows it as {'='.join(there.named.names)}")
    if len({there.named.uid for there in here}) > 1:
        yield _item(one, "scan/identity", "its names are those of two devices")
    for other, there in elsewhere:
        if there.place is not Place.RETIRED:
            yield _item(one, "scan/elsewhere", f"{there.where} in {other.path.name}")
    if known is None:
        yield _item(one, "scan/undeclared", "it never arrived")
        return
    if known.place is Place.DECLARED and known.host != source:
        yield _item(one, "scan/elsewhere", known.where)
    if known.place is not Place.DECLARED:
        yield _item(one, "scan/undeclared", known.where)
    if known.named.uid in site.strays:
        yield _item(one, "inventory/not-arrived", "declared, and never arrived")
    if one.model and not same_model(one.model, known.named.model):
        yield _item(one, "scan/model", f"declared as a {known.named.model}")
    if known.named.uid in site.off:
        yield _item(one, "scan/on", f"to be off since {format_time(site.off[known.named.uid] * 1000)}")
