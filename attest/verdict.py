"""The verdict: outcomes, findings and numbers, as data (schemas/verdict.schema.json, schemas/verification.md).

An outcome is *holds*, *breached*, *unproven* or *invalid*; the most serious of several is the one of the whole, in
the order invalid, breached, unproven, holds. Each finding has a stable code, a place and numbers; each check that
was made, and each that could not be made, is listed. Reports are rendered from `as_data` and from nothing else.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from attest.errors import Fault, Scope

FORMAT: Final = "attest-verdict/1"


class Outcome(StrEnum):
    """What is shown of a term, a party or an agreement."""

    HOLDS = "holds"
    UNPROVEN = "unproven"
    BREACHED = "breached"
    INVALID = "invalid"

    def __bool__(self) -> bool:
        raise TypeError("compare an outcome, it is not a truth value")


EXIT_CODES: Final[Mapping[Outcome, int]] = {
    Outcome.HOLDS: 0,
    Outcome.BREACHED: 3,
    Outcome.UNPROVEN: 4,
    Outcome.INVALID: 5,
}
EXIT_MISSING: Final = 6
_FIRST_TIME: Final = -62_135_596_800  # 0001-01-01, and
_LAST_TIME: Final = 253_402_300_799  # 9999-12-31: whatever a stamp claims beyond is shown as these
_EXIT_SEVERITY: Final = (0, 4, 6, 3, 5)
_SEVERITY: Final = (Outcome.HOLDS, Outcome.UNPROVEN, Outcome.BREACHED, Outcome.INVALID)

# What no log can show, said in every verdict (design section 5).
LIMITS: Final[Mapping[str, str]] = {
    "scope/undeclared": "accelerators outside the signed inventory",
    "scope/model": "accelerators of a faster model than the inventory says",
    "scope/elsewhere": "work moved to sites or parties that the agreement does not name",
    "scope/bypass": "power drawn past every meter that the agreement names",
    "scope/fabricated": "records made up from the start, as far as no independent evidence contradicts them",
}
# And in every one about custody.
LIMITS_OF_CUSTODY: Final[Mapping[str, str]] = {"scope/unentered": "what was done to an archive and never entered"}


class Status(StrEnum):
    """What became of a check."""

    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    NOT_CHECKED = "not checked"


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """The most serious; of nothing it is unproven, since nothing passes on nothing."""
    return max(outcomes, key=_SEVERITY.index, default=Outcome.UNPROVEN)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong or missing: `outcome` is what it makes of what it stands in."""

    code: str
    outcome: Outcome
    text: str
    scope: Scope | None = None
    index: int = -1
    source: str = ""
    seq: int = -1
    start: int = 0
    end: int = 0
    feed: str = ""
    numbers: Mapping[str, int] = field(default_factory=dict)
    settle: str = ""
    command: str = ""


@dataclass(frozen=True, slots=True)
class Light:
    """One of the four lights of a party: authentic, complete, corroborated, within limit. Never merged."""

    name: str
    status: Status
    text: str


@dataclass(frozen=True, slots=True)
class TermResult:
    """One term in one window. `low`, `high`, `limit` and `tightest` (the tightest limit that this evidence would
    prove) are in `unit`, None where the term has none or nothing could be computed."""

    phase: str
    term: str
    kind: str
    outcome: Outcome
    start: int
    end: int
    level: int
    text: str
    unit: str = ""
    low: int | None = None
    high: int | None = None
    limit: int | None = None
    tightest: int | None = None
    parts: Mapping[str, int] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class SiteResult:
    """One log: its head, who witnessed it, and how many colluding witnesses could fork it.

    `note` is the SHA-256 of the checkpoint. `bundle` is what the copy is called where it lies; the data leaves it out,
    so that whoever has the same copy makes the same verdict of it.
    """

    name: str
    origin: str
    bundle: str
    size: int
    root: bytes
    note: bytes
    statements: int
    witnesses: tuple[str, ...]
    witnessed_at: int | None
    colluders: int
    devices: int


