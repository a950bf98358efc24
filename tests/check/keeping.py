"""A small archive, an agreement about the custody of what it keeps, and the verdict on what became of its log."""

from dataclasses import replace

from attest.simulate.archive import NOBODY, Archive
from attest.simulate.cast import Identity, Witnesses
from attest.simulate.pact import Pact, Phase, Table
from tests.check.world import DAY, END, HOUR, START

KEEPER = Identity("keeper", site_name="custody")
FOUR = Witnesses()
SILENCE: Table = {"kind": "custody", "max_silence": "2 h"}
NOW = END + 2 * HOUR


def keeping(
    *terms: Table, witnesses: Witnesses = NOBODY, start: int = START, end: int = END, grace: str = "1 h"
) -> Pact:
    """An agreement about one archive, by default without a witness."""
    pact = Pact((KEEPER,), (Phase("custody", start, end, terms or (SILENCE,)),), witnesses=witnesses, meter=None)
    return replace(pact, max_lag="1 h", grace=grace, tolerates=1 if witnesses.count else 0)


def kept(acts: int = 25, witnesses: Witnesses = NOBODY, start: int = START) -> Archive:
    """An archive that took a delivery an hour, past the end of the day by default."""
    made = Archive(KEEPER, start, witnesses)
    made.keep(acts)
    assert made.now == start + acts * HOUR and DAY == 24 * HOUR
    return made


def rewritten(made: Archive, *indices: int) -> Archive:
    """The archive without some of its entries; its keys sign what is left."""
    gone = {len(made.entries) + index if index < 0 else index for index in indices}
    made.entries = [entry for index, entry in enumerate(made.entries) if index not in gone]
    made.note = None
    return made
