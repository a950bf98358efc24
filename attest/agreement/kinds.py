"""What an agreement can demand: one type for each kind of term (schemas/agreement.md, "Terms").

A term is judged for each party it binds by itself: a cap of 1e22 FLOP allows every party 1e22. `parties` and `sites`
of a term are written out, also where the text leaves them to mean all. Compute is in FLOP, energy in mJ, power in mW,
durations in s and shares in parts per million.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import ClassVar, Final, NamedTuple

from attest.format.vocabulary import Label


class Assurance(IntEnum):
    """By what a total is held up; derived from evidence, never set by a caller."""

    L0 = 0  # unsigned
    L1 = 1  # the lab's software key
    L2 = 2  # a key proven to be held in hardware
    L3 = 3  # an approved, measured agent bound to the statement
    L4 = 4  # an independent party's measurement that agrees


GOOD_CLOCK: Final = 60  # of a meter: one that is wrong by at most one part in so many of a bucket

LABELS: Final[Mapping[str, Label]] = {
    label.name.lower().replace("_", "-"): label for label in Label if label is not Label.NONE
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Term:
    """What every term has: its name, unique in its phase, and the parties and sites it binds."""

    kind: ClassVar[str]
    name: str
    parties: tuple[str, ...]
    sites: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ComputeCap(_Term):
    """At most `limit` FLOP, of one label or of anything, over the phase or any window of `window_s`."""

    kind: ClassVar[str] = "compute-cap"
    limit: int
    label: Label | None
    window_s: int | None
    assurance: Assurance


@dataclass(frozen=True, slots=True, kw_only=True)
class Slowdown(_Term):
    """At most `share_ppm` of `baseline` FLOP/s, a number frozen when the agreement was signed, over the phase or any
    window of `window_s`."""

    kind: ClassVar[str] = "slowdown"
    baseline: int
    share_ppm: int
    label: Label | None
    window_s: int | None
    assurance: Assurance


class Tie(StrEnum):
    """What makes runs one."""

    LINEAGE = "lineage"
    OWNER = "owner"


class Step(NamedTuple):
    """A step of a ramp: at most `limit` FLOP from `start` to `end`, Unix s."""

    start: int
    end: int
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ramp(_Term):
    """A staircase of compute caps, each for a piece of the phase and none faster than the one before."""

    kind: ClassVar[str] = "ramp"
    steps: tuple[Step, ...]
    label: Label | None
    assurance: Assurance


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCap(_Term):
    """At most `limit` FLOP by any one run, summed over its lineage, or by all runs of any one owner."""

    kind: ClassVar[str] = "run-cap"
    limit: int
    per: Tie
    label: Label | None
    assurance: Assurance


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleCap(_Term):
    """No run on more than `devices` accelerators at once; if `fabric_mib` is not None, no more than that through the
    fabric of any accelerator while it is on runs, over the phase or any window of `window_s`."""

    kind: ClassVar[str] = "scale-cap"
    devices: int
    fabric_mib: int | None
    window_s: int | None
    label: Label | None
    assurance: Assurance


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerOff(_Term):
    """Every accelerator is off, and a meter agrees."""

    kind: ClassVar[str] = "power-off"
    assurance: Assurance


@dataclass(frozen=True, slots=True, kw_only=True)
class Idle(_Term):
    """Accelerators draw at most `power_mw` each, as the mean of a host's alike in any bucket, and have tensor cycles in
    at most `activity_ppm` of the time, if that is not None."""

    kind: ClassVar[str] = "idle"
    power_mw: int
    activity_ppm: int | None
    assurance: Assurance


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage(_Term):
    """At least `share_ppm` of all device-intervals are accounted for."""

    kind: ClassVar[str] = "coverage"
    share_ppm: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness(_Term):
    """The newest witnessed head is at most `max_age_s` old when it is judged."""

    kind: ClassVar[str] = "freshness"
    max_age_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Witnessing(_Term):
    """Every statement of the phase was witnessed by the agreement's quorum within `max_lag_s` of its window."""

    kind: ClassVar[str] = "witnessing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap(_Term):
    """No accelerator is unaccounted for longer than `longest_s` at a time, nor than `outage_s` in all of the phase."""

    kind: ClassVar[str] = "gap"
    longest_s: int
    outage_s: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeliness(_Term):
    """At least `share_ppm` of what hosts tell of was witnessed within `max_lag_s` of the end of their windows, by
    heads that the log keeps."""

    kind: ClassVar[str] = "timeliness"
    share_ppm: int
    max_lag_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AssuranceShare(_Term):
    """Evidence of `level` or better stands over at least `share_ppm` of the declared device-time."""

    kind: ClassVar[str] = "assurance"
    level: Assurance
    share_ppm: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reporting(_Term):
    """Every run on more than `devices` accelerators at once was announced `notice_s` before it started, and closed at
    most `closing_s` after it ended, if that is not None."""

    kind: ClassVar[str] = "reporting"
    notice_s: int
    closing_s: int | None
    devices: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory(_Term):
    """The inventory in force lists `minimum` to `maximum` accelerators, or is the one with digest `roster`."""

    kind: ClassVar[str] = "inventory"
    minimum: int | None
    maximum: int | None
    roster: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerCap(_Term):
    """No bucket with a mean over `limit_mw`, or at most `limit_mj` over the phase or any window of `window_s`.

    Of the meter with this sub, of one feed, or with neither of the sum of all feeds that come from outside.
    """

    kind: ClassVar[str] = "power-cap"
    meter: str | None
    feed: str | None
    limit_mw: int | None
    limit_mj: int | None
    window_s: int | None
    assurance: Assurance


@dataclass(frozen=True, slots=True, kw_only=True)
class Custody(_Term):
    """The custody statements of a site's office are one unbroken chain through the phase; if `max_silence_s` is not
    None, with no longer than that between one and the next."""

    kind: ClassVar[str] = "custody"
    max_silence_s: int | None


Term = (
    ComputeCap
    | Slowdown
    | Ramp
    | RunCap
    | ScaleCap
    | PowerOff
    | Idle
    | PowerCap
    | Coverage
    | Gap
    | Freshness
    | Timeliness
    | Witnessing
    | AssuranceShare
    | Inventory
    | Reporting
    | Custody
)
