"""Judging again what was judged before: which verdicts moved, and why.

The time of judgement stays what it was, so that nothing but the program, or what a store did to the evidence, can move
a verdict.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from sqlalchemy import select

from attest import __version__
from attest.archive import deliveries
from attest.archive.place import Archive
from attest.archive.putting import record_verdict
from attest.archive.stored import read_whole
from attest.archive.tables import DELIVERIES, ENTRIES
from attest.check import Map
from attest.errors import EvidenceError, MissingError

MOST_REASONS = 20


class Moved(NamedTuple):
    """A delivery judged again: the outcome before and now, the programs, and where they differ."""

    id: str
    before: str
    now: str
    reasons: tuple[str, ...]

    @property
    def moved(self) -> bool:
        """Whether anything of it is different."""
        return bool(self.reasons)


def recheck(
    archive: Archive, ids: list[str], *, actor: str, clock: Callable[[], int], map_: Map = map
) -> Iterator[Moved]:
    """Judges deliveries again, each at the time it was judged at before, or as of now if it never was."""
    for id_ in ids:
        with archive.index.reading() as connection:
            row = deliveries.find(connection, id_)
            entry = connection.execute(select(ENTRIES.c.details).where(ENTRIES.c.n == row.verdict_n)).one_or_none()
        said = {} if entry is None else json.loads(entry.details)
        try:
            manifest = deliveries.manifest_of(archive.objects, row)
        except (EvidenceError, MissingError) as error:
            yield Moved(row.id, said.get("outcome", "none"), "unreadable", (str(error),))
            continue
        at = deliveries.seconds(said["at"]) if said else clock()
        judged = record_verdict(archive, row.id, manifest, at, "recheck", actor=actor, clock=clock, map_=map_)
        after = None if judged.verdict is None else json.loads(judged.verdict)
        try:
            judged_then = said and after is not None
            reasons = list(differences(_verdict_before(archive, row.verdict_n), after)) if judged_then else []
        except (EvidenceError, MissingError) as error:  # the outcome is in the index
            reasons = [f"the verdict before cannot be read: {error}"]
        if said and said["outcome"] != judged.outcome:
            reasons.insert(0, f"outcome {said['outcome']} is now {judged.outcome}")
        if judged.why is not None and reasons:
            reasons.append(str(judged.why))
        if reasons and said["verifier"] != __version__:
            reasons.append(f"judged by version {said['verifier']} then, by {__version__} now")
        yield Moved(row.id, said.get("outcome", "none"), judged.outcome, tuple(reasons[:MOST_REASONS]))


def everything(archive: Archive) -> list[str]:
    """The ids of all deliveries that there are."""
    with archive.index.reading() as connection:
        there = select(DELIVERIES.c.id).where(DELIVERIES.c.expired_n.is_(None)).order_by(DELIVERIES.c.put_n)
        return list(connection.execute(there).scalars())


def differences(before: Any, after: Any, where: str = "") -> Iterator[str]:
    """Each place at which two verdicts say different things, but for the program's version."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys() - {"version"}):
            if key != "version":
                yield from differences(before.get(key), after.get(key), f"{where}.{key}" if where else key)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, (old, new) in enumerate(zip(before, after, strict=True)):
            yield from differences(old, new, f"{where}[{number}]")
    elif before != after:
        yield f"{where}: {_short(before)} is now {_short(after)}"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 120 else f"{text[:120]}…"


def _verdict_before(archive: Archive, n: int) -> Any:
    """None if there was none. Raises EvidenceError, MissingError where the store has lost it or its entry."""
    address = archive.custody.object_of(n, "verdict")
    return None if address is None else json.loads(read_whole(archive.objects, address))
