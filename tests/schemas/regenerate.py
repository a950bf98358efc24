"""The worked examples of `schemas/*.md`, made from named seeds.

    python -m tests.schemas.regenerate

writes each page anew: what stands between `<!-- example: NAME -->` and the end of the fenced block below it comes
from here and from nowhere else. A test compares.
"""

import re
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from attest.archive.policy import default_policy, parse_policy
from attest.archive.renewal import digests_of
from attest.archive.renewal_records import format_record
from attest.archive.renewal_verify import Existed, verify_record
from attest.format.act import VoidAct, format_act
from attest.format.block import HEADER_SIZE
from attest.format.bodies import Body
from attest.format.cbor import decode, encode
from attest.format.event import format_event
from attest.format.statement import Statement, format_payload, parse_statement
from attest.format.vocabulary import Kind
from attest.log.merkle import leaf_hash, root
from attest.report.diagnostic import Name, diagnose
from attest.report.names import DOCUMENT, EVENT, EVENT_ACT, PROTECTED, STATEMENT
from attest.report.style import utc
from attest.report.verdict import as_json, as_text
from attest.sign.verdicts import sign_verdict
from attest.trust.keys import format_key
from attest.trust.signed_verdict import MAX_VERDICT, verify_verdict
from attest.verdict import as_data
from tests.archive.authority import at, authority_table
from tests.archive.decades import NORTH, worked
from tests.schemas.example import (
    HOST,
    METER,
    START,
    all_acts,
    custody_entry,
    exemption,
    genesis_document,
    key,
    trigger_document,
    world,
)

PAGES: Final = Path(__file__).resolve().parents[2] / "schemas"
_EXAMPLE: Final = re.compile(r"(<!-- example: ([a-z-]+) -->\n```[a-z]*\n)(.*?)(^```\n)", re.DOTALL | re.MULTILINE)
_FEED: Final = Name("feed", keys={0: Name("name"), 1: Name("parent"), 2: Name("meter")})
_DEVICE: Final = Name("device", keys={0: Name("uid"), 1: Name("model"), 2: Name("on feed")})
_HOST: Final = Name("host", keys={0: Name("sub"), 1: Name("devices", each=_DEVICE)})
_ROSTER: Final = Name("roster", keys={1: Name("feeds", each=_FEED), 2: Name("hosts", each=_HOST)})
_SIGNED: Final = Name(
    "COSE_Sign1",
    keys={
        "tagged": Name(
            keys={
                0: Name("protected", inner=lambda data: (decode(data), PROTECTED)),
                1: Name("unprotected"),
                2: Name("payload"),
                3: Name("signature"),
            }
        )
    },
)
_REVOCATION: Final = {1: Name("revocation lists"), 2: Name("OCSP responses")}
_STAMP: Final = Name(
    "stamp", keys={1: Name("token"), 2: Name("certificates"), 3: Name("revocation, then", keys=_REVOCATION)}
)
_TIMESTAMP: Final = Name(
    "timestamp",
    keys={
        1: Name("hash"),
        2: Name("size", unit="leaves"),
        3: Name("root"),
        4: Name("revocation of what is renewed", keys=_REVOCATION),
        5: Name("stamps", each=_STAMP),
    },
)
_LINK: Final = Name("link", keys={0: Name("number"), 1: Name("path"), 2: _TIMESTAMP})
_RECORD: Final = Name("record", keys={1: Name("version"), 2: Name("chains", each=Name("chain", each=_LINK))})
_VOID: Final = Name(
    "act", keys={1: Name("act"), 2: Name("log"), 3: Name("number"), 4: Name("entries", each=Name("index, leaf hash"))}
)


def notation(entry: int) -> str:
    """An entry of the log in diagnostic notation."""
    return diagnose(decode(world().entries[entry]), STATEMENT, whole=True)


def body(entry: int) -> str:
    """Only its body."""
    return _body(notation(entry))


def acts() -> str:
    """A keys body with an act of each kind."""
    made: Body = all_acts(world().log)
    statement = Statement(Kind.KEYS, world().log, 9, world().log, START, START, None, made)
    sign1 = parse_statement(world().entries[1]).sign1
    protected, unprotected, _, signature = decode(world().entries[1]).value  # type: ignore[union-attr]
    assert sign1.protected == protected
    tagged = decode(b"\xd2" + encode([protected, unprotected, format_payload(statement), signature]))
    return _body(diagnose(tagged, STATEMENT, whole=True))


def _body(text: str) -> str:
    lines = text.splitlines()
    first = next(n for n, line in enumerate(lines) if line.startswith("    8: "))
    last = next(n for n, line in enumerate(lines) if n > first and line.startswith("  } >>"))
    return textwrap.dedent("\n".join(lines[first:last])).removeprefix("8: ")


def hexadecimal(data: bytes) -> str:
    """32 bytes a line."""
    return "\n".join(data[at : at + 32].hex() for at in range(0, len(data), 32))


def block(data: bytes, columns: list[tuple[str, int, int]]) -> str:
    """A block by its parts; columns are (name, width, count)."""
    parts = [("salt", 32, 1), ("log", 32, 1), ("SHA-256 of sub", 32, 1), ("seq", 8, 1), *columns]
    lines = []
    at = 0
    for name, width, count in parts:
        for i in range(count):
            chunk = data[at : at + width]
            number = f" = {int.from_bytes(chunk, 'little'):,}" if width <= 8 else ""
            label = name if count == 1 else f"{name} {i}"
            lines.append(f"{at:4}  {chunk.hex():64}  {label}{number}".rstrip())
            at += width
    assert at == len(data) and HEADER_SIZE == 104
    return "\n".join(lines)


