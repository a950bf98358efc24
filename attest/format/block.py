"""Blocks: the detached bodies of usage and meter statements (schemas/block.md).

A block is a header of 104 bytes and then columns of fixed-width little-endian integers, the widest first, so
that numpy reads them in place:

    salt (32) | log (32) | SHA-256 of the source's sub (32) | seq (u64)

The salt keeps an idle host's zeros from being recognised by their hash; log, source and seq bind the block to
one statement. In a usage block each column holds devices x intervals values, device after device. In a meter
block the values of all channels come first (u32 mW, or u64 mJ of a register), then all their offsets (u32 ms
from the window's start). What a column may hold at most is pinned and checked before any arithmetic.

    >>> import numpy as np
    >>> binding = Binding(b"l" * 32, "https://acme.example/h1", 7)
    >>> energy = np.array([42_000_000, 6_000_000], "<u4")
    >>> block = format_usage(b"s" * 32, binding, {Column.ENERGY: energy})
    >>> len(block)
    112
    >>> parse_usage(block, binding, (Column.ENERGY,), 2, interval=60)[Column.ENERGY].values.tolist()
    [42000000, 6000000]
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from itertools import groupby
from operator import gt
from typing import Any, Final, NamedTuple, NoReturn

import numpy as np
import numpy.typing as npt

from attest.errors import EvidenceError, MalformedError, Scope
from attest.format.bodies import Block, MeterBody
from attest.format.vocabulary import Column, Quantity

HEADER_SIZE: Final = 104
PADDING: Final = 8  # blocks are padded to this in a pack

Array = npt.NDArray[Any]

_U32 = np.dtype("<u4")
_U16 = np.dtype("<u2")
_U64 = np.dtype("<u8")

DTYPES: Final[Mapping[int, np.dtype[Any]]] = {
    Column.ENERGY: _U32,
    Column.CYCLES: _U32,
    Column.DERIVED_CYCLES: _U32,
    Column.FABRIC: _U32,
    Column.SM: _U16,
    Column.DRAM: _U16,
    Column.CLOCK: _U16,
}
# At most this much per second of interval; shares and clock are no sums and have their maximum as it is.
MAX_PER_SECOND: Final[Mapping[int, int]] = {
    Column.ENERGY: 4_000_000,  # 4 kW
    Column.CYCLES: 4_000,  # 4 GHz
    Column.DERIVED_CYCLES: 4_000,
    Column.FABRIC: 4_000_000,  # 4 TiB/s
}
MAX_VALUE: Final[Mapping[int, int]] = {Column.SM: 10_000, Column.DRAM: 10_000, Column.CLOCK: 4_000}
MAX_POWER: Final = 4_000_000_000  # mW: 4 MW behind one channel


class Binding(NamedTuple):
    """The one statement that a block belongs to."""

    log: bytes
    sub: str
    seq: int


class Values(NamedTuple):
    """A column, device after device, and the largest of its values."""

    values: Array
    largest: int


class Columns(Mapping[int, Values]):
    """The columns of a usage block, all checked; each is a view, made when it is asked for: few are."""

    __slots__ = ("_places", "_tables")

    def __init__(self, places: Mapping[int, tuple[int, int]], tables: Sequence[tuple[Array, list[int]]]) -> None:
        """Each column's table and row; the tables, with the largest value of each row."""
        self._places, self._tables = places, tables

    def __getitem__(self, column: int) -> Values:
        table, row = self._places[column]
        values, largest = self._tables[table]
        return Values(values[row], largest[row])

    def first(self, count: int) -> Values:
        """The first so many columns, at least one and all of one width, [column, value], and the largest of all."""
        values, largest = self._tables[0]
        return Values(values[:count], max(largest[:count]))

    def __contains__(self, column: object) -> bool:
        return column in self._places

    def __iter__(self) -> Iterator[int]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


NO_COLUMNS: Final = Columns({}, ())  # of a statement without a block


@lru_cache(256)
def row_size(columns: tuple[int, ...]) -> int:
    """Bytes that one device-interval takes in a block with these columns."""
    return sum(DTYPES[c].itemsize for c in columns)


def commit(block: bytes | memoryview) -> Block:
    """The commitment a statement carries for a block."""
    return Block(sha256(block).digest(), len(block))


def format_header(salt: bytes, binding: Binding) -> bytes:
    """The first 104 bytes of a block."""
    return salt + binding.log + _source(binding.sub) + binding.seq.to_bytes(8, "little")


@lru_cache(4_096)
def _source(sub: str) -> bytes:
    return sha256(sub.encode()).digest()


def format_usage(salt: bytes, binding: Binding, columns: Mapping[int, Array]) -> bytes:
    """A usage block: `columns` maps column ids to flat arrays of devices x intervals values."""
    return format_header(salt, binding) + b"".join(
        np.ascontiguousarray(columns[c], DTYPES[c]).tobytes() for c in sorted(columns)
    )


