"""Blocks: columns are read in place, bound to one statement, of one size, and within their maxima."""

import tracemalloc
from hashlib import sha256
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attest.compute.columns import Shape, format_spans, segments
from attest.errors import EvidenceError, MalformedError, Scope
from attest.format.block import (
    DTYPES,
    HEADER_SIZE,
    MAX_PER_SECOND,
    MAX_POWER,
    MAX_VALUE,
    Binding,
    commit,
    format_header,
    format_meter,
    format_usage,
    parse_meter,
    parse_usage,
    require_binding,
    require_digest,
    row_size,
)
from attest.format.bodies import Block, Channel, MeterBody
from attest.format.runs import NO_RUN
from attest.format.vocabulary import Column, Quantity, State

SALT = b"s" * 32
BINDING = Binding(b"l" * 32, "https://acme.example/n1", 7)
COUNT, INTERVAL = 6, 60
COLUMNS = {c: np.arange(1, COUNT + 1).astype(DTYPES[c]) * 3 for c in Column}


def usage(columns: dict[Any, Any] | None = None, binding: Binding = BINDING) -> bytes:
    return format_usage(SALT, binding, COLUMNS if columns is None else columns)


def meter(quantity: Quantity = Quantity.MEAN_POWER, *counts: int) -> tuple[bytes, MeterBody]:
    """A meter block with so many readings in each channel, and a body that fits it."""
    channels = [(np.arange(n) + 10 * c, np.arange(n) * 1_000) for c, n in enumerate(counts)]
    block = format_meter(SALT, BINDING, quantity, channels)
    names = tuple(Channel(f"f{c}", n, 0) for c, n in enumerate(counts))
    return block, MeterBody(quantity, 1_000, 0, 0, names, commit(block))


def code_of(error: pytest.ExceptionInfo[EvidenceError]) -> str:
    return error.value.code


# -- usage


def test_all_columns_are_read_back() -> None:
    found = parse_usage(usage(), BINDING, tuple(Column), COUNT, interval=INTERVAL)
    assert set(found) == set(Column)
    for column, values in COLUMNS.items():
        assert found[column].values.tolist() == values.tolist()
        assert not found[column].values.flags.writeable
        assert found[column].largest == values.max()


@given(st.sets(st.sampled_from(Column), min_size=1), st.integers(1, 50), st.randoms(use_true_random=False))
def test_any_columns_are_read_back(chosen: set[Column], count: int, random: Any) -> None:
    columns = {c: np.array([random.randrange(1_000) for _ in range(count)], DTYPES[c]) for c in chosen}
    block = usage(columns)
    assert len(block) == HEADER_SIZE + count * row_size(tuple(sorted(chosen)))
    found = parse_usage(block, BINDING, tuple(sorted(chosen)), count, interval=1)
    assert {c: v.values.tolist() for c, v in found.items()} == {c: v.tolist() for c, v in columns.items()}


def test_columns_stand_in_the_order_of_their_ids_widest_first() -> None:
    widths = [DTYPES[c].itemsize for c in sorted(Column)]
    assert widths == sorted(widths, reverse=True)
    assert all(str(DTYPES[c]).startswith(("uint", "<u")) for c in Column)
    assert row_size(tuple(Column)) == 22


def test_reading_copies_nothing() -> None:
    values = np.zeros(1 << 20, "<u4")
    block = usage({Column.ENERGY: values})
    tracemalloc.start()
    try:
        parse_usage(memoryview(block), BINDING, (Column.ENERGY,), len(values), interval=INTERVAL)
        assert tracemalloc.get_traced_memory()[1] < len(block) // 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("column", Column)
def test_a_value_above_its_maximum_is_refused(column: Column) -> None:
    limit = MAX_PER_SECOND[column] * INTERVAL if column in MAX_PER_SECOND else MAX_VALUE[column]
    values = np.zeros(COUNT, DTYPES[column])
    values[4] = limit
    parse_usage(usage({column: values}), BINDING, (column,), COUNT, interval=INTERVAL)
    values[4] = limit + 1
    with pytest.raises(EvidenceError, match="device-interval 4") as error:
        parse_usage(usage({column: values}), BINDING, (column,), COUNT, interval=INTERVAL)
    assert code_of(error) == "block/range"