def usage_block() -> str:
    return block(world().blocks[4] or b"", [("energy", 4, 12), ("cycles", 4, 12)])


def meter_block() -> str:
    return block(world().blocks[5] or b"", [("mW", 4, 7), ("ms", 4, 7)])


def roster() -> str:
    return diagnose(decode(world().roster), _ROSTER, whole=True)


def signed_verdict() -> str:
    return diagnose(decode(judged(), max_size=MAX_VERDICT), _SIGNED)


def signed_payload() -> str:
    text = verify_verdict(judged(), {key("judge").public_key().thumbprint: ("judge", key("judge").public_key())}).text
    return "\n".join(text.decode().splitlines()[:16])


def judged() -> bytes:
    """The verdict on the world, signed."""
    return sign_verdict(as_json(as_data(world().verdict())).encode(), key("judge"))


def evidence_record() -> str:
    """All evidence of the checkpoint's note."""
    record = worked([world().note, world().agreement]).record(world().note)
    return diagnose(decode(format_record(record), max_size=1 << 20), _RECORD)


def evidence_shown() -> str:
    """What it shows in 2040."""
    note = world().note
    policy = parse_policy(default_policy() + authority_table(NORTH).encode())
    found = verify_record(digests_of(note), worked([note, world().agreement]).record(note), policy, at(2035))
    assert isinstance(found, Existed)
    return "\n".join(
        [
            f"existed since  {utc(found.since)}",
            f"by             {', '.join(found.authorities)}: chain {found.chain}, link {found.link}",
            f"shown until    {utc(found.limit.time)}: {found.limit.code}, {found.limit.detail}",
            f"findings       {len(found.findings) or 'none'}",
        ]
    )


def evidence_policy() -> str:
    """The end of a policy: one authority."""
    return authority_table(NORTH).strip()


def void_act() -> str:
    act = VoidAct(world().log, 1, ((4, leaf_hash(world().entries[4])),))
    return diagnose(decode(format_act(act)), _VOID, whole=True)


def log() -> str:
    """Entries with their leaf hashes, and the files."""
    w = world()
    lines = ["entry  kind       leaf hash"]
    for index, entry in enumerate(w.entries):
        kind = parse_statement(entry).statement.kind.name.lower()
        lines.append(f"{index:5}  {kind:9}  {leaf_hash(entry).hex()}")
    lines += [f"root              {root([leaf_hash(e) for e in w.entries]).hex()}", "", "bytes  file"]
    lines += [f"{len(data):5}  {path}" for path, data in sorted(w.bundle().files.items())]
    return "\n".join(lines)


def keys() -> str:
    """The public keys of the example, as texts."""
    names = (("office", "https://acme.example/dc1/office"), ("host", HOST), ("meter", METER))
    return "\n".join(
        f"{role:7} {format_key(key(name).public_key())}  kid {key(name).public_key().thumbprint.hex()}"
        for role, name in names
    )


EXAMPLES: Final[dict[str, Callable[[], str]]] = {
    "usage": lambda: notation(4),
    "usage-bytes": lambda: hexadecimal(world().entries[4]),
    "genesis-body": lambda: body(0),
    "inventory-body": lambda: body(2),
    "head-body": lambda: body(3),
    "meter-body": lambda: body(5),
    "custody-body": lambda: _body(diagnose(decode(custody_entry()), STATEMENT, whole=True)),
    "acts": acts,
    "keys": keys,
    "usage-block": usage_block,
    "meter-block": meter_block,
    "genesis-document": lambda: diagnose(decode(genesis_document()), DOCUMENT, whole=True),
    "void-act": void_act,
    "signed-verdict": signed_verdict,
    "signed-payload": signed_payload,
    "evidence-record": evidence_record,
    "evidence-shown": evidence_shown,
    "evidence-policy": evidence_policy,
    "trigger-document": lambda: diagnose(decode(trigger_document()), EVENT, whole=True),
    "exemption-act": lambda: diagnose(decode(format_event(exemption())), EVENT_ACT, whole=True),
    "roster": roster,
    "roster-bytes": lambda: hexadecimal(world().roster),
    "log": log,
    "checkpoint": lambda: world().note.decode().rstrip("\n"),
    "verdict": lambda: as_text(as_data(world().verdict())).rstrip("\n"),
}


def pages() -> Iterator[Path]:
    """The pages with examples."""
    return (path for path in sorted(PAGES.glob("*.md")) if _EXAMPLE.search(path.read_text("utf-8")))


def regenerated(text: str) -> str:
    """A page with its examples as they should be. Raises KeyError for an example that nothing makes."""
    return _EXAMPLE.sub(lambda m: f"{m[1]}{example(m[2])}\n{m[4]}", text)


def example(name: str) -> str:
    """An example's lines. Raises KeyError for one that nothing makes."""
    return "\n".join(line.rstrip() for line in EXAMPLES[name]().splitlines())


def named(text: str) -> list[str]:
    """The examples on a page."""
    return [match[2] for match in _EXAMPLE.finditer(text)]


if __name__ == "__main__":
    for page in pages():
        page.write_text(regenerated(page.read_text("utf-8")), "utf-8")
