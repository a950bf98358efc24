"""The error tree: what can go wrong, with a stable code each.

A code is `area/what`, lower case, and never changes its meaning: `attest explain CODE` documents it.
Bad evidence raises one of `EvidenceError`'s children inside a step of `check` and becomes a finding
there; a breach of an agreement is not an error, it is data in the verdict.

    >>> error = MalformedError("cbor/duplicate-key", "key 3 occurs twice", offset=17)
    >>> str(error)
    'cbor/duplicate-key: key 3 occurs twice (offset 17)'
"""

from dataclasses import dataclass
from enum import StrEnum


class Scope(StrEnum):
    """Who a finding of `invalid` is about (design: "Who is accused")."""

    COPY = "copy"
    SOURCE = "source"
    PARTY = "party"


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """Bad evidence as data: what `check` keeps of an EvidenceError, ordered by log index.

    `index` is -1 where no entry is meant; `source` and `seq` name the statement where they are known.
    """

    index: int
    code: str
    scope: Scope
    detail: str
    source: str = ""
    seq: int = -1


class AttestError(Exception):
    """Base of everything this package raises on purpose; `hint` says what to do next.

    `file` is the file that it is about, where a caller has read one and knows its name.
    """

    def __init__(self, code: str, detail: str, *, hint: str = "") -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail
        self.hint = hint
        self.file = ""

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}"


class MissingError(AttestError):
    """Input that was named is missing or unreadable; nothing was verified (exit 6)."""


class AgreementError(AttestError):
    """An agreement or trust file that says something impossible, with the line and key it says it at."""

    def __init__(self, code: str, detail: str, *, line: int = 0, key: str = "", hint: str = "") -> None:
        super().__init__(code, detail, hint=hint)
        self.line = line
        self.key = key

    def __str__(self) -> str:
        place = ", ".join(p for p in (f"line {self.line}" if self.line else "", self.key) if p)
        return f"{self.code}: {self.detail}" + (f" ({place})" if place else "")


class LogError(AttestError):
    """The lab's own log refuses an act: a second statement for one place, a lock, a full disk."""


class ArchiveError(AttestError):
    """The archive refuses an act, or its store or index does: a hold, a lock, a full disk."""


class KeyFileError(AttestError):
    """A private key that cannot or must not be used: in a file, on a token or in a service's keeping."""


class ImportDataError(AttestError):
    """A telemetry file that cannot be imported, with the line it fails at."""


class CollectError(AttestError):
    """A source of telemetry that could not be read or not be believed; `endpoint` says which."""

    def __init__(self, code: str, detail: str, *, endpoint: str, hint: str = "") -> None:
        super().__init__(code, f"{endpoint}: {detail}", hint=hint)
        self.endpoint = endpoint
        self.cause = detail


class EvidenceError(AttestError):
    """Evidence that is forged, altered, inconsistent or malformed."""

    scope: Scope = Scope.SOURCE


class MalformedError(EvidenceError):
    """Bytes that are not a value of the format; `offset` or `path` says where."""

    def __init__(
        self, code: str, detail: str, *, offset: int | None = None, path: str | None = None, hint: str = ""
    ) -> None:
        super().__init__(code, detail, hint=hint)
        self.offset = offset
        self.path = path

    def __str__(self) -> str:
        place = f"offset {self.offset}" if self.offset is not None else self.path
        return f"{self.code}: {self.detail}" + (f" ({place})" if place else "")


class UnsupportedError(EvidenceError):
    """A kind, version or limit this verifier does not know: unproven, and nobody is accused."""


class SignatureError(EvidenceError):
    """A signature that does not verify under the key it must verify under."""


class TrustError(EvidenceError):
    """A key, holder, quorum or enrolment that the rules of trust refuse."""


class TreeError(EvidenceError):
    """A Merkle tree, tile or proof that does not give the root it must give."""

    scope = Scope.COPY


class ForkError(EvidenceError):
    """Two contradictory things signed by one log or one root: a transferable proof against the party."""

    scope = Scope.PARTY