@dataclass(frozen=True, slots=True)
class PartyResult:
    """What is shown of one party."""

    iss: str
    name: str
    outcome: Outcome
    lights: tuple[Light, ...]
    sites: tuple[SiteResult, ...]
    terms: tuple[TermResult, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `check` found. `agreement` and `trust` are SHA-256 digests, `trust` None where nothing was pinned;
    `missing` says which input could not be read, so that nothing of it was verified; `events` are the SHA-256
    digests of the events that were given beside the copies."""

    at: int
    version: str
    agreement: bytes
    agreement_name: str
    agreement_version: int
    trust: bytes | None
    outcome: Outcome
    parties: tuple[PartyResult, ...]
    findings: tuple[Finding, ...]
    checks: tuple[tuple[str, Status, str], ...]
    pins: Mapping[str, Mapping[str, int]]
    missing: tuple[str, ...] = ()
    events: tuple[bytes, ...] = ()

    def __bool__(self) -> bool:
        raise TypeError("compare verdict.outcome")

    @property
    def decided_by(self) -> tuple[str, ...]:
        """The parties, by `iss`, whose outcome is that of the whole."""
        return tuple(party.iss for party in self.parties if party.outcome is self.outcome)

    @property
    def exit_code(self) -> int:
        """The exit code for the outcome and for what could not be read; the most serious of 5, 3, 6, 4, 0."""
        codes = [EXIT_CODES[self.outcome], *([EXIT_MISSING] if self.missing else [])]
        return max(codes, key=_EXIT_SEVERITY.index)


def finding_of(fault: Fault) -> Finding:
    """A fault of the evidence as a finding: unproven where the verifier lacks knowledge, else invalid."""
    ignorance = fault.code.startswith("unsupported/")
    return Finding(
        fault.code,
        Outcome.UNPROVEN if ignorance else Outcome.INVALID,
        fault.detail,
        None if ignorance else fault.scope,
        fault.index,
        fault.source,
        fault.seq,
    )


def utc(time: int) -> str:
    """A time as every report writes it: UTC, ISO 8601."""
    shown = datetime.fromtimestamp(max(_FIRST_TIME, min(time, _LAST_TIME)), UTC)
    return shown.isoformat(timespec="seconds").replace("+00:00", "Z")


def as_data(verdict: Verdict) -> dict[str, Any]:
    """The verdict as JSON data, schemas/verdict.schema.json; integers of any size, digests in hex, times in UTC."""
    kinds = {term.kind for party in verdict.parties for term in party.terms}
    return {
        "format": FORMAT,
        "version": verdict.version,
        "at": utc(verdict.at),
        "outcome": str(verdict.outcome),
        "exit_code": verdict.exit_code,
        "decided_by": list(verdict.decided_by),
        "agreement": {
            "sha256": verdict.agreement.hex(),
            "name": verdict.agreement_name,
            "version": verdict.agreement_version,
        },
        "trust": None if verdict.trust is None else {"sha256": verdict.trust.hex()},
        "events": [event.hex() for event in verdict.events],
        "parties": [_party(party) for party in verdict.parties],
        "findings": [_finding(finding) for finding in verdict.findings],
        "checks": [{"code": code, "status": str(status), "text": text} for code, status, text in verdict.checks],
        "pins": {model: dict(pin) for model, pin in sorted(verdict.pins.items())},
        "missing": list(verdict.missing),
        "not_covered": {**LIMITS, **(LIMITS_OF_CUSTODY if "custody" in kinds else {})},
    }


def _party(party: PartyResult) -> dict[str, Any]:
    return {
        "iss": party.iss,
        "name": party.name,
        "outcome": str(party.outcome),
        "lights": {light.name: {"status": str(light.status), "text": light.text} for light in party.lights},
        "sites": [
            {
                "name": site.name,
                "origin": site.origin,
                "size": site.size,
                "root": site.root.hex(),
                "checkpoint": site.note.hex(),
                "statements": site.statements,
                "witnesses": list(site.witnesses),
                "witnessed_at": None if site.witnessed_at is None else utc(site.witnessed_at),
                "colluders_to_fork": site.colluders,
                "devices": site.devices,
            }
            for site in party.sites
        ],
        "terms": [_term(term) for term in party.terms],
        "findings": [_finding(finding) for finding in party.findings],
    }


def _term(term: TermResult) -> dict[str, Any]:
    return {
        "phase": term.phase,
        "term": term.term,
        "kind": term.kind,
        "outcome": str(term.outcome),
        "from": utc(term.start),
        "until": utc(term.end),
        "assurance": f"L{term.level}",
        "text": term.text,
        "unit": term.unit,
        "low": term.low,
        "high": term.high,
        "limit": term.limit,
        "tightest": term.tightest,
        "parts": dict(term.parts),
        "findings": [_finding(finding) for finding in term.findings],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    where: dict[str, Any] = {}
    if finding.index >= 0:
        where["index"] = finding.index
    if finding.source:
        where["source"] = finding.source
    if finding.seq >= 0:
        where["seq"] = finding.seq
    if finding.end:
        where["from"], where["until"] = utc(finding.start), utc(finding.end)
    if finding.feed:
        where["feed"] = finding.feed
    return {
        "code": finding.code,
        "outcome": str(finding.outcome),
        "scope": None if finding.scope is None else str(finding.scope),
        "text": finding.text,
        "where": where,
        "numbers": dict(finding.numbers),
        "to_settle": finding.settle,
        "command": finding.command,
    }
