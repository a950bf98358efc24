"""What is in a bundle or a file, decoded and not judged: the data behind `attest open`.

Nothing is verified on the way, hashes and signatures included: what this shows of a forged log is what its
forger wrote. `attest check` judges.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from attest.bundle import Bundle
from attest.errors import EvidenceError, MissingError, TreeError
from attest.format.block import HEADER_SIZE
from attest.format.bodies import Block, block_of
from attest.format.cbor import decode
from attest.format.checkpoint import Checkpoint, parse_checkpoint
from attest.format.note import Note, parse_note
from attest.format.statement import Signed, parse_statement
from attest.log.merkle import leaf_hash
from attest.log.tiles import ENTRIES, WIDTH, parse_entries, tile_at
from attest.packs import block_after
from attest.report.blocks import block_data, block_text
from attest.report.diagnostic import Name, diagnose, named
from attest.report.names import AGREEMENT, DOCUMENT, EVENT, STATEMENT
from attest.report.style import utc

FORMAT: Final = "attest-open/1"
COSIGNED: Final = frozenset({8 + 64, 8 + 2420})  # sizes of a cosignature with its time, Ed25519 and ML-DSA-44


@dataclass
class SourceSummary:
    """What one source's statements say."""

    first: int
    last: int
    start: int
    end: int
    kinds: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Found:
    """One entry of a log and where it stands."""

    index: int
    entry: bytes
    signed: Signed | None  # None where it cannot be parsed
    block: bytes | None  # None where it has none, or it is absent

    @property
    def presence(self) -> str | None:
        """Whether the block that the entry commits to is there; None where it has none."""
        if self.signed is None or block_of(self.signed.statement.body) is None:
            return None
        return "absent" if self.block is None else "present"


def head(bundle: Bundle) -> tuple[Checkpoint, Note]:
    """The bundle's checkpoint, signatures unverified. Raises MalformedError or MissingError."""
    note = parse_note(bundle.checkpoint())
    return parse_checkpoint(note.text), note


