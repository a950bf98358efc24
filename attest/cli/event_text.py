"""The text of an event, as people write it before they sign it (schemas/events.md).

>>> event = parse_event_text('''
... kind = "exemption"
... party = "https://acme.example"    # left out: every party, of a trigger or a lift
... phase = "pause"                   # left out in a withdrawal
... number = 4
... from = 2026-11-16T00:00:00Z
... until = 2026-11-23T00:00:00Z
... budget = "2e22 FLOP"              # of an exemption
... [[place]]                         # of an exemption or an outage
... site = "acme-dc1"
... feed = "row 4"                    # left out: the whole site
... ''', b"a" * 32)
>>> event.deed.name, event.allowance.budget
('EXEMPTION', 20000000000)
"""

from attest.agreement.units import FLOP
from attest.errors import EvidenceError
from attest.format.event import (
    MAX_NUMBER,
    MAX_PLACES,
    TFLOP,
    Allowance,
    Deed,
    EventAct,
    Place,
    format_event,
    parse_event,
)
from attest.format.toml_table import Table, parse_toml


def parse_event_text(text: str | bytes, agreement: bytes) -> EventAct:
    """The event that a TOML text says, of the agreement with this digest. Raises AgreementError with line and key."""
    root = parse_toml(text).only("kind", "party", "phase", "number", "from", "until", "budget", "place")
    kind = root.text("kind")
    deeds = {deed.name.lower(): deed for deed in Deed}
    if kind not in deeds:
        raise root.error("event/keys", f"no kind of event is called {kind[:40]}", "kind", hint=", ".join(deeds))
    event = EventAct(
        deeds[kind],
        agreement,
        root.text("party") if "party" in root else None,
        root.text("phase") if "phase" in root else None,
        root.integer("number", 1, MAX_NUMBER),
        root.time("from"),
        root.time("until"),
        _allowance(root) if "place" in root or "budget" in root else None,
    )
    try:
        return parse_event(format_event(event))
    except EvidenceError as error:
        raise root.error(error.code, error.detail) from error


def _allowance(root: Table) -> Allowance:
    places = set()
    for table in root.tables("place", MAX_PLACES):
        table.only("site", "feed")
        places.add(Place(table.text("site"), table.text("feed") if "feed" in table else None))
    budget = None
    if "budget" in root:
        budget, rest = divmod(root.parsed("budget", FLOP.parse), TFLOP)
        if rest:
            raise root.error("quantity/precision", "a budget is whole TFLOP", "budget")
    return Allowance(tuple(sorted(places, key=lambda place: (place.site, place.feed or ""))), budget)
