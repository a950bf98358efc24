"""The custody log of an archive: who did what to which object, in attest's own format, signed by the archive's keys.

    with custody.session() as session:
        n = session.record("hold", "carol", {"manifest": address}, {"delivery": id, "case": "2026/117"})

A session holds the index's lock. It first takes in what somebody who died had written to the store and not yet to the
index, and ends by sealing a checkpoint over what was added. Entry `n` is statement `n` of the one source, the archive's
office, so that its place in the log and in the chain are one number.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final, NamedTuple

from sqlalchemy import Connection, false, select

from attest.archive.address import Address
from attest.archive.index import Index
from attest.archive.objects import Objects
from attest.archive.office import Office
from attest.archive.projection import edge_before, project
from attest.archive.stored import read_whole
from attest.archive.tables import ENTRIES
from attest.errors import ArchiveError, MissingError
from attest.format.act import CONTENT_TYPE, GenesisAct, format_act
from attest.format.bodies import Body, GenesisBody
from attest.format.checkpoint import Checkpoint, format_checkpoint
from attest.format.custody import CustodyBody, CustodyObject
from attest.format.fields import HIDDEN
from attest.format.statement import Statement, parse_statement
from attest.format.vocabulary import Kind
from attest.log.merkle import leaf_hash
from attest.sign.documents import sign_document
from attest.sign.notes import sign_note
from attest.sign.signer import Signer
from attest.sign.statements import header_for, sign_statement

ENTRIES_AT: Final = "custody/entries/"
CHECKPOINTS_AT: Final = "custody/checkpoints/"
MAX_LINE: Final = 512  # characters
DIGITS: Final = 12

_NOTHING: Final = ENTRIES.insert().from_select(ENTRIES.columns.keys(), select(ENTRIES).where(false()))


class Keys(NamedTuple):
    """Who signs for an archive: its office the entries, its log the checkpoints."""

    office: Signer
    log: Signer


class Named(NamedTuple):
    """Who an archive is: its log's origin, the URIs of the archive and of its office."""

    origin: str
    iss: str
    office: str


class Lookup:
    """What projections ask of a store; `known` are versions that need not be asked for, `lost` what it had not."""

    def __init__(self, objects: Objects, known: Mapping[Address, str]) -> None:
        self._objects, self._known = objects, known
        self.lost: set[Address] = set()

    def read(self, address: Address) -> bytes | None:
        """A small object as a whole, None if the store does not have it any more."""
        try:
            return read_whole(self._objects, address)
        except MissingError:
            self.lost.add(address)
            return None

    def versions(self, addresses: Iterable[Address]) -> Mapping[Address, str]:
        """The version that each of these objects is; none of a store that keeps none."""
        if not self._objects.keeps_versions:
            return {}
        found = ((a, self._known.get(a) or self._objects.version(a)) for a in addresses)
        return {address: version for address, version in found if version is not None}


class Custody:
    """The custody log. `keys` is None for who may only look."""

    def __init__(self, index: Index, objects: Objects, named: Named, keys: Keys | None) -> None:
        self.index, self.objects, self.named, self.keys = index, objects, named, keys

    def found(self, root: Signer, at: int) -> None:
        """Begins the log with its genesis, which the root key signs, unless the same office has begun it.

        Raises ArchiveError `archive/exists`.
        """
        keys = self._keys()
        public = keys.office.public_key()
        named = self.named
        act = GenesisAct(named.origin, named.iss, named.office, int(public.alg), public.raw, None)
        document = sign_document(format_act(act), CONTENT_TYPE, [root])
        with self.session() as session:
            first = self.objects.named(numbered(ENTRIES_AT, 0))
            if first is None:
                session.append(GenesisBody(document), at)
            elif parse_statement(first).header.kid != public.thumbprint:
                raise ArchiveError("archive/exists", f"{self.objects.name} holds another archive already")

    @contextmanager
    def session(self, known: Mapping[Address, str] | None = None) -> Iterator["Session"]:
        """Alone, until its end; `known` are versions of objects that were stored just now.

        Raises ArchiveError `archive/read-only` without keys, `archive/index` for who may not write to the index: before
        the store has an entry of theirs.
        """
        keys = self._keys()
        with self.index.locked() as connection:
            connection.execute(_NOTHING)
            session = Session(self, connection, keys, Lookup(self.objects, known or {}))
            yield session
            session.seal()

    def object_of(self, n: int, role: str) -> Address | None:
        """The object that entry `n` names in a role. Raises MissingError where the store has lost the entry."""
        name = numbered(ENTRIES_AT, n)
        entry = self.objects.named(name)
        if entry is None:
            raise MissingError("archive/missing", f"{self.objects.name}/{name} is gone", hint="attest archive fixity")
        body = parse_statement(entry).statement.body
        found = body.objects if isinstance(body, CustodyBody) else ()
        return next((Address(o.sha256, o.sha512, o.size) for o in found if o.role == role), None)

    def catch_up(self, connection: Connection, lookup: Lookup | None = None) -> int:
        """Takes entries of the store into the index that it does not have; how many there are then.

        Raises ArchiveError `archive/forged` for one that the office has not signed in its place.
        """
        lookup, office = lookup or Lookup(self.objects, {}), None
        newest = select(ENTRIES.c.n, ENTRIES.c.leaf).order_by(ENTRIES.c.n.desc()).limit(1)
        last = connection.execute(newest).one_or_none()
        n, leaf = (0, None) if last is None else (last.n + 1, bytes.fromhex(last.leaf))
        while (entry := self.objects.named(numbered(ENTRIES_AT, n))) is not None:
            office = office or self.office(connection)
            office.require(f"{self.objects.name}/{numbered(ENTRIES_AT, n)}", n, entry, leaf)
            project(connection, n, entry, lookup)
            n, leaf = n + 1, leaf_hash(entry)
        return n

    def office(self, connection: Connection) -> Office:
        """By the genesis that the store has, which is the one that the index knows, if it knows one.

        Raises ArchiveError `archive/forged`, MissingError, UnsupportedError.
        """
        name = numbered(ENTRIES_AT, 0)
        genesis, where = self.objects.named(name), f"{self.objects.name}/{name}"
        known = connection.execute(select(ENTRIES.c.leaf).where(ENTRIES.c.n == 0)).scalar_one_or_none()
        if genesis is None:
            raise MissingError("archive/missing", f"{where} is gone", hint="attest archive fixity")
        if known is not None and leaf_hash(genesis).hex() != known:
            raise ArchiveError("archive/forged", f"{where} is not the genesis that this archive began with")
        return Office(where, genesis)

    def _keys(self) -> Keys:
        if self.keys is None:
            detail = f"this needs the keys of {self.named.origin}"
            raise ArchiveError("archive/read-only", detail, hint="work where the archive's keys are")
        return self.keys