def entries(bundle: Bundle, size: int) -> Iterator[tuple[int, bytes]]:
    """Every entry with its index."""
    for index in range(-(-size // WIDTH)):
        tile = tile_at(ENTRIES, index, size)
        yield from enumerate(parse_entries(bundle.entries(index, tile.width), tile.width), index * WIDTH)


def find(bundle: Bundle, ref: str) -> Found:
    """The entry that `ref` names: a log index, a leaf hash in hex, or source:seq. Raises MissingError."""
    size = head(bundle)[0].size
    if ref.isascii() and ref.isdigit() and len(ref) < 20:
        if int(ref) >= size:
            raise MissingError("open/no-entry", f"the log has {size:,} entries, 0 to {size - 1}: no {ref}")
        tile = tile_at(ENTRIES, int(ref) // WIDTH, size)
        entry = parse_entries(bundle.entries(tile.index, tile.width), tile.width)[int(ref) % WIDTH]
        return _found(bundle, size, int(ref), entry)
    source, _, seq = ref.rpartition(":")
    for index, entry in entries(bundle, size):
        if leaf_hash(entry).hex() == ref:
            return _found(bundle, size, index, entry)
        signed = _parsed(entry)
        if signed and signed.header.sub == source and str(signed.statement.seq) == seq:
            return _found(bundle, size, index, entry)
    raise MissingError(
        "open/no-entry",
        f"no entry {ref} in this log",
        hint="name an entry by its index, its leaf hash, or its source and seq as SOURCE:SEQ",
    )


def log_data(bundle: Bundle) -> dict[str, Any]:
    """A summary of a whole log."""
    checkpoint, note = head(bundle)
    kinds: Counter[str] = Counter()
    sources: dict[str, SourceSummary] = {}
    blocks: Counter[str] = Counter(present=0, absent=0)
    undecoded = []
    for index, entry in entries(bundle, checkpoint.size):
        signed = _parsed(entry)
        if signed is None:
            undecoded.append(index)
            continue
        statement = signed.statement
        kind = statement.kind.name.lower()
        kinds[kind] += 1
        seen = sources.setdefault(
            signed.header.sub, SourceSummary(statement.seq, statement.seq, statement.start, statement.end)
        )
        seen.kinds[kind] += 1
        seen.first, seen.last = min(seen.first, statement.seq), max(seen.last, statement.seq)
        seen.start, seen.end = min(seen.start, statement.start), max(seen.end, statement.end)
        if block := block_of(statement.body):
            blocks["present" if _has_block(bundle, checkpoint.size, index, block) else "absent"] += 1
    return {
        "format": FORMAT,
        "what": "log",
        "name": bundle.name,
        "origin": checkpoint.origin,
        "size": checkpoint.size,
        "root": checkpoint.root.hex(),
        "signatures": signatures(note),
        "kinds": dict(sorted(kinds.items())),
        "blocks": dict(blocks),
        "undecoded": undecoded,
        "sources": [
            {
                "source": sub,
                "first_seq": s.first,
                "last_seq": s.last,
                "from": utc(s.start),
                "until": utc(s.end),
                "kinds": dict(sorted(s.kinds.items())),
            }
            for sub, s in sorted(sources.items())
        ],
    }


def entry_data(found: Found) -> dict[str, Any]:
    """One entry of a log. Raises EvidenceError if it, or the block that came with it, is not what it should be."""
    data = {"index": found.index} | file_data(found.entry) | {"what": "entry", "block": found.presence}
    if found.signed and found.block is not None:
        data["contents"] = block_data(found.signed, found.block)
    return data


def file_data(data: bytes) -> dict[str, Any]:
    """A statement, document, note or block by itself. Raises MissingError where it is none of these."""
    kind, value, name = _recognise(data)
    common = {"format": FORMAT, "what": kind, "bytes": len(data)}
    if kind == "statement":
        common["leaf"] = leaf_hash(data).hex()
    return common | {"value": named(value, name) if name else value}


def file_text(data: bytes, *, whole: bool) -> str:
    """The same as text: diagnostic notation for CBOR, plain lines for the rest."""
    kind, value, name = _recognise(data)
    head = [f"# {kind}, {len(data):,} bytes, decoded and not verified"]
    if kind == "statement":
        head.append(f"# leaf hash {leaf_hash(data).hex()}")
    if name:
        return "\n".join([*head, diagnose(value, name, whole=whole)])
    return "\n".join([*head, *_plain(value)])


def entry_text(found: Found, *, whole: bool) -> str:
    """An entry as text, and what is in its block."""
    parts = [f"# entry {found.index}", file_text(found.entry, whole=whole)]
    if found.presence:
        parts.append(f"# its block is {found.presence}")
    if found.signed and found.block is not None:
        parts.append(block_text(found.signed, found.block))
    return "\n".join(parts)


def log_text(data: dict[str, Any]) -> str:
    """The summary as text."""
    lines = [
        f"# log {data['name']}, decoded and not verified",
        f"origin      {data['origin']}",
        f"size        {data['size']:,}",
        f"root        {data['root']}",
        *(f"signed by   {signer_text(s)}" for s in data["signatures"]),
        f"kinds       {_counts(data['kinds']) or 'none'}",
        f"blocks      {_counts(data['blocks'])}",
    ]
    if data["undecoded"]:
        shown = ", ".join(map(str, data["undecoded"][:10])) + (" ..." if len(data["undecoded"]) > 10 else "")
        lines.append(f"undecoded   {len(data['undecoded']):,} (entries {shown})")
    for s in data["sources"]:
        lines.append(f"source      {s['source']}")
        lines.append(f"            seq {s['first_seq']} to {s['last_seq']}, {s['from']} to {s['until']}")
        lines.append(f"            {_counts(s['kinds'])}")
    return "\n".join(lines)


def _recognise(data: bytes) -> tuple[str, Any, Name | None]:
    if data[:1] == b"\xd2":
        return "statement", decode(data), STATEMENT
    if data[:2] == b"\xd8\x62":
        value = decode(data, max_size=1 << 20)
        kind, name = ("agreement", AGREEMENT) if b"agreement" in data[:100] else ("document", DOCUMENT)
        if b"vnd.attest.event+cbor" in data[:100]:
            kind, name = "event", EVENT
        return kind, value, name
    if b"\n\n\xe2\x80\x94 " in data:
        note = parse_note(data)
        return "note", {"text": note.text.splitlines(), "signatures": signatures(note)}, None
    if len(data) >= HEADER_SIZE and not data.isascii():
        return "block", _block(data), None
    raise MissingError(
        "open/unknown",
        "not a bundle, statement, threshold document, signed note or block",
        hint="give a log's directory, or one of these by itself",
    )


def _block(data: bytes) -> dict[str, Any]:
    return {
        "salt": data[:32].hex(),
        "log": data[32:64].hex(),
        "source": data[64:96].hex(),
        "seq": int.from_bytes(data[96:104], "little"),
        "columns": len(data) - HEADER_SIZE,
    }


def _plain(value: dict[str, Any]) -> Iterator[str]:
    for key, part in value.items():
        if key == "signatures":
            yield from (f"signed by   {signer_text(s)}" for s in part)
        elif isinstance(part, list):
            yield from (f"{'' if i else key:<12}{line}" for i, line in enumerate(part))
        else:
            yield f"{key:<12}{part}" + {"source": " (SHA-256 of its sub)", "columns": " bytes"}.get(key, "")


def signatures(note: Note) -> list[dict[str, Any]]:
    """Names and key ids as stated; a cosignature also states its time."""
    return [
        {
            "name": s.name,
            "key_id": s.key_id.hex(),
            "time": utc(t) if len(s.signature) in COSIGNED and 0 < (t := _stated(s.signature)) < 1 << 37 else None,
        }
        for s in note.signatures
    ]


def _stated(signature: bytes) -> int:
    return int.from_bytes(signature[:8], "big")


def signer_text(signature: dict[str, Any]) -> str:
    at = f" at {signature['time']}" if signature["time"] else ""
    return f"{signature['name']}, key id {signature['key_id']}{at}"


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{n:,} {what}" for what, n in counts.items())


def _parsed(entry: bytes) -> Signed | None:
    try:
        return parse_statement(entry)
    except EvidenceError:
        return None


def _found(bundle: Bundle, size: int, index: int, entry: bytes) -> Found:
    signed = _parsed(entry)
    block = block_of(signed.statement.body) if signed else None
    return Found(index, entry, signed, _block_at(bundle, size, index, block) if block else None)


def _block_at(bundle: Bundle, size: int, index: int, block: Block) -> bytes | None:
    """The block of an entry, from the pack or by itself; None if it is absent, or the pack ends before it."""
    tile = tile_at(ENTRIES, index // WIDTH, size)
    before = parse_entries(bundle.entries(tile.index, tile.width), tile.width)[: index % WIDTH]
    stated = [block_of(s.statement.body) if s else None for s in map(_parsed, before)]
    pack = bundle.blocks(tile.index, tile.width)
    try:
        return bundle.block(block.digest, block.size) if pack is None else block_after(pack, tile.index, stated, block)
    except TreeError:
        return None


def _has_block(bundle: Bundle, size: int, index: int, block: Block) -> bool:
    tile = tile_at(ENTRIES, index // WIDTH, size)
    return bundle.blocks(tile.index, tile.width) is not None or bundle.block(block.digest, block.size) is not None
