"""Agreements between simulated labs: their text, its signatures and the trust file that pins it.

pact = Pact((Identity("acme"),), (Phase("pause", start, end, ({"kind": "power-off", "assurance": "L4"},)),))
signed = verify_agreement(pact.signed())
trust = parse_trust(pact.trust())
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final, NamedTuple

from attest.agreement.signed import CONTENT_TYPE
from attest.format.event import CONTENT_TYPE as EVENT_TYPE
from attest.format.event import Allowance, Deed, EventAct, format_event
from attest.format.note import format_vkey
from attest.sign.documents import sign_document
from attest.sign.signer import Signer
from attest.simulate.cast import Adjudicators, Identity, Witnesses
from attest.trust.keys import format_key

Value = str | int | bool | datetime | Sequence[str] | Sequence[Mapping[str, str | datetime]]
Table = Mapping[str, Value]

METER: Final[Table] = {"error": "1 %", "clock": "1 s", "integrates": True}


class Phase(NamedTuple):
    """A phase and its terms, each as the keys and values of its table; with `on` no start counts."""

    name: str
    start: int
    end: int
    terms: tuple[Table, ...]
    on: str | None = None


@dataclass(frozen=True)
class Pact:
    """An agreement. `meter` has the figures of every lab's independent meter, None for no such meter; `pins` are
    tables of accelerator pins; `affiliated` are witnesses, by word, of a party by its name; `life` are the tables
    `amends`, `outages` and `withdrawal`, by name."""

    parties: tuple[Identity, ...]
    phases: tuple[Phase, ...]
    witnesses: Witnesses = field(default_factory=Witnesses)
    name: str = "A pause"
    version: int = 1
    bucket: str = "1 h"
    interval: str = "60 s"
    max_lag: str = "12 h"
    grace: str = "1 d"
    tolerates: int = 1
    devices: int | None = None
    meter: Table | None = field(default_factory=lambda: METER)
    pins: tuple[Table, ...] = ()
    affiliated: Mapping[str, Sequence[str]] = field(default_factory=dict)
    adjudicators: Adjudicators | None = None
    life: Mapping[str, Table] = field(default_factory=dict)

    def text(self) -> bytes:
        """The TOML text that the parties sign."""
        lines = _table(
            None,
            {
                "name": self.name,
                "version": self.version,
                "bucket": self.bucket,
                "interval": self.interval,
                "max_lag": self.max_lag,
                "grace": self.grace,
            },
        )
        lines += ["", "[witnesses]", f"tolerates = {self.tolerates}", f'policy = """\n{self.witnesses.policy()}"""']
        if self.adjudicators is not None:
            lines += ["", "[adjudicators]", f"threshold = {self.adjudicators.threshold}"]
            for name, holder in zip(self.adjudicators.names, self.adjudicators.keys(), strict=True):
                lines += _table("[adjudicators.holder]", {"name": name, "keys": [format_key(holder.public_key())]})
        for word, table in self.life.items():
            lines += ["", f"[{word}]", *_table(None, table)]
        for party in self.parties:
            lines += _table("[party]", {"iss": party.iss, "name": party.name, **self._affiliated(party)})
            lines += _holders(party)
            site: dict[str, Value] = {
                "name": f"{party.name}-{party.site_name}",
                "origin": party.origin,
                "log_keys": [format_vkey(vkey) for vkey in party.log_vkeys()],
            }
            lines += _table("[party.site]", site if self.devices is None else {**site, "devices": self.devices})
            if self.meter is not None:
                key = format_key(party.key("meter").public_key())
                lines += _table("[party.meter]", {"sub": party.meter, "iss": party.meter_iss, "key": key, **self.meter})
        for pin in self.pins:
            lines += _table("[pin]", pin)
        for phase in self.phases:
            lines += _table("[phase]", {"name": phase.name})
            lines += [f"start = {_time(phase.start)}" if phase.on is None else f'on = "{phase.on}"']
            lines += [f"end = {_time(phase.end)}"]
            for term in phase.terms:
                lines += _table("[phase.term]", term)
        return ("\n".join(lines).lstrip("\n") + "\n").encode()

    def signed(self, signers: Sequence[Signer] | None = None) -> bytes:
        """The file that travels: the text with the signatures of all root holders, or of these signers."""
        chosen = signers or [key for party in self.parties for key in party.holder_keys()]
        return sign_document(self.text(), CONTENT_TYPE, chosen)

    def event(
        self,
        deed: Deed,
        number: int,
        start: int,
        end: int,
        *,
        party: str | None = None,
        phase: str | None = "pause",
        allowance: Allowance | None = None,
        signers: Sequence[Signer] | None = None,
    ) -> bytes:
        """An event of the agreement, signed by the adjudicators or by these signers."""
        chosen = signers or (() if self.adjudicators is None else self.adjudicators.keys())
        act = EventAct(deed, sha256(self.text()).digest(), party, phase, number, start, end, allowance)
        return sign_document(format_event(act), EVENT_TYPE, chosen)

    def trust(self) -> bytes:
        """A trust file that pins the text by its digest."""
        return f'[agreement]\nsha256 = "{sha256(self.text()).hexdigest()}"\n'.encode()

    def trust_holders(self) -> bytes:
        """A trust file that pins the root holders of every party."""
        lines: list[str] = []
        for party in self.parties:
            lines += _table("[party]", {"iss": party.iss}) + _holders(party)
        return ("\n".join(lines).lstrip("\n") + "\n").encode()

    def _affiliated(self, party: Identity) -> Table:
        words = self.affiliated.get(party.name)
        return {} if words is None else {"affiliated": words}


def _holders(party: Identity) -> list[str]:
    lines = [f"threshold = {party.threshold}"]
    for name, key in zip(party.holders, party.holder_keys(), strict=True):
        lines += _table("[party.holder]", {"name": name, "keys": [format_key(key.public_key())]})
    return lines


def _table(name: str | None, values: Table) -> list[str]:
    head = [] if name is None else ["", f"[{name}]"]
    return head + [f"{key} = {_value(value)}" for key, value in values.items()]


def _value(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%dT%H:%M:%SZ}"
    return "[" + ", ".join(_item(item) for item in value) + "]"


def _item(value: str | Mapping[str, str | datetime]) -> str:
    if isinstance(value, str):
        return _value(value)
    return "{ " + ", ".join(f"{key} = {_value(of)}" for key, of in value.items()) + " }"


def _time(time: int) -> str:
    return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%dT%H:%M:%SZ}"