class Session:
    """The custody log while it is locked; `size` is the number of its entries."""

    def __init__(self, custody: Custody, connection: Connection, keys: Keys, lookup: Lookup) -> None:
        self._custody, self.connection, self._keys, self._lookup = custody, connection, keys, lookup
        self.size = custody.catch_up(connection)

    def record(
        self,
        action: str,
        actor: str,
        objects: Mapping[str, Address],
        details: Mapping[str, str | int],
        at: int,
    ) -> int:
        """Appends an entry: what was done by whom to which objects, by role, at a time. Returns its number."""
        named = tuple(CustodyObject(role, *address) for role, address in sorted(objects.items()))
        return self.append(CustodyBody(action, actor, named, tuple(sorted(details.items()))), at)

    def append(self, body: Body, at: int) -> int:
        """Signs the next statement and stores it; it is in the log once the session has ended.

        Raises MalformedError for what no entry can say, before anything is stored.
        """
        custody, n = self._custody, self.size
        log, prev, start = self._place()
        kind = Kind.GENESIS if isinstance(body, GenesisBody) else Kind.CUSTODY
        end = max(at, start) if n else at
        statement = Statement(kind, log, n, prev, start if n else at, end, None, body)
        header = header_for(self._keys.office, custody.named.iss, custody.named.office)
        entry = sign_statement(header, statement, self._keys.office)
        parse_statement(entry)  # one that nobody can read would close the log for good
        custody.objects.put_named(numbered(ENTRIES_AT, n), entry)
        project(self.connection, n, entry, self._lookup)
        self.size = n + 1
        return n

    def seal(self) -> None:
        """A checkpoint over all entries, unless there is one."""
        name = numbered(CHECKPOINTS_AT, self.size)
        if not self.size or self._custody.objects.named(name) is not None:
            return
        origin = self._custody.named.origin
        root = edge_before(self.connection, self.size).root()
        text = format_checkpoint(Checkpoint(origin, self.size, root))
        self._custody.objects.put_named(name, sign_note(text, origin, [self._keys.log]))

    def _place(self) -> tuple[bytes | None, bytes | None, int]:
        """The log's id, the leaf before, and until when that reaches."""
        if not self.size:
            return None, None, 0
        columns = select(ENTRIES.c.leaf, ENTRIES.c.time)
        first = self.connection.execute(columns.where(ENTRIES.c.n == 0)).one()
        last = self.connection.execute(columns.where(ENTRIES.c.n == self.size - 1)).one()
        return bytes.fromhex(first.leaf), bytes.fromhex(last.leaf), last.time


def line(text: str) -> str:
    """A text as an entry can say it: on one printable line, cut to what is worth reading, never empty."""
    return HIDDEN.sub("?", text)[:MAX_LINE] or "-"


def numbered(folder: str, n: int) -> str:
    """The name of entry or checkpoint `n`: twelve digits in groups of three."""
    digits = f"{n:0{DIGITS}d}"
    return folder + "/".join(digits[at : at + 3] for at in range(0, DIGITS, 3))


def place_of(path: str) -> tuple[str, int] | None:
    """The folder and the number that a path of the store stands for; None for any other path."""
    for folder in (ENTRIES_AT, CHECKPOINTS_AT):
        digits = path.removeprefix(folder).replace("/", "")
        if len(digits) == DIGITS and digits.isascii() and digits.isdecimal() and path == numbered(folder, int(digits)):
            return folder, int(digits)
    return None
