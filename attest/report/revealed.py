"""Where a log names a run whose opening one has: the data behind `attest open --reveal`.

As all of `attest open` it judges nothing: what is found in an altered copy is what its forger wrote.
"""

from typing import Any

import numpy as np

from attest.bundle import Bundle
from attest.compute.columns import SPAN
from attest.errors import EvidenceError, MissingError
from attest.format.bodies import UsageBody
from attest.format.opening import Opening, commitment
from attest.format.statement import Signed, parse_statement
from attest.report.contents import FORMAT, entries, head
from attest.report.style import utc


def reveal_data(bundle: Bundle, opening: Opening) -> dict[str, Any]:
    """The statements that name the run. Raises MissingError `reveal/nowhere` where none does."""
    sought = commitment(opening)
    found = []
    for index, entry in entries(bundle, head(bundle)[0].size):
        if sought in entry:  # most entries are of other runs, and need no parsing
            found += _rows(index, entry, sought)
    if not found:
        detail = f"no statement of {bundle.name} names {opening.run}"
        raise MissingError("reveal/nowhere", detail, hint="is it the opening of a run of this log, and the log whole?")
    return {"format": FORMAT, "what": "run", "run": opening.run, "commitment": sought.hex(), "statements": found}


def reveal_text(data: dict[str, Any]) -> str:
    """The same as text."""
    lines = [
        f"# run {data['run']}, opened and not verified",
        f"commitment  {data['commitment']}",
    ]
    for row in data["statements"]:
        lines += [
            f"entry {row['index']:<6}{row['source']}, {row['from']} to {row['until']}",
            f"            {row['intervals']:,} intervals of {row['interval']} s on {row['devices']} devices,"
            f" {row['label']}, {row['precision']}, lineage {row['lineage']}, owner {row['owner']}",
        ]
    return "\n".join(lines)


def _rows(index: int, entry: bytes, sought: bytes) -> list[dict[str, Any]]:
    try:
        signed = parse_statement(entry)
    except EvidenceError:
        return []
    body = signed.statement.body
    return _named(index, signed, body, sought) if isinstance(body, UsageBody) else []


def _named(index: int, signed: Signed, body: UsageBody, sought: bytes) -> list[dict[str, Any]]:
    statement = signed.statement
    intervals = (statement.end - statement.start) // body.interval
    spans = np.frombuffer(body.spans, SPAN)
    lengths = np.diff(np.append(spans["first"].astype(np.int64), intervals * body.devices))
    rows = []
    for place, run in enumerate(body.runs):
        if run.commitment == sought:
            mine = spans["run"] == place
            rows.append(
                {
                    "index": index,
                    "source": signed.header.sub,
                    "from": utc(statement.start),
                    "until": utc(statement.end),
                    "interval": body.interval,
                    "intervals": int(lengths[mine].sum()),
                    "devices": len(np.unique(spans["first"][mine] // max(intervals, 1))),
                    "label": run.label.name.lower().replace("_", "-"),
                    "precision": run.precision.name.lower(),
                    "lineage": run.lineage,
                    "owner": run.owner,
                }
            )
    return rows
