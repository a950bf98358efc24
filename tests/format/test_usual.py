"""What `read_usual` gives is what the codec gives; what it does not take, the codec decides alone."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attest.errors import EvidenceError
from attest.format.bodies import MAX_BLOCK, MAX_DEVICES, MAX_INTERVAL, MAX_SPANS, Block, UsageBody
from attest.format.cbor import encode
from attest.format.fields import MAX_SEQ
from attest.format.runs import Run
from attest.format.statement import Anchor, Statement, decode_payload, format_payload, parse_payload
from attest.format.usual import read_usual
from attest.format.vocabulary import Kind, Label, Precision
from tests.format.values import anchors, hashes, usages

H = b"h" * 32
TIME = 1_794_182_400
RUN = Run(H, Label.TRAINING, Precision.BF16, 7, None)
BODY = UsageBody(60, H, 2, Block(H, 1_000), (1, 2), (RUN, RUN._replace(declared=1 << 40)), bytes(24), ())
COUNTERS = ((1, bytes(16), bytes(16)), (2, bytes(16), bytes(16)))
USAGE = Statement(Kind.USAGE, H, 300, H, TIME, TIME + 3_600, Anchor(70_000, H, H), BODY)


def by_codec(payload: bytes) -> Statement | None:
    try:
        return decode_payload(payload)
    except EvidenceError:
        return None


def agree(payload: bytes) -> bool:
    """Whether the pattern took the payload; fails where it gives anything but what the codec gives."""
    usual = read_usual(payload)
    if usual is None:
        return False
    statement = by_codec(payload)
    assert statement == parse_payload(payload)
    assert format_payload(parse_payload(payload)) == payload
    return True


def with_body(**fields: Any) -> Statement:
    return USAGE._replace(body=BODY._replace(**fields))


TAKEN = {
    "counters": with_body(counters=COUNTERS),
    "energy alone": with_body(counters=COUNTERS[:1]),
    "cycles alone": with_body(counters=COUNTERS[1:]),
    "no block": with_body(block=None, columns=()),
    "no runs": with_body(runs=()),
    "23 runs": with_body(runs=(RUN,) * 23),
    "no anchor": USAGE._replace(anchor=None),
    "short spans": with_body(devices=4, spans=bytes(32)),
    "many devices": with_body(devices=MAX_DEVICES, spans=bytes(8 * MAX_DEVICES)),
    "most of everything": USAGE._replace(
        seq=MAX_SEQ, anchor=Anchor(MAX_SEQ, H, H),
        body=BODY._replace(interval=MAX_INTERVAL, block=Block(H, MAX_BLOCK), spans=bytes(8 * MAX_SPANS)),
    ),
}  # fmt: skip
LEFT = {
    "24 runs": with_body(runs=(RUN,) * 24),
    "before 1970-01-02": USAGE._replace(start=60, end=120),
    "after 2106": USAGE._replace(start=1 << 32, end=1 << 33),
    "another kind's body": USAGE._replace(kind=Kind.CLOSE),
    "ends before it begins": USAGE._replace(end=TIME - 1),
    "seq too large": USAGE._replace(seq=MAX_SEQ + 1),
    "anchor of nothing": USAGE._replace(anchor=Anchor(0, H, H)),
    "anchor too large": USAGE._replace(anchor=Anchor(MAX_SEQ + 1, H, H)),
    "no interval": with_body(interval=0),
    "interval too long": with_body(interval=MAX_INTERVAL + 1),
    "no devices": with_body(devices=0),
    "too many devices": with_body(devices=MAX_DEVICES + 1, spans=bytes(8 * MAX_DEVICES + 8)),
    "fewer spans than devices": with_body(spans=bytes(8)),
    "too many spans": with_body(spans=bytes(8 * MAX_SPANS + 8)),
    "empty block": with_body(block=Block(H, 0)),
    "block too large": with_body(block=Block(H, MAX_BLOCK + 1)),
    "columns and no block": with_body(block=None),
    "block and no columns": with_body(columns=()),
    "columns fall": with_body(columns=(2, 1)),
    "column twice": with_body(columns=(1, 1)),
    "unknown column": with_body(columns=(1, 8)),
    "unknown label": with_body(runs=(RUN._replace(label=23),)),  # type: ignore[arg-type]
    "counters fall": with_body(counters=COUNTERS[::-1]),
    "counter twice": with_body(counters=COUNTERS[:1] * 2),
    "counter of another column": with_body(counters=((3, bytes(16), bytes(16)),)),
    "counter of another size": with_body(counters=((1, bytes(16), bytes(24)),)),
}


@pytest.mark.parametrize("name", TAKEN)
def test_the_usual_form_is_taken(name: str) -> None:
    assert agree(format_payload(TAKEN[name]))


@pytest.mark.parametrize("name", LEFT)
def test_anything_else_is_left_to_the_codec(name: str) -> None:
    assert not agree(format_payload(LEFT[name]))


def test_counts_must_be_those_of_what_follows() -> None:
    payload = format_payload(TAKEN["counters"])
    for before, after in (
        (b"\x05\x82\x01\x02", b"\x05\x83\x01\x02"),
        (b"\x06\x82\x86", b"\x06\x81\x86"),
        (b"\x08\x82\x83", b"\x08\x81\x83"),
    ):
        assert payload.count(before) == 1
        assert not agree(payload.replace(before, after))
        assert by_codec(payload.replace(before, after)) is None


@pytest.mark.parametrize("value", [0, 23, 24, 255, 256, 65_535, 65_536, (1 << 32) - 1, 1 << 32, MAX_SEQ])
def test_integers_have_one_encoding(value: int) -> None:
    payload = format_payload(USAGE._replace(seq=value))
    at = payload.index(b"\x03" + encode(value) + b"\x04") + 1
    assert agree(payload)
    for width, short in ((1, 24), (2, 25), (4, 26), (8, 27)):
        if value < 1 << 8 * width:
            head = bytes((short,)) + value.to_bytes(width, "big")
            assert agree(payload[:at] + head + payload[at + len(encode(value)) :]) is (head == encode(value))


def test_every_byte_counts() -> None:
    payload = format_payload(TAKEN["counters"])
    taken = 0
    for at in range(len(payload)):
        for value in {0, 1, 23, 24, 255, payload[at] ^ 1, payload[at] ^ 0x20, payload[at] ^ 0x80} - {payload[at]}:
            taken += agree(payload[:at] + bytes((value,)) + payload[at + 1 :])
        assert not agree(payload[:at])
        agree(payload[:at] + payload[at + 1 :])
        agree(payload[:at] + payload[at : at + 1] + payload[at:])
    assert taken > 1_000  # hashes, spans and counters may hold anything


@st.composite
def nearly(draw: st.DrawFn) -> bytes:
    """The bytes of a usage statement of our time, some of them other bytes, twice there or gone."""
    start = draw(st.integers(1 << 16, (1 << 32) - 1))
    end = draw(st.integers(start, (1 << 32) - 1))
    anchor, seq = draw(st.none() | anchors), draw(st.integers(0, MAX_SEQ))
    statement = Statement(Kind.USAGE, draw(hashes), seq, draw(hashes), start, end, anchor, draw(usages()))
    data = format_payload(statement)
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, min(len(data), 600)))
        data = data[:at] + draw(st.binary(max_size=3)) + data[at + draw(st.integers(0, 3)) :]
    return data


@given(nearly())
def test_pattern_and_codec_agree(payload: bytes) -> None:
    agree(payload)
