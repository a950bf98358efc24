"""A large site, quickly made: the workload by which verification is timed (tests/bench).

Hosts of eight devices with a row of 18 bytes every minute. 2 % of device-intervals are gaps of 1 to 20 minutes that
the devices' counters bridge, and in 5 % of device-hours another run begins. No two statements have the same spans,
so that nothing is gained by remembering. Values are drawn once and repeated with every fiftieth statement or so: what
they are makes no difference to what it costs to read them.

    fleet = Fleet(Path("big"), hosts=500, days=4)     # 2,000 host-days, 415 MB, in a couple of seconds
    check([DirectoryBundle(fleet.path)], verify_agreement(fleet.pact.signed()), trust, at=fleet.at)
"""

from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from attest.compute.columns import SPAN
from attest.format.block import DTYPES
from attest.format.runs import NO_RUN, Run
from attest.format.vocabulary import Column, Label, Precision, State
from attest.log import tiles
from attest.log.merkle import leaf_hash
from attest.log.tiles import CHECKPOINT, PADDING, WIDTH, Tile
from attest.simulate.cast import Identity
from attest.simulate.draws import Ints, Stream, named_bytes
from attest.simulate.figures import Range
from attest.simulate.lab import Lab
from attest.simulate.pact import Pact, Phase
from attest.simulate.site import DEVICES, Plan, Site
from attest.simulate.source import Entry
from attest.simulate.telemetry import COLUMNS, Observed

HOUR: Final = 3_600
DAY: Final = 86_400
START: Final = 1_794_182_400  # 2026-11-09T00:00:00Z
GAP: Final = Range(1, 20)  # intervals
GAPS_PPM: Final = 20_000  # of device-intervals
BEGINNINGS_PPM: Final = 50_000  # of device-hours
TEMPLATES: Final = 48
_RANGES: Final = {
    Column.ENERGY: Range(5_000_000, 42_000_000),
    Column.CYCLES: Range(0, 65_000),
    Column.FABRIC: Range(0, 3_000_000),
    Column.SM: Range(0, 9_600),
    Column.DRAM: Range(0, 7_000),
    Column.CLOCK: Range(345, 1_980),
}
_RUNS: Final = tuple(
    Run(named_bytes(f"fleet run {number}"), label, precision, number, None)
    for number, (label, precision) in enumerate(
        ((Label.TRAINING, Precision.BF16), (Label.INFERENCE, Precision.FP8), (Label.FINE_TUNING, Precision.BF16))
    )
)


