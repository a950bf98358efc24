"""Templates with their blanks filled by test keys, as people would fill them."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from attest.format.note import format_vkey
from attest.simulate.cast import Identity, Witnesses
from attest.trust.keys import format_key

BLANK = re.compile(r"<fill \d+: ([^>]*)>")
ORDER = ("first", "second", "third")
CHOICES = {
    "what the agreement is called": "A test",
    "what the party did": "1e19 FLOP/s",
    "how much of it": "50 %",
    "the largest run": "1e21 FLOP",
}


def filled(template: str, parties: Sequence[Identity], start: int, end: int) -> str:
    """The template with every blank filled for these two parties."""
    times = {"when it begins": start, "when it ends": end}
    witnesses = Witnesses().members()

    def fill(match: re.Match[str]) -> str:
        what = match[1]
        for begin, choice in CHOICES.items():
            if what.startswith(begin):
                return choice
        for begin, time in times.items():
            if what.startswith(begin):
                return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%dT%H:%M:%SZ}"
        if what.startswith("verifier key of witness"):
            return format_vkey(witnesses[int(what[-1]) - 1].vkey)
        party = next(p for p, word in zip(parties, ORDER, strict=False) if f"the {word} party" in what)
        if "root holder" in what:
            number = next(n for n, word in enumerate(ORDER) if f"the {word} root holder" in what)
            return (
                party.holders[number]
                if what.startswith("name")
                else format_key(party.holder_keys()[number].public_key())
            )
        return next(of(party) for begin, of in FIELDS.items() if what.startswith(begin))

    text = BLANK.sub(fill, template)
    return re.sub(r'^(start|end) = "(.*)"$', r"\1 = \2", text, flags=re.MULTILINE)


FIELDS: dict[str, Callable[[Identity], str]] = {
    "URI of the meter": lambda party: party.meter,
    "URI of who operates": lambda party: party.meter_iss,
    "URI of the": lambda party: party.iss,
    "name of the site": lambda party: f"{party.name}-{party.site_name}",
    "name of the": lambda party: party.name,
    "origin of the log": lambda party: party.origin,
    "verifier key of the log": lambda party: format_vkey(party.log_vkeys()[0]),
    "public key of the meter": lambda party: format_key(party.key("meter").public_key()),
}
