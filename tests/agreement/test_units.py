"""Quantities are exact, of one dimension, bounded, and nothing is taken for a number that is none."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attest.agreement.units import (
    DURATION,
    EFFICIENCY,
    ENERGY,
    FLOP,
    FREQUENCY,
    POWER,
    RATE,
    SHARE,
    TRAFFIC,
    WORK,
    Dimension,
)
from attest.errors import AgreementError

DIMENSIONS = [FLOP, RATE, EFFICIENCY, WORK, DURATION, POWER, ENERGY, FREQUENCY, TRAFFIC, SHARE]


@pytest.mark.parametrize(
    ("dimension", "text", "value"),
    [
        (FLOP, "1e21 FLOP", 10**21),
        (FLOP, "0 FLOP", 0),
        (FLOP, "3.5 EFLOP", 35 * 10**17),
        (FLOP, "1.23456789012345678901e21 FLOP", 1234567890123456789010),
        (RATE, "2.141e15 FLOP/s", 2_141_000_000_000_000),
        (RATE, "1.98 PFLOP/s", 1_980_000_000_000_000),
        (EFFICIENCY, "5.65 TFLOP/J", 5_650),
        (EFFICIENCY, "20 TFLOP/J", 20_000),
        (WORK, "1081344 FLOP/cycle", 1_081_344),
        (DURATION, "30 d", 2_592_000),
        (DURATION, "60 s", 60),
        (DURATION, "6 h", 21_600),
        (DURATION, "90 min", 5_400),
        (DURATION, "0.5 h", 1_800),
        (POWER, "700 W", 700_000),
        (POWER, "6 MW", 6 * 10**9),
        (ENERGY, "36 kJ", 36_000_000),
        (ENERGY, "2.1 kWh", 7_560_000_000),
        (ENERGY, "1 mJ", 1),
        (FREQUENCY, "1980 MHz", 1_980),
        (FREQUENCY, "1.98 GHz", 1_980),
        (TRAFFIC, "500 TiB", 524_288_000),
        (TRAFFIC, "0.5 PiB", 536_870_912),
        (TRAFFIC, "0.25 GiB", 256),
        (SHARE, "5 %", 50_000),
        (SHARE, "99.5 %", 995_000),
        (SHARE, "250 ppm", 250),
        (SHARE, "100 %", 1_000_000),
    ],
)
def test_a_quantity_is_read_exactly(dimension: Dimension, text: str, value: int) -> None:
    assert dimension.parse(text) == value


@pytest.mark.parametrize(
    ("dimension", "text", "code"),
    [
        (FLOP, "1e21", "quantity/number"),
        (FLOP, "1000", "quantity/unit"),
        (FLOP, "1e21 J", "quantity/unit"),
        (FLOP, "1e21 FLOP/s", "quantity/unit"),
        (FLOP, "1e21 flop", "quantity/unit"),
        (FLOP, "1e31 FLOP", "quantity/range"),
        (FLOP, "9e99 YFLOP", "quantity/range"),
        (FLOP, "0.5 FLOP", "quantity/precision"),
        (FLOP, "1e-1 FLOP", "quantity/number"),
        (FLOP, "-1 FLOP", "quantity/number"),
        (FLOP, "+1 FLOP", "quantity/number"),
        (FLOP, "NaN FLOP", "quantity/number"),
        (FLOP, "inf FLOP", "quantity/number"),
        (FLOP, "1_000 FLOP", "quantity/number"),
        (FLOP, "1,000 FLOP", "quantity/number"),
        (FLOP, "0x10 FLOP", "quantity/number"),
        (FLOP, "007 FLOP", "quantity/number"),
        (FLOP, ".5 EFLOP", "quantity/number"),
        (FLOP, "1. EFLOP", "quantity/number"),
        (FLOP, "1e999 FLOP", "quantity/number"),
        (FLOP, "\u0661 FLOP", "quantity/number"),
        (FLOP, "1  FLOP", "quantity/number"),
        (FLOP, "1\u00a0FLOP", "quantity/number"),
        (FLOP, " 1 FLOP", "quantity/number"),
        (FLOP, "1 FLOP ", "quantity/number"),
        (FLOP, "1FLOP", "quantity/number"),
        (FLOP, "", "quantity/number"),
        (FLOP, "1" * 60 + " FLOP", "quantity/number"),
        (POWER, "700 w", "quantity/unit"),
        (POWER, "0.1 mW", "quantity/precision"),
        (POWER, "2 TW", "quantity/unit"),
        (POWER, "1001 GW", "quantity/range"),
        (ENERGY, "36 kW", "quantity/unit"),
        (DURATION, "1 month", "quantity/unit"),
        (DURATION, "1 m", "quantity/unit"),
        (DURATION, "0.5 s", "quantity/precision"),
        (SHARE, "101 %", "quantity/range"),
        (SHARE, "0.00001 %", "quantity/precision"),
        (TRAFFIC, "0.1 GiB", "quantity/precision"),
        (TRAFFIC, "1 TB", "quantity/unit"),
        (TRAFFIC, "1e9 PiB", "quantity/range"),
        (EFFICIENCY, "5.6505 TFLOP/J", "quantity/precision"),
    ],
)
def test_what_is_no_quantity_of_the_dimension_is_refused(dimension: Dimension, text: str, code: str) -> None:
    with pytest.raises(AgreementError) as raised:
        dimension.parse(text)
    assert raised.value.code == code


@pytest.mark.parametrize(
    ("dimension", "value", "text"),
    [
        (FLOP, 10**22, "1e22 FLOP"),
        (FLOP, 10**6, "1e6 FLOP"),
        (FLOP, 2048, "2048 FLOP"),
        (RATE, 2_141_000_000_000_000, "2.141e15 FLOP/s"),
        (DURATION, 2_592_000, "30 d"),
        (DURATION, 129_600, "36 h"),
        (DURATION, 0, "0 s"),
        (POWER, 1_700_000, "1.7 kW"),
        (POWER, 700_000, "700 W"),
        (ENERGY, 36_000_000, "36 kJ"),
        (ENERGY, 129_600 * 10**9, "36 MWh"),
        (TRAFFIC, 524_288_000, "500 TiB"),
        (TRAFFIC, 1_048_577, "1048577 MiB"),
        (SHARE, 995_000, "99.5 %"),
        (SHARE, 5_000, "0.5 %"),
        (SHARE, 1, "1 ppm"),
    ],
)
def test_a_quantity_is_written_shortly(dimension: Dimension, value: int, text: str) -> None:
    assert dimension.format(value) == text


@given(st.sampled_from(DIMENSIONS), st.data())
def test_what_is_written_is_read_back(dimension: Dimension, data: st.DataObject) -> None:
    value = data.draw(st.integers(0, dimension.maximum))
    assert dimension.parse(dimension.format(value)) == value


@given(st.sampled_from(DIMENSIONS), st.text(max_size=60))
def test_any_text_is_a_quantity_or_an_error(dimension: Dimension, text: str) -> None:
    try:
        assert 0 <= dimension.parse(text) <= dimension.maximum
    except AgreementError as error:
        assert error.code.startswith("quantity/")


@given(st.decimals(0, 10**9, places=6), st.sampled_from(sorted(ENERGY.units)))
def test_reading_agrees_with_decimal_arithmetic(number: Decimal, unit: str) -> None:
    expected = number * ENERGY.units[unit]
    text = f"{number:f} {unit}"
    if expected != int(expected) or expected > ENERGY.maximum:
        with pytest.raises(AgreementError):
            ENERGY.parse(text)
    else:
        assert ENERGY.parse(text) == int(expected)
