r"""What hides the name of a run in statements, and what opens it again (schemas/workloads.md, "Openings").

    commitment = SHA-256("attest/run/1" || 0x00 || salt || name in UTF-8)

The salt has 32 bytes, so that nobody finds a name by trying names. All hosts of a party must commit to one run alike,
and give one lineage and one owner the same number, without asking each other: all of these follow from a secret that
the party's hosts share, each under a word of its own.

    salt   = HMAC-SHA-256(secret, "attest/run-salt/1" || 0x00 || name)
    number = the first 8 bytes of HMAC-SHA-256(secret, "attest/lineage/1" || 0x00 || name), and 1 for 0

An opening is a text of three lines, exactly these, that tells one name and nothing of any other:

    >>> opening = Opening("slurm/hpc/5679@1762788040", bytes(32))
    >>> print(format_opening(opening).decode(), end="")
    attest-opening/1
    run slurm/hpc/5679@1762788040
    salt 0000000000000000000000000000000000000000000000000000000000000000
    >>> parse_opening(format_opening(opening)) == opening
    True
    >>> commitment(opening).hex()[:16]
    '4cad4fceb822fa2e'
"""

from hashlib import sha256
from hmac import digest
from typing import Final, NamedTuple

from attest.errors import MalformedError
from attest.format.fields import MAX_TEXT, text

SALT_SIZE: Final = 32
SECRET_SIZE: Final = 32
MAX_OPENING: Final = 4 * MAX_TEXT + 256  # bytes

_MAGIC: Final = b"attest-opening/1\nrun "
_SALT: Final = b"\nsalt "


class Opening(NamedTuple):
    """The name of a run, and the salt that its commitment was made with."""

    run: str
    salt: bytes


def commitment(opening: Opening) -> bytes:
    """What statements have in place of the name."""
    return sha256(b"attest/run/1\0" + opening.salt + opening.run.encode()).digest()


def opening_of(secret: bytes, run: str) -> Opening:
    """A run's opening; the same on every host that has the secret."""
    return Opening(run, digest(secret, b"attest/run-salt/1\0" + run.encode(), "sha256"))


def lineage_number(secret: bytes, name: str) -> int:
    """The number of a lineage, never 0, which is that of none."""
    return _number(secret, b"attest/lineage/1\0", name)


def owner_number(secret: bytes, name: str) -> int:
    """The number of an owner; 0 if there is none."""
    return _number(secret, b"attest/owner/1\0", name) if name else 0


def format_opening(opening: Opening) -> bytes:
    """What `parse_opening` accepts."""
    return _MAGIC + opening.run.encode() + _SALT + opening.salt.hex().encode() + b"\n"


def parse_opening(data: bytes) -> Opening:
    """An opening's text. Raises MalformedError `opening/format`, `statement/text`."""
    if len(data) > MAX_OPENING or not data.startswith(_MAGIC):
        _bad()
    run, found, salt = data[len(_MAGIC) :].partition(_SALT)
    if not found:
        _bad()
    try:
        opening = Opening(text(run.decode(), "opening.run"), bytes.fromhex(salt.decode()))
    except ValueError:
        _bad()
    if len(opening.salt) != SALT_SIZE or format_opening(opening) != data:
        _bad()
    return opening


def _number(secret: bytes, word: bytes, name: str) -> int:
    return int.from_bytes(digest(secret, word + name.encode(), "sha256")[:8]) or 1


def _bad() -> None:
    raise MalformedError("opening/format", "not the three lines of an opening", hint="attest reveal makes one")
