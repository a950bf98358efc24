"""Acts of root holders and proofs of possession: one encoding each, and one error for everything else."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attest.errors import EvidenceError, MalformedError, UnsupportedError
from attest.format.act import MAX_VOIDED, GenesisAct, VoidAct, format_act, parse_act, possession
from attest.format.cbor import decode, encode
from attest.format.fields import U64
from tests.format.values import acts, altered

H = b"h" * 32
GENESIS = GenesisAct("acme.example/dc1", "https://acme.example", "office", -19, H, None)
VOID = VoidAct(H, 1, ((4, H), (9, H)))


@given(acts)
def test_what_is_written_is_read(act: GenesisAct | VoidAct) -> None:
    assert parse_act(format_act(act)) == act


@given(st.data())
def test_bytes_that_are_nearly_an_act(data: st.DataObject) -> None:
    payload = data.draw(altered(format_act(data.draw(acts))))
    try:
        act = parse_act(payload)
    except (MalformedError, UnsupportedError):
        return
    assert format_act(act) == payload


@given(st.binary(max_size=100))
def test_any_bytes(data: bytes) -> None:
    with pytest.raises((MalformedError, UnsupportedError)):
        parse_act(data)


def changed(act: GenesisAct | VoidAct, key: int, value: Any) -> bytes:
    fields: Any = decode(format_act(act))
    return encode({**fields, key: value})


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "cbor/truncated"),
        (b"\xa0", "act/keys"),
        (encode([1]), "act/keys"),
        (encode({1: "genesis"}), "act/keys"),
        (encode({1: True}), "act/keys"),
        (encode({1: 3, 2: H}), "unsupported/act"),
        (encode({1: 0}), "unsupported/act"),
        (changed(GENESIS, 8, 0), "statement/keys"),
        (changed(GENESIS, 2, ""), "statement/text"),
        (changed(GENESIS, 3, "a\nb"), "statement/text"),
        (changed(GENESIS, 4, b"office"), "statement/text"),
        (changed(GENESIS, 5, "EdDSA"), "statement/integer"),
        (changed(GENESIS, 6, H[1:]), "statement/bytes"),
        (changed(GENESIS, 6, bytes(2_049)), "statement/bytes"),
        (changed(GENESIS, 7, [1]), "statement/array"),
        (changed(GENESIS, 7, [-1, H]), "statement/integer"),
        (changed(VOID, 2, None), "statement/bytes"),
        (changed(VOID, 3, 0), "statement/integer"),
        (changed(VOID, 3, U64), ""),
        (changed(VOID, 4, []), "statement/array"),
        (changed(VOID, 4, [[0, H]] * MAX_VOIDED), ""),
        (changed(VOID, 4, [[0, H]] * (MAX_VOIDED + 1)), "statement/array"),
        (changed(VOID, 4, [[0, H[1:]]]), "statement/bytes"),
        (changed(VOID, 4, [[0, H, 1]]), "statement/array"),
        (format_act(VOID) + b"\0", "cbor/trailing"),
        (b"\xa4\x01\x02\x18\x02" + format_act(VOID)[4:], "cbor/head"),
    ],
)
def test_an_act_is_refused(data: bytes, code: str) -> None:
    if not code:
        assert format_act(parse_act(data)) == data
        return
    with pytest.raises(EvidenceError) as caught:
        parse_act(data)
    assert caught.value.code == code


def test_a_proof_is_for_one_source_role_key_and_log() -> None:
    base = (H, "n1", 2, -19, H)
    others = [(None, *base[1:]), (b"g" * 32, *base[1:]), (H, "n2", *base[2:]), (*base[:2], 3, *base[3:])]
    others += [(*base[:3], -9, H), (*base[:4], b"k" * 32)]
    messages = {possession(*arguments) for arguments in (base, *others)}
    assert len(messages) == 7
    assert decode(possession(*base)) == ["attest/possession/v1", H, "n1", 2, -19, H]
