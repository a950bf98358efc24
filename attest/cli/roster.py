"""The roster a lab writes by hand: a TOML text of feeds, hosts and their devices (schemas/statement.md, "roster").

    >>> roster, serials = parse_roster_text('''
    ... [[feed]]
    ... name = "dc1"                              # a circuit that comes from outside
    ... meter = "https://meters.example/dc1"      # who meters it; may be absent
    ... [[feed]]
    ... name = "dc1-r1"
    ... parent = "dc1"
    ... [[host]]
    ... source = "https://acme.example/dc1/n1"
    ... feed = "dc1-r1"
    ... model = "NVIDIA H100 SXM5 80GB"
    ... devices = ["GPU-1", "GPU-2"]
    ... ''')
    >>> roster.count(), roster.feeds[1].parent, roster.hosts[0].devices[1].uid
    (2, 0, 'GPU-2')

A host whose devices differ lists them as `[[host.device]]` with uid, model and feed, and the serial where the uid is a
UUID: a roster has no place for it, the ledger has (schemas/inventory.md). The order of the devices is that of the
columns in the host's usage blocks. Raises AgreementError, with line and key, for what does not fit.
"""

from typing import Final, NamedTuple

from attest.errors import EvidenceError
from attest.format.bodies import MAX_DEVICES
from attest.format.roster import (
    MAX_FEEDS,
    MAX_HOSTS,
    MAX_ROSTER,
    Device,
    Feed,
    Host,
    Roster,
    format_roster,
    parse_roster,
)
from attest.format.toml_table import Table, parse_toml

_HOST_KEYS: Final = ("source", "feed", "model", "devices", "device")


class Written(NamedTuple):
    """A roster, and the serials of devices by their uid."""

    roster: Roster
    serials: dict[str, str]


def parse_roster_text(text: str | bytes) -> Written:
    """The roster of a TOML text. Raises AgreementError."""
    root = parse_toml(text, MAX_ROSTER).only("feed", "host")
    places: dict[str, int] = {}
    feeds = []
    for table in root.tables("feed", MAX_FEEDS):
        table.only("name", "parent", "meter")
        parent = _place(table, "parent", places) if "parent" in table else None
        feeds.append(Feed(table.text("name"), parent, table.text("meter") if "meter" in table else None))
        places[feeds[-1].name] = len(feeds) - 1
    serials: dict[str, str] = {}
    hosts = tuple(_host(table, places, serials) for table in root.tables("host", MAX_HOSTS))
    roster = Roster(tuple(feeds), hosts)
    try:
        parse_roster(format_roster(roster))
    except EvidenceError as error:
        raise root.error(error.code, error.detail) from error
    return Written(roster, serials)


def _host(table: Table, places: dict[str, int], serials: dict[str, str]) -> Host:
    table.only(*_HOST_KEYS)
    if "device" in table:
        tables = [t.only("uid", "serial", "model", "feed") for t in table.tables("device", MAX_DEVICES)]
        devices = tuple(Device(d.text("uid"), d.text("model"), _place(d, "feed", places)) for d in tables)
        serials |= {d.text("uid"): d.text("serial") for d in tables if "serial" in d}
    else:
        feed, model = _place(table, "feed", places), table.text("model")
        devices = tuple(Device(uid.value, model, feed) for uid in table.texts("devices", MAX_DEVICES))
    return Host(table.text("source"), devices)


def _place(table: Table, key: str, places: dict[str, int]) -> int:
    name = table.text(key)
    if name not in places:
        hint = "a feed is named before what hangs on it"
        raise table.error("roster/unknown-feed", f"no feed {name} above this line", key, hint=hint)
    return places[name]
