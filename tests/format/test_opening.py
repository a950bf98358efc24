"""Openings of runs: what commits, what opens, and that nothing else does."""

from hashlib import sha256
from hmac import new

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attest.errors import MalformedError
from attest.format.opening import (
    MAX_OPENING,
    Opening,
    commitment,
    format_opening,
    lineage_number,
    opening_of,
    owner_number,
    parse_opening,
)

SECRET = bytes(range(32))
RUN = "slurm/hpc/5679@1762788040"


def test_the_page_s_formulas_by_another_way() -> None:
    salt = new(SECRET, b"attest/run-salt/1\0" + RUN.encode(), sha256).digest()
    assert opening_of(SECRET, RUN) == Opening(RUN, salt)
    assert commitment(Opening(RUN, salt)) == sha256(b"attest/run/1\0" + salt + RUN.encode()).digest()
    by_hand = new(SECRET, b"attest/lineage/1\0" + RUN.encode(), sha256).digest()
    assert lineage_number(SECRET, RUN) == int.from_bytes(by_hand[:8], "big")


def test_numbers_differ_by_what_they_are_of_and_are_0_for_nobody_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert lineage_number(SECRET, "physics") != owner_number(SECRET, "physics") != 0
    assert owner_number(SECRET, "") == 0
    monkeypatch.setattr("attest.format.opening.digest", lambda *_: bytes(32))
    assert (lineage_number(SECRET, "a"), owner_number(SECRET, "a")) == (1, 1)


@given(st.binary(min_size=32, max_size=32), st.text(st.characters(codec="ascii", exclude_categories=["C"]), min_size=1))
def test_what_is_written_is_read(salt: bytes, run: str) -> None:
    opening = Opening(run[:512], salt)
    assert parse_opening(format_opening(opening)) == opening


GOOD = format_opening(Opening(RUN, SECRET))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        GOOD[:-1],
        GOOD + b"\n",
        GOOD.replace(b"\n", b"\r\n"),
        GOOD.replace(b"/1\n", b"/2\n"),
        GOOD.replace(SECRET.hex().encode(), SECRET.hex().upper().encode()),
        GOOD.replace(SECRET.hex().encode(), SECRET[:31].hex().encode()),
        GOOD.replace(SECRET.hex().encode(), b"xy" * 32),
        GOOD.replace(RUN.encode(), b""),
        GOOD.replace(RUN.encode(), b"a\xff"),
        GOOD.replace(RUN.encode(), "a\u202eb".encode()),
        GOOD.replace(RUN.encode(), b"a\nb"),
        GOOD.replace(RUN.encode(), b"a" * 600),
        b"attest-opening/1\nrun " + b"a" * MAX_OPENING,
    ],
)
def test_what_nobody_would_write_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedError, match=r"opening/format|statement/text"):
        parse_opening(data)