def parse_usage(
    block: bytes | memoryview, binding: Binding, columns: tuple[int, ...], count: int, *, interval: int
) -> Columns:
    """The columns of a usage block, `count` values each: read-only arrays, without a copy.

    Raises MalformedError when the size does not fit, EvidenceError `block/binding` when the block belongs to
    another statement, `block/range` when a value exceeds its column's maximum.
    """
    _require_size(block, HEADER_SIZE + count * row_size(columns))
    require_binding(block, binding)
    plan = _plan(columns, interval)
    tables = []
    for part in plan.parts:
        table = np.frombuffer(block, part.dtype, len(part.columns) * count, HEADER_SIZE + part.before * count)
        table = table.reshape(len(part.columns), count)
        most = np.maximum.reduce(table, axis=1).tolist()
        if any(map(gt, most, part.limits)):
            _refuse_values(part, table)
        tables.append((table, most))
    return Columns(plan.places, tables)


def _refuse_values(part: "_Part", table: Array) -> NoReturn:
    row, where = np.argwhere(table > np.array(part.limits)[:, None])[0].tolist()
    detail = f"{table[row, where]} at device-interval {where}, at most {part.limits[row]}"
    raise EvidenceError("block/range", f"{Column(part.columns[row]).name.lower()} {detail}")


class _Part(NamedTuple):
    """Columns of one width, which lie side by side; `before` are the bytes of a row that stand before them."""

    dtype: np.dtype[Any]
    columns: tuple[int, ...]
    limits: tuple[int, ...]
    before: int


class _Plan(NamedTuple):
    parts: tuple[_Part, ...]
    places: Mapping[int, tuple[int, int]]  # of each column: its part, and its row there


@lru_cache(256)
def _plan(columns: tuple[int, ...], interval: int) -> _Plan:
    parts: list[_Part] = []
    places, before = {}, 0
    for dtype, group in groupby(columns, DTYPES.__getitem__):
        kept = tuple(group)
        limits = tuple(MAX_PER_SECOND[c] * interval if c in MAX_PER_SECOND else MAX_VALUE[c] for c in kept)
        places.update({column: (len(parts), row) for row, column in enumerate(kept)})
        parts.append(_Part(dtype, kept, limits, before))
        before += len(kept) * dtype.itemsize
    return _Plan(tuple(parts), places)


def format_meter(salt: bytes, binding: Binding, quantity: Quantity, channels: Sequence[tuple[Array, Array]]) -> bytes:
    """A meter block: for each channel its values (mW, or mJ of a register) and its offsets (ms)."""
    values = b"".join(np.ascontiguousarray(v, _value_dtype(quantity)).tobytes() for v, _ in channels)
    offsets = b"".join(np.ascontiguousarray(o, _U32).tobytes() for _, o in channels)
    return format_header(salt, binding) + values + offsets


def parse_meter(block: bytes | memoryview, binding: Binding, body: MeterBody) -> list[tuple[Array, Array]]:
    """For each channel of the body its values and offsets, as `format_meter` takes them.

    Raises as `parse_usage`; offsets are bounded by the window in `attest.evidence.meter`.
    """
    dtype = _value_dtype(body.quantity)
    total = sum(c.readings for c in body.channels)
    _require_size(block, HEADER_SIZE + total * (dtype.itemsize + 4))
    require_binding(block, binding)
    values = np.frombuffer(block, dtype, total, HEADER_SIZE)
    offsets = np.frombuffer(block, _U32, total, HEADER_SIZE + total * dtype.itemsize)
    if body.quantity is not Quantity.REGISTER and total and int(values.max()) > MAX_POWER:
        raise EvidenceError("block/range", f"power {values.max()} mW, at most {MAX_POWER}")
    if body.quantity is Quantity.REGISTER and total and int(values.max()) >= 1 << 62:
        raise EvidenceError("block/range", f"register {values.max()} mJ, at most {1 << 62}")
    edges = np.cumsum([c.readings for c in body.channels])[:-1]
    return list(zip(np.split(values, edges), np.split(offsets, edges), strict=True))


def require_digest(block: bytes | memoryview, commitment: Block) -> None:
    """Raise EvidenceError `block/digest` (scope copy) unless these are the committed bytes."""
    if len(block) != commitment.size or sha256(block).digest() != commitment.digest:
        error = EvidenceError(
            "block/digest",
            f"block of {len(block)} bytes with SHA-256 {sha256(block).hexdigest()}, the statement commits to"
            f" {commitment.size} bytes with {commitment.digest.hex()}",
            hint="get another copy of the bundle",
        )
        error.scope = Scope.COPY
        raise error


def require_binding(block: bytes | memoryview, binding: Binding) -> None:
    """Raise EvidenceError `block/binding` unless the block names this log, source and seq."""
    if bytes(block[32:HEADER_SIZE]) != format_header(b"", binding):
        raise EvidenceError("block/binding", f"the block belongs to another statement than {binding.sub} {binding.seq}")


def _value_dtype(quantity: Quantity) -> np.dtype[Any]:
    return _U64 if quantity is Quantity.REGISTER else _U32


def _require_size(block: bytes | memoryview, size: int) -> None:
    if len(block) != size:
        raise MalformedError(
            "block/size", f"{len(block)} bytes, columns and counts need {size}", offset=min(len(block), size)
        )