@pytest.mark.parametrize("change", [-COUNT * 2, -1, 1, 2, 1_000, -(1 << 20)])
def test_another_size_is_refused(change: int) -> None:
    block = usage()
    other = block[:change] if change < 0 else block + bytes(change)
    with pytest.raises(MalformedError) as error:
        parse_usage(other, BINDING, tuple(Column), COUNT, interval=INTERVAL)
    assert code_of(error) == "block/size"
    assert error.value.offset is not None
    assert 0 <= error.value.offset <= len(other)


@pytest.mark.parametrize(
    "other", [BINDING._replace(log=b"m" * 32), BINDING._replace(sub="https://acme.example/n2"), BINDING._replace(seq=8)]
)
def test_a_block_of_another_statement_is_refused(other: Binding) -> None:
    for data in (usage(), memoryview(usage())):
        require_binding(data, BINDING)
        with pytest.raises(EvidenceError) as error:
            parse_usage(data, other, tuple(Column), COUNT, interval=INTERVAL)
        assert code_of(error) == "block/binding"


def test_the_header_is_as_specified() -> None:
    header = format_header(SALT, BINDING)
    assert len(header) == HEADER_SIZE
    assert header[:64] == SALT + BINDING.log
    assert header[64:96] == sha256(BINDING.sub.encode()).digest()
    assert int.from_bytes(header[96:], "little") == 7


def test_a_digest_decides_and_accuses_nobody() -> None:
    block = usage()
    require_digest(memoryview(block), commit(block))
    for bad in (block[:-1], block + b"\0", block[:-1] + b"x"):
        with pytest.raises(EvidenceError) as error:
            require_digest(bad, commit(block))
        assert (code_of(error), error.value.scope) == ("block/digest", Scope.COPY)
    with pytest.raises(EvidenceError):
        require_digest(block, Block(commit(block).digest, len(block) + 1))


# -- meters


@pytest.mark.parametrize("quantity", Quantity)
@pytest.mark.parametrize("counts", [(1,), (3,), (3, 0, 2), (0,), (0, 0)])
def test_channels_are_read_back(quantity: Quantity, counts: tuple[int, ...]) -> None:
    block, body = meter(quantity, *counts)
    found = parse_meter(block, BINDING, body)
    assert [len(values) for values, _ in found] == list(counts)
    for c, (values, offsets) in enumerate(found):
        assert values.tolist() == [10 * c + i for i in range(counts[c])]
        assert offsets.tolist() == [1_000 * i for i in range(counts[c])]


@pytest.mark.parametrize(
    ("quantity", "limit"),
    [(Quantity.MEAN_POWER, MAX_POWER), (Quantity.GAUGE_POWER, MAX_POWER), (Quantity.REGISTER, (1 << 62) - 1)],
)
def test_a_reading_above_its_maximum_is_refused(quantity: Quantity, limit: int) -> None:
    _, body = meter(quantity, 2)
    good = format_meter(SALT, BINDING, quantity, [(np.array([0, limit], np.uint64), np.arange(2))])
    parse_meter(good, BINDING, body)
    bad = format_meter(SALT, BINDING, quantity, [(np.array([0, limit + 1], np.uint64), np.arange(2))])
    with pytest.raises(EvidenceError) as error:
        parse_meter(bad, BINDING, body)
    assert code_of(error) == "block/range"


def test_a_meter_block_has_one_size_and_one_statement() -> None:
    block, body = meter(Quantity.REGISTER, 3, 2)
    for other in (block[:-1], block + b"\0", block[:50], b""):
        with pytest.raises(MalformedError, match="block/size"):
            parse_meter(other, BINDING, body)
    with pytest.raises(EvidenceError, match="block/binding"):
        parse_meter(block, BINDING._replace(seq=8), body)
    with pytest.raises(MalformedError, match="block/size"):
        parse_meter(block, BINDING, body._replace(quantity=Quantity.MEAN_POWER))


