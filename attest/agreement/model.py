"""What an agreement says: parties, sites, meters, pins, phases and terms, as values (schemas/agreement.md).

All numbers are integers: time in Unix s and durations in s, compute in FLOP, energy in mJ, power in mW, errors and
shares in parts per million. What these types cannot say by themselves (names that exist, keys with one role, phases
that do not overlap) holds of every agreement that `attest.agreement.parse_agreement` returns.

Terms are in `attest.agreement.kinds`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from attest.agreement.kinds import Term
from attest.agreement.life import Life
from attest.compute.accelerators import default_pin, lookup
from attest.compute.pins import Pin
from attest.errors import AgreementError, UnsupportedError
from attest.format.note import Vkey
from attest.trust.holders import Holders
from attest.trust.keys import PublicKey
from attest.trust.quorum import Policy


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


class On(StrEnum):
    """What a phase begins on, where that is no time: a trigger, or the lifting of the phase listed before it."""

    TRIGGER = "trigger"
    LIFT = "lift"


@dataclass(frozen=True, slots=True)
class Phase:
    """A window [start, end) in which its terms apply; with `on`, `start` is the earliest that it can begin."""

    name: str
    start: int
    end: int
    terms: tuple[Term, ...]
    on: On | None = None


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
    life: Life = field(default_factory=Life, hash=False)

    def phase(self, name: str) -> Phase | None:
        """The phase of this name, if the agreement has it."""
        return next((phase for phase in self.phases if phase.name == name), None)

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
