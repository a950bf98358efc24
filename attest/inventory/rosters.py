"""The roster that follows on another: accelerators put to a host, or taken from wherever they are.

>>> one = Roster((Feed("dc1", None, None),), (Host("n1", (Device("GPU-1", "NVIDIA L4", 0),)),))
>>> two = placed(without(one, {"GPU-1"}), [Named("GPU-1", None, "NVIDIA L4")], "n2", "dc1")
>>> [(host.sub, [device.uid for device in host.devices]) for host in two.hosts]
[('n2', ['GPU-1'])]
"""

from collections.abc import Collection, Sequence
from dataclasses import replace

from attest.errors import LogError
from attest.format.roster import Device, Feed, Host, Roster
from attest.inventory.ledger import Named


def without(roster: Roster, uids: Collection[str]) -> Roster:
    """The roster less these devices; a host that has none left is in it no more."""
    kept = [Host(host.sub, tuple(d for d in host.devices if d.uid not in uids)) for host in roster.hosts]
    return replace(roster, hosts=tuple(host for host in kept if host.devices))


def placed(roster: Roster, devices: Sequence[Named], host: str, feed: str | None) -> Roster:
    """The roster with these devices at the end of a host's; without a feed on the one that its others hang on.

    Raises LogError `roster/unknown-feed`.
    """
    before = next((known for known in roster.hosts if known.sub == host), Host(host, ()))
    place = _feed(roster.feeds, before, feed)
    after = Host(host, (*before.devices, *(Device(d.uid, d.model, place) for d in devices)))
    if not before.devices:
        return replace(roster, hosts=(*roster.hosts, after))
    return replace(roster, hosts=tuple(after if known is before else known for known in roster.hosts))


def _feed(feeds: Sequence[Feed], host: Host, name: str | None) -> int:
    hint = "name one with --feed; `attest inventory declare` declares new ones"
    if name is None:
        of_others = {device.feed for device in host.devices}
        if len(of_others) != 1:
            detail = f"the accelerators of {host.sub} hang on {len(of_others)} feeds: which one is not said"
            raise LogError("roster/unknown-feed", detail, hint=hint)
        return of_others.pop()
    found = [place for place, feed in enumerate(feeds) if feed.name == name]
    if not found:
        raise LogError("roster/unknown-feed", f"the inventory has no feed {name}", hint=hint)
    return found[0]
