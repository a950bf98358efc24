"""The tables of the index: what `attest.archive.projection` makes of the custody log, and nothing else.

Digests are lower-case hex, times Unix seconds. A row that no entry of the custody log explains is wrong; `reindex`
makes the same tables again from the store.
"""

from typing import Final

from sqlalchemy import BigInteger, Column, ForeignKey, Index, MetaData, String, Table, Text

NAMING: Final = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
}
METADATA: Final = MetaData(naming_convention=NAMING)


def _number(name: str, *, key: bool = False, null: bool = False) -> "Column[int]":
    return Column(name, BigInteger, primary_key=key, nullable=null, autoincrement=False)


def _word(name: str, *, key: bool = False, null: bool = False) -> "Column[str]":
    return Column(name, String(512), primary_key=key, nullable=null)


def _delivery(*, key: bool = True, null: bool = False) -> "Column[str]":
    return Column("delivery", String(64), ForeignKey("deliveries.id"), primary_key=key, nullable=null)


# Entry `n` of the custody log: its leaf hash, the tree up to it as a compact range, and what it says.
ENTRIES: Final = Table(
    "entries",
    METADATA,
    _number("n", key=True),
    Column("leaf", String(64), nullable=False),
    Column("edge", Text, nullable=False),
    _number("time"),
    _word("action"),
    _word("actor"),
    Column("delivery", String(64), nullable=True),
    Column("details", Text, nullable=False),
    Index(None, "delivery", "n"),
)

# One put or import; `put_n` is the entry that first named it. `begin`, `end` and `outcome` are of the newest verdict.
DELIVERIES: Final = Table(
    "deliveries",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("sha512", String(128), nullable=False),
    _number("size"),
    _number("put_n"),
    _number("received"),
    _number("verdict_n", null=True),
    _word("outcome", null=True),
    _number("begin", null=True),
    _number("end", null=True),
    _number("retained", null=True),
    _number("expired_n", null=True),
    Index(None, "received"),
)

# The bundles of a delivery, and how each stood to what was known of its log.
COPIES: Final = Table(
    "copies",
    METADATA,
    _delivery(),
    _word("name", key=True),
    _word("origin", null=True),
    _number("size", null=True),
    Column("root", String(64), nullable=True),
    _word("standing", null=True),
    Index(None, "origin"),
)

# Whom a delivery's newest verdict is about, with the outcome of each.
PARTIES: Final = Table("parties", METADATA, _delivery(), _word("party", key=True), _word("outcome"))

# Objects, and how often each is named: by an entry of the custody log, or by a delivery that has not expired; and, in
# a store that has such, the id of the version that the archive took as its own, while the object is needed.
OBJECTS: Final = Table(
    "objects",
    METADATA,
    Column("sha256", String(64), primary_key=True),
    Column("sha512", String(128), primary_key=True),
    _number("size", key=True),
    _number("uses"),
    Column("version", String(1024), nullable=True),
)

# What `fixity` found changed or missing: with which entry, and deliveries that mend it when they are put again, by ids
# with blanks between; and with which entry it was mended.
FLAWS: Final = Table(
    "flaws",
    METADATA,
    Column("sha256", String(64), primary_key=True),
    Column("sha512", String(128), primary_key=True),
    _number("size", key=True),
    _word("kind"),
    Column("deliveries", Text, nullable=False),
    _number("since_n"),
    _number("mended_n", null=True),
)

# The newest head of each log that a key of it signed and the archive was shown: which delivery showed it, and the entry
# that names the head's own note, which is kept also when the delivery has expired.
LOGS: Final = Table(
    "logs",
    METADATA,
    _word("origin", key=True),
    _word("vkey", key=True),
    _number("size"),
    Column("root", String(64), nullable=False),
    Column("delivery", String(64), ForeignKey("deliveries.id"), nullable=False),
    _word("name"),
    _number("standing_n"),
)

# Legal holds, and which entry released each.
HOLDS: Final = Table(
    "holds", METADATA, _delivery(), _word("case", key=True), _number("since_n"), _number("released_n", null=True)
)
