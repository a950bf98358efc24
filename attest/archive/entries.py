"""The custody log as the index has it: for people, for programs."""

import json
from typing import Any

from sqlalchemy import Connection, select

from attest.archive.tables import ENTRIES
from attest.report.style import utc


def entries_of(connection: Connection, delivery: str | None) -> list[dict[str, Any]]:
    """The entries about a delivery, or all, in order."""
    about = select(ENTRIES).order_by(ENTRIES.c.n)
    if delivery is not None:
        about = about.where(ENTRIES.c.delivery == delivery)
    return [
        {
            "entry": row.n,
            "time": utc(row.time),
            "action": row.action,
            "actor": row.actor,
            "leaf": row.leaf,
            "details": json.loads(row.details),
        }
        for row in connection.execute(about)
    ]


def described(entry: dict[str, Any]) -> str:
    """One line."""
    said = {key: value for key, value in entry["details"].items() if key != "delivery"}
    details = ", ".join(f"{key} {value}" for key, value in said.items())
    about = f"{entry['details']['delivery'][:12]}  " if "delivery" in entry["details"] else ""
    return f"{entry['entry']:>6}  {entry['time']}  {entry['actor']}  {entry['action']}  {about}{details}".rstrip()