# -- any bytes


@given(st.binary(max_size=400), st.sets(st.sampled_from(Column), min_size=1), st.integers(1, 20))
def test_any_bytes_as_usage(data: bytes, columns: set[Column], count: int) -> None:
    with pytest.raises(EvidenceError) as error:
        parse_usage(data, BINDING, tuple(sorted(columns)), count, interval=INTERVAL)
    assert code_of(error) in ("block/size", "block/binding")


@given(st.binary(max_size=400), st.sampled_from(Quantity), st.lists(st.integers(0, 20), min_size=1, max_size=4))
def test_any_bytes_as_meter(data: bytes, quantity: Quantity, counts: list[int]) -> None:
    _, body = meter(quantity, *counts)
    with pytest.raises(EvidenceError):
        parse_meter(data, BINDING, body)


@given(st.data(), st.sampled_from(Column), st.integers(1, 20))
def test_any_values_as_usage(data: st.DataObject, column: Column, count: int) -> None:
    size = count * DTYPES[column].itemsize
    block = format_header(SALT, BINDING) + data.draw(st.binary(min_size=size, max_size=size))
    try:
        found = parse_usage(block, BINDING, (column,), count, interval=INTERVAL)
    except EvidenceError as error:
        assert error.code == "block/range"
        return
    assert usage({c: v.values for c, v in found.items()}) == block


# -- spans


SHAPE = Shape(devices=2, intervals=4, phase=1, per_bucket=3)
GOOD = [(0, State.SAMPLED, 0), (3, State.MISSING, NO_RUN), (4, State.SAMPLED, NO_RUN)]


@pytest.mark.parametrize(
    "spans",
    [
        [], GOOD[1:], GOOD[:2], [GOOD[0], GOOD[2], GOOD[1]], [GOOD[0], GOOD[0], GOOD[2]], [*GOOD, (8, 0, NO_RUN)],
        [*GOOD, (2**32 - 1, 0, NO_RUN)], [GOOD[0], (4, 6, NO_RUN)], [GOOD[0], (4, 65_535, NO_RUN)],
        [(0, 0, 1), GOOD[2]], [(0, 0, 65_534), GOOD[2]], [GOOD[0], (5, 0, NO_RUN)],
    ],
)  # fmt: skip
def test_spans_are_refused(spans: list[tuple[int, int, int]]) -> None:
    segments([format_spans(GOOD)], [1], SHAPE)
    with pytest.raises(MalformedError, match="usage/spans"):
        segments([format_spans(spans)], [1], SHAPE)
    with pytest.raises(MalformedError, match="usage/spans"):
        segments([format_spans(GOOD), format_spans(spans)], [1, 1], SHAPE)


@given(st.binary(max_size=64), st.integers(0, 3))
def test_any_bytes_as_spans(data: bytes, runs: int) -> None:
    try:
        found = segments([data], [runs], SHAPE)
    except MalformedError as error:
        assert error.code == "usage/spans"
        return
    assert found.length.sum() == SHAPE.size
    assert (found.length > 0).all()


@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 5)), max_size=6))
def test_segments_say_what_the_spans_say(edits: list[tuple[int, int]]) -> None:
    states = {0: 0, 4: 0} | dict(edits)
    spans = [(first, states[first], NO_RUN) for first in sorted(states)]
    found = segments([format_spans(spans)], [0], SHAPE)
    plain = [states[max(s for s in states if s <= i)] for i in range(8)]
    assert np.repeat(found.state[found.span], found.length).tolist() == plain
    assert np.repeat(found.grid.row[found.cell], found.length).tolist() == [0] * 4 + [1] * 4
    assert np.repeat(found.grid.bucket[found.cell], found.length).tolist() == [0, 0, 1, 1] * 2
