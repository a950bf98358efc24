"""Puts public keys into pact.toml, as its parties would by hand: python fill.py

A place is written `@FILE@` for a key, `@FILE, log NAME@` and `@FILE, witness NAME@` for the verifier key of notes that
are signed under this name. FILE is the private key; in earnest each party sends its public key and keeps that.
"""

import re
from pathlib import Path

from attest.format.note import format_vkey
from attest.sign.files import load_key
from attest.trust.keys import format_key
from attest.trust.notes import log_vkey, witness_vkey

PLACE = re.compile(r"@([\w/]+\.key)(?:, (log|witness) ([\w./]+))?@")


def public(place: re.Match[str]) -> str:
    """What goes into a place."""
    path, role, name = place.groups()
    key = load_key(path).public_key()
    if role is None:
        return format_key(key)
    return format_vkey((log_vkey if role == "log" else witness_vkey)(name, key))


if __name__ == "__main__":
    text = Path("pact.toml")
    text.write_text(PLACE.sub(public, text.read_text("utf-8")), "utf-8")
