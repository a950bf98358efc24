"""Custody in the words of archivists: PREMIS 3.0 objects, events and agents (loc.gov/standards/premis/v3).

An event's identifier is its place in the custody log, which is what proves it; the XML proves nothing.
"""

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, Row, select

from attest.archive.place import Archive
from attest.archive.tables import DELIVERIES

NAMESPACE: Final = "http://www.loc.gov/premis/v3"
# id.loc.gov/vocabulary/preservation/eventType, where it has a word for it.
_EVENTS: Final = {
    "put": "ingestion",
    "import": "ingestion",
    "verdict": "validation",
    "fixity": "fixity check",
    "access": "dissemination",
    "expire": "deletion",
    "fork": "appraisal",
    "standing": "appraisal",
    "hold": "policy assignment",
    "release": "policy assignment",
    "retain": "policy assignment",
    "renew": "redundancy check",
    "stamp": "message digest calculation",
}


def premis(archive: Archive, connection: Connection, row: Row[Any] | None, entries: Sequence[dict[str, Any]]) -> bytes:
    """A PREMIS document about one delivery, or about all."""
    ET.register_namespace("premis", NAMESPACE)
    root = ET.Element(_tag("premis"), {"version": "3.0"})
    rows = [row] if row is not None else connection.execute(select(DELIVERIES).order_by(DELIVERIES.c.put_n)).all()
    for each in rows:
        _object(root, each)
    for entry in entries:
        _event(root, archive.named.origin, entry)
    for actor in sorted({entry["actor"] for entry in entries if entry["actor"]}):
        agent = _add(root, "agent")
        _identifier(agent, "agent", "actor", actor)
        _add(agent, "agentName", actor)
    ET.indent(root)
    return bytes(ET.tostring(root, "utf-8", xml_declaration=True)) + b"\n"


def _object(root: ET.Element, row: Row[Any]) -> None:
    made = _add(root, "object")
    made.set("{http://www.w3.org/2001/XMLSchema-instance}type", "premis:representation")
    _identifier(made, "object", "SHA-256 of the manifest", row.id)
    _identifier(made, "object", "SHA-512 of the manifest", row.sha512)


def _event(root: ET.Element, origin: str, entry: dict[str, Any]) -> None:
    made = _add(root, "event")
    _identifier(made, "event", "custody log", f"{origin}#{entry['entry']}")
    _add(made, "eventType", _EVENTS.get(entry["action"], entry["action"]))
    _add(made, "eventDateTime", entry["time"])
    detail = _add(made, "eventDetailInformation")
    said = "; ".join(f"{key}: {value}" for key, value in entry["details"].items())
    _add(detail, "eventDetail", f"{entry['action']}; {said}" if said else entry["action"])
    if "outcome" in entry["details"]:
        _add(_add(made, "eventOutcomeInformation"), "eventOutcome", str(entry["details"]["outcome"]))
    if entry["actor"]:
        _linking(made, "Agent", "actor", entry["actor"])
    if "delivery" in entry["details"]:
        _linking(made, "Object", "SHA-256 of the manifest", str(entry["details"]["delivery"]))


def _identifier(parent: ET.Element, what: str, kind: str, value: str) -> None:
    made = _add(parent, f"{what}Identifier")
    _add(made, f"{what}IdentifierType", kind)
    _add(made, f"{what}IdentifierValue", value)


def _linking(parent: ET.Element, what: str, kind: str, value: str) -> None:
    made = _add(parent, f"linking{what}Identifier")
    _add(made, f"linking{what}IdentifierType", kind)
    _add(made, f"linking{what}IdentifierValue", value)


def _add(parent: ET.Element, name: str, text: str | None = None) -> ET.Element:
    made = ET.SubElement(parent, _tag(name))
    made.text = text
    return made


def _tag(name: str) -> str:
    return f"{{{NAMESPACE}}}{name}"
