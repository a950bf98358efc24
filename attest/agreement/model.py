"""What an agreement says: parties, sites, meters, pins, phases and terms, as values (schemas/agreement.md).

All numbers are integers: time in Unix s and durations in s, compute in FLOP, energy in mJ, power in mW, errors and
shares in parts per million. What these types cannot say by themselves (names that exist, keys with one role, phases
that do not overlap) holds of every agreement that `attest.agreement.parse_agreement` returns.

A term is judged for each party it binds by itself: a cap of 1e22 FLOP allows every party 1e22. `parties` and
`sites` of a term are written out, also where the text leaves them to mean all.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import ClassVar, Final

from attest.compute.accelerators import default_pin, lookup
from attest.compute.pins import Pin
from attest.errors import AgreementError, UnsupportedError
from attest.format.note import Vkey
from attest.format.vocabulary import Label
from attest.trust.holders import Holders
from attest.trust.keys import PublicKey
from attest.trust.quorum import Policy


class Assurance(IntEnum):
    """By what a total is held up; derived from evidence, never set by a caller."""

    L0 = 0  # unsigned
    L1 = 1  # the lab's software key
    L2 = 2  # a key proven to be held in hardware
    L3 = 3  # an approved, measured agent bound to the statement
    L4 = 4  # an independent party's measurement that agrees


LABELS: Final[Mapping[str, Label]] = {
    label.name.lower().replace("_", "-"): label for label in Label if label is not Label.NONE
}


@dataclass(frozen=True, slots=True)
class Site:
    """One place with its own log. `devices`: how many accelerators the parties were told of, None if not said."""

    name: str
    origin: str
    log_keys: tuple[Vkey, ...]
    devices: int | None


@dataclass(frozen=True, slots=True)
class Meter:
    """An independent meter: its key comes from the agreement alone, and it speaks in the log of `site`.

    iss: who operates it. clock_uncertainty_s: None where nothing is known of its clock. storage_mj (a day) and
    generation_mw: what could feed devices behind it unseen. integrates: a reading is the mean over its step (a
    gauge bounds nothing). boot_mj: least energy of one boot of a circuit behind it, None for the pins' figure.
    """

    sub: str
    iss: str
    site: str
    key: PublicKey
    error_ppm: int
    clock_uncertainty_s: int | None
    storage_mj: int
    generation_mw: int
    integrates: bool
    boot_mj: int | None


@dataclass(frozen=True, slots=True)
class Party:
    """A lab bound by the agreement. `affiliated`: witnesses, by name in the policy, that do not count for it."""

    iss: str
    name: str
    holders: Holders
    sites: tuple[Site, ...]
    meters: tuple[Meter, ...]
    affiliated: tuple[str, ...]

    def site(self, name: str) -> Site:
        return next(site for site in self.sites if site.name == name)


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
class PowerOff(_Term):
    """Every accelerator is off, and a meter agrees."""

    kind: ClassVar[str] = "power-off"
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


Term = ComputeCap | PowerOff | Coverage | Freshness | Witnessing | Inventory | PowerCap


@dataclass(frozen=True, slots=True)
class Phase:
    """A window [start, end) in which its terms apply."""

    name: str
    start: int
    end: int
    terms: tuple[Term, ...]


@dataclass(frozen=True)
class Agreement:
    """The signed terms. `digest` is the SHA-256 of `text`, the exact bytes that are signed.

    bucket_s: the grain of totals; interval_s: one sampling period; max_lag_s: how late a statement may be witnessed;
    grace_s: how long after a hole a duty counts as missed; tolerates: how many colluding witnesses must not be able
    to fork a log. `pins` has the models for which the agreement sets figures.
    """

    name: str
    version: int
    digest: bytes
    text: bytes = field(repr=False)
    bucket_s: int
    interval_s: int
    max_lag_s: int
    grace_s: int
    tolerates: int
    policy: Policy
    parties: tuple[Party, ...]
    pins: Mapping[str, Pin] = field(hash=False)
    phases: tuple[Phase, ...]

    def party(self, iss: str) -> Party | None:
        """The party of this `iss`, if the agreement has it."""
        return next((party for party in self.parties if party.iss == iss), None)

    def site(self, origin: str) -> tuple[Party, Site] | None:
        """The party and site whose log has this origin, if the agreement has it."""
        return next(((p, site) for p in self.parties for site in p.sites if site.origin == origin), None)

    def pin(self, model: str) -> Pin:
        """What bounds devices of `model`, named as in the pins, as in the table, or as telemetry names it.

        Raises UnsupportedError where neither the agreement nor the table bounds it.
        """
        try:
            return self.pins.get(canonical_model(model)) or default_pin(model)
        except AgreementError as error:
            raise UnsupportedError(error.code, error.detail, hint=error.hint) from error

    def pin_or_none(self, model: str) -> Pin | None:
        """The same, or None."""
        try:
            return self.pin(model)
        except UnsupportedError:
            return None


def canonical_model(model: str) -> str:
    """The table's name of a model, or the name itself where the table does not know it."""
    try:
        return lookup(model).name
    except UnsupportedError:
        return model