class Fleet(Lab):
    """A site of `hosts` nodes for `days` days, written to `path` as it is made; statements are of `window_s`."""

    def __init__(self, path: Path, hosts: int, days: int, *, window_s: int = DAY, seed: str = "fleet") -> None:
        self.path = path
        self._leaves = bytearray()
        self._tile: list[Entry] = []
        plan = Plan(seed, hosts, START, START + days * DAY)
        self._intervals = window_s // plan.interval
        self._stream = Stream(f"fleet {seed}")
        shape = (TEMPLATES, DEVICES, self._intervals)
        self._values = {c: self._stream.array(_RANGES[c], shape).astype(DTYPES[c]) for c in COLUMNS}
        self._energy = np.full((hosts, DEVICES), 10**12, np.int64)
        self._cycles = np.full((hosts, DEVICES), 10**9, np.int64)
        super().__init__(Identity(seed), Site(plan), window_s=window_s, head_s=window_s, meter=None)
        self.run()
        self._finish()

    @property
    def pact(self) -> Pact:
        """An agreement over the site's whole time that its own counters can keep."""
        plan = self.site.plan
        terms = (
            {"kind": "compute-cap", "limit": "1e27 FLOP", "assurance": "L1"},
            {"kind": "coverage", "share": "90 %"},
            {"kind": "witnessing"},
        )
        phase = Phase("operation", plan.start, plan.end, terms)
        return Pact((self.identity,), (phase,), self.witnesses, max_lag="25 h", meter=None)

    @property
    def at(self) -> int:
        """A time to judge at."""
        return self.now + HOUR

    def report(self, mute: object = None) -> None:
        """Every host's statement, with what `_observe` makes up."""
        for node in range(self.site.plan.nodes):
            self.host(node).append(self.usage(node, self.now, self._observe(node)))

    def append(self, entry: bytes, block: bytes | None = None) -> int:
        """To the tile at hand, which is written when it is full."""
        self._leaves += leaf_hash(entry)
        self._tile.append(Entry(entry, block))
        if len(self._tile) == WIDTH:
            self._flush()
        return self.size - 1

    @property
    def size(self) -> int:
        """How many entries there are."""
        return len(self._leaves) // 32

    def leaves(self) -> bytes:
        """The leaf hashes of all entries."""
        return bytes(self._leaves)

    def _finish(self) -> None:
        if self._tile:
            self._flush()
        for tile, data in tiles.grow(0, [], self.leaves())[0]:
            self._write(tile, [data])
        (self.path / CHECKPOINT).write_bytes(self.witness())

    def _flush(self) -> None:
        tile = Tile(tiles.ENTRIES, (self.size - 1) // WIDTH, len(self._tile))
        self._write(tile, [tiles.format_entries([entry.data for entry in self._tile])])
        pack = [part for e in self._tile if e.block for part in (e.block, bytes(-len(e.block) % PADDING))]
        if pack:
            self._write(tile._replace(level=tiles.BLOCKS), pack)
        self._tile = []

    def _write(self, tile: Tile, parts: list[bytes]) -> None:
        path = self.path / tiles.path(tile)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            file.writelines(parts)

    def _observe(self, node: int) -> Observed:
        """Columns, spans and counters of one window of a host."""
        template = self._stream.one(Range(0, TEMPLATES - 1))
        seen = self._gaps()
        columns = {int(c): values[template] * seen for c, values in self._values.items()}
        counters = []
        for column, total in ((Column.ENERGY, self._energy), (Column.CYCLES, self._cycles)):
            before = total[node].copy()
            total[node] += self._values[column][template].sum(axis=1, dtype=np.int64)
            counters.append((int(column), before.astype("<u8").tobytes(), total[node].astype("<u8").tobytes()))
        return Observed(self.site.plan.interval, columns, _RUNS, self._spans(seen), tuple(counters))

    def _gaps(self) -> npt.NDArray[np.bool_]:
        """Where the agent saw the devices, [device, interval]."""
        size = DEVICES * self._intervals
        count = max(1, round(size * GAPS_PPM / 1e6 / ((GAP.low + GAP.high) / 2)))
        edges = np.zeros(size + GAP.high + 1, np.int64)
        first = self._stream.array(Range(0, size - 1), count)
        np.add.at(edges, first, 1)
        np.add.at(edges, first + self._stream.array(GAP, count), -1)
        return np.asarray(np.cumsum(edges[:size]) == 0).reshape(DEVICES, self._intervals)

    def _spans(self, seen: npt.NDArray[np.bool_]) -> bytes:
        """A record wherever state, run or device changes."""
        size = seen.size
        count = max(1, size // 60 * BEGINNINGS_PPM // 1_000_000)
        begins = np.sort(self._stream.array(Range(0, size - 1), count))
        flat = seen.ravel()
        edges: Ints = np.flatnonzero(flat[1:] != flat[:-1]) + 1
        first = np.unique(np.concatenate((np.arange(DEVICES) * self._intervals, begins, edges)))
        table = np.zeros(len(first), SPAN)
        table["first"] = first
        table["state"] = np.where(flat[first], State.SAMPLED, State.MISSING)
        run = np.searchsorted(begins, first, "right") % len(_RUNS)
        table["run"] = np.where(flat[first], run, NO_RUN)
        return table.tobytes()
