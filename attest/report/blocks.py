"""What a statement's block holds: a roster as it is, columns and readings as their extremes."""

from typing import Any

from attest.errors import EvidenceError
from attest.format.block import Binding, parse_meter, parse_usage
from attest.format.bodies import InventoryBody, MeterBody, UsageBody
from attest.format.cbor import decode
from attest.format.roster import MAX_DEPTH, MAX_ROSTER
from attest.format.statement import Signed
from attest.format.vocabulary import Column
from attest.report.diagnostic import Name, diagnose, named

_FEED = Name("feed", keys={0: Name("name"), 1: Name("parent"), 2: Name("meter")})
_DEVICE = Name("device", keys={0: Name("uid"), 1: Name("model"), 2: Name("feed")})
_HOST = Name("host", keys={0: Name("source"), 1: Name("devices", each=_DEVICE)})
ROSTER = Name("roster", keys={1: Name("feeds", each=_FEED), 2: Name("hosts", each=_HOST)})


def block_data(signed: Signed, block: bytes) -> Any:
    """A statement's block as data. Raises EvidenceError where it is not the block of this statement."""
    statement = signed.statement
    body = statement.body
    binding = Binding(statement.log or b"", signed.header.sub, statement.seq)
    if isinstance(body, UsageBody):
        count = (statement.end - statement.start) // body.interval * body.devices
        columns = parse_usage(block, binding, body.columns, count, interval=body.interval)
        return {Column(c).name.lower(): _extremes(column.values) for c, column in columns.items()}
    if isinstance(body, MeterBody):
        read = zip(body.channels, parse_meter(block, binding, body), strict=True)
        return {channel.feed: _extremes(values) | {"ms": _extremes(offsets)} for channel, (values, offsets) in read}
    return named(decode(block, max_size=MAX_ROSTER, max_depth=MAX_DEPTH), ROSTER)


def block_text(signed: Signed, block: bytes) -> str:
    """The same as text."""
    try:
        if isinstance(signed.statement.body, InventoryBody):
            return diagnose(decode(block, max_size=MAX_ROSTER, max_depth=MAX_DEPTH), ROSTER)
        data = block_data(signed, block)
    except EvidenceError as error:
        return f"# cannot be decoded: {error}"
    return "\n".join(f"{name:<16}{_range(found)}" for name, found in data.items())


def _extremes(values: Any) -> dict[str, Any]:
    """How many values, and the least and the greatest."""
    if not len(values):
        return {"values": 0}
    return {"values": len(values), "least": int(values.min()), "greatest": int(values.max())}


def _range(found: dict[str, Any]) -> str:
    if not found["values"]:
        return "no values"
    text = f"{found['values']:,} values, {found['least']:,} to {found['greatest']:,}"
    return text + (f", {found['ms']['least']:,} to {found['ms']['greatest']:,} ms" if "ms" in found else "")
