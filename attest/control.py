"""Control: keys, rosters, heads, events and voids of one log, replayed in index order (design section 3, "Keys").

An entry is judged under the key state of the entries before it. The genesis (index 0) is the root holders'
act and names the office; the office enrols hosts and the lab's own meters, and each new key proves possession; a
key is rotated in its source's own chain, revoked by the office with the last log index it was good for (the
smallest wins, and it reaches through later rotations), and bad entries are voided by the root holders. Meters and
auditors that the agreement names are enrolled by it alone. One key has one role and one source; a source is
enrolled once.

Control statements are few; what comes out of `attest.replay` is handed to every worker of the next pass, so none
lacks a revocation.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from attest.errors import Fault, TrustError
from attest.format.bodies import Block
from attest.format.cose import Header
from attest.format.notice import Notice
from attest.format.roster import Roster
from attest.format.vocabulary import Kind, Role
from attest.timeline import Head
from attest.trust.keys import PublicKey

FOREVER: Final = (1 << 63) - 1
CONTROL_KINDS: Final = frozenset({Kind.GENESIS, Kind.INVENTORY, Kind.KEYS, Kind.EVENT, Kind.HEAD})

MAY_SIGN: Final[Mapping[Role, frozenset[Kind]]] = {
    Role.OFFICE: frozenset({Kind.GENESIS, Kind.INVENTORY, Kind.KEYS, Kind.EVENT, Kind.HEAD, Kind.CUSTODY, Kind.CLOSE}),
    Role.HOST: frozenset({Kind.USAGE, Kind.KEYS, Kind.CLOSE}),
    Role.METER: frozenset({Kind.METER, Kind.KEYS, Kind.CLOSE}),
}


@dataclass(frozen=True, slots=True)
class Source:
    """Who signs one chain; `enrolment` is the leaf hash that its first statement must name as `prev`."""

    number: int
    sub: str
    iss: str
    role: Role
    enrolment: bytes
    independent: bool


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A key and the log indices it may sign: from `first` on, until `retired` (rotated away), and beyond
    `last` (revoked) only disputed."""

    key: PublicKey
    source: Source
    first: int
    retired: int = FOREVER
    last: int = FOREVER


@dataclass(frozen=True, slots=True)
class RosterRecord:
    """A roster in force from `start` (Unix s) until the next one; None where its body is absent or cannot be read."""

    index: int
    start: int
    block: Block
    roster: Roster | None


@dataclass(frozen=True, slots=True)
class EventRecord:
    """An event that the office entered, as it was signed: what it is worth is for `attest.acts` to say."""

    index: int
    document: bytes


@dataclass(frozen=True, slots=True)
class NoticeRecord:
    """What the office said of a run, in the entry at `index`."""

    index: int
    notice: Notice


@dataclass(frozen=True)
class Control:
    """Who could say what, when."""

    log: bytes
    keys: Mapping[bytes, KeyRecord]
    sources: tuple[Source, ...]
    rosters: tuple[RosterRecord, ...]
    heads: tuple[Head, ...]
    voided: Mapping[int, bytes]
    faults: tuple[Fault, ...]
    events: tuple[EventRecord, ...] = ()
    notices: tuple[NoticeRecord, ...] = ()


def authorise(keys: Mapping[bytes, KeyRecord], index: int, header: Header, kind: Kind) -> KeyRecord:
    """The record of the key that the entry at `index` says it is signed with, if it may sign that.

    Raises TrustError `key/role`, and as `holder`.
    """
    record = holder(keys, index, header)
    if kind not in MAY_SIGN[record.source.role]:
        role = record.source.role.name.lower()
        raise TrustError("key/role", f"a {role} does not sign {kind.name.lower()} statements")
    return record


def holder(keys: Mapping[bytes, KeyRecord], index: int, header: Header) -> KeyRecord:
    """The record of the key that a header names, if it is in force at `index`.

    What a header says never selects what it is checked against: alg, iss and sub must be the enrolment's. Raises
    TrustError `key/unknown`, `key/header`, `key/not-yet` or `key/retired`.
    """
    record = keys.get(header.kid)
    if record is None:
        raise TrustError("key/unknown", f"signed with {header.kid.hex()}, which was never enrolled in this log")
    source = record.source
    if (header.alg, header.iss, header.sub) != (record.key.alg, source.iss, source.sub):
        raise TrustError(
            "key/header",
            f"the key is enrolled for {source.sub} of {source.iss}, not {header.sub} of {header.iss}",
        )
    if index < record.first:
        raise TrustError("key/not-yet", f"the key of {source.sub} is good from index {record.first} on")
    if index >= record.retired:
        raise TrustError("key/retired", f"the key of {source.sub} was rotated away at index {record.retired - 1}")
    return record
