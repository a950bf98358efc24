"""What `probe` tries on a store, and how one attempt came out."""

from collections.abc import Iterable
from typing import Final, NamedTuple

PREVENTED: Final = "prevented"
ALLOWED: Final = "allowed"
UNTRIED: Final = "not tried"

PLACE: Final = "probe"  # where canaries are, below the store
PROTECTING: Final = (
    "overwrite",
    "delete",
    "delete-version",
    "delete-bulk",
    "delete-bypass",
    "shorten",
    "mode",
    "delete-held",
)


class Tried(NamedTuple):
    """One attempt: its name, `prevented`, `allowed` or `not tried`, and what the store said or why it was not tried."""

    attempt: str
    outcome: str
    detail: str


def tried(attempt: str, kept: bool, refused: str) -> Tried:
    """How an attempt came out: was the canary as before, and with which words was it refused, if it was?"""
    if kept:
        return Tried(attempt, PREVENTED, refused or "it was accepted, and the canary is as it was")
    return Tried(attempt, ALLOWED, f"{refused}, and it happened" if refused else "it was accepted, and it happened")


def write_once(found: Iterable[Tried]) -> bool:
    """Was everything prevented that would remove or change what is locked? What was not tried was not."""
    outcomes = {each.attempt: each.outcome for each in found}
    return all(outcomes.get(attempt) == PREVENTED for attempt in PROTECTING)
