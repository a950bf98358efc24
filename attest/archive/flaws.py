"""What `fixity` has against a store, and what was mended of it, as objects that the custody log names.

    {"format": "attest-fixity/1", "flaws": [{"kind": "changed", "path": "objects/...", "text": "...", "size": 912,
                                             "deliveries": ["..."]}]}
    {"format": "attest-repair/1", "objects": [{"sha256": "...", "sha512": "...", "size": 912, "found": "..." or null,
                                               "version": "..." or null}]}

A flaw names deliveries that hold the object: put again, each mends it. `found` is the SHA-256 of what was in its place.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from attest.archive.address import FOLDER, Address, parse_path

CHANGED, MISSING, UNTRACKED = "changed", "missing", "untracked"
LOST: Final = (CHANGED, MISSING)
FIXITY: Final = "attest-fixity/1"
REPAIR: Final = "attest-repair/1"


class Flaw(NamedTuple):
    """What is wrong with which path of the store; of what is needed its size in bytes, and deliveries that mend it."""

    kind: str
    path: str
    text: str
    size: int | None = None
    deliveries: tuple[str, ...] = ()

    @property
    def address(self) -> Address | None:
        """The object that is changed or missing, None of anything else."""
        if self.kind not in LOST or self.size is None or not self.path.startswith(f"{FOLDER}/"):
            return None
        return parse_path(self.path, self.size)


class Repair(NamedTuple):
    """An object that was written anew: the SHA-256 of what was there, None for nothing; the version that it is now."""

    address: Address
    found: bytes | None
    version: str | None


def format_flaws(flaws: Sequence[Flaw]) -> bytes:
    """As the custody log names it."""
    return _json({"format": FIXITY, "flaws": [flaw._asdict() for flaw in flaws]})


def parse_flaws(data: bytes) -> Iterator[Flaw]:
    """What `format_flaws` wrote."""
    for item in json.loads(data)["flaws"]:
        yield Flaw(**item | {"deliveries": tuple(item["deliveries"])})


def format_repairs(repairs: Sequence[Repair]) -> bytes:
    """As the custody log names it."""
    listed = [
        {
            "sha256": each.address.sha256.hex(),
            "sha512": each.address.sha512.hex(),
            "size": each.address.size,
            "found": None if each.found is None else each.found.hex(),
            "version": each.version,
        }
        for each in repairs
    ]
    return _json({"format": REPAIR, "objects": listed})


def repaired(data: bytes) -> list[Address]:
    """The objects of what `format_repairs` wrote."""
    listed = json.loads(data)["objects"]
    return [Address(bytes.fromhex(o["sha256"]), bytes.fromhex(o["sha512"]), o["size"]) for o in listed]


def _json(data: dict[str, Any]) -> bytes:
    return (json.dumps(data, indent=2, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")
