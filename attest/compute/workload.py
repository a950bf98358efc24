"""What a run is estimated to have computed, from its size: the two formulas of the EU's guidelines for
general-purpose AI models (18 July 2025, annex), and counted work per token. Claims, never bounds.

Figures are exact: integers, Decimals or Fractions, never floats.

    >>> from decimal import Decimal
    >>> architecture(parameters=Decimal("3.8e9"), tokens=Decimal("3.3e12"))
    75240000000000000000000
    >>> published(_, 2)
    Decimal('7.5E+22')
    >>> hardware(unit_hours=200_000, peak_flop_per_s=Decimal("3e14"), utilisation=Decimal("0.5"))
    108000000000000000000000
"""

from decimal import Context, Decimal
from fractions import Fraction
from math import floor

Exact = int | Decimal | Fraction


def architecture(parameters: Exact, tokens: Exact) -> int:
    """6 x parameters x tokens: a dense model's forward and backward pass, FLOP."""
    return _whole(6, parameters, tokens)


def hardware(unit_hours: Exact, peak_flop_per_s: Exact, utilisation: Exact) -> int:
    """Unit-hours x 3,600 x peak x utilisation, FLOP."""
    return _whole(unit_hours, 3_600, peak_flop_per_s, utilisation)


def counted(tokens_per_s: Exact, seconds: Exact, flop_per_token: Exact) -> int:
    """Work of a run by its throughput, FLOP: model FLOP or executed FLOP, as `flop_per_token` counts them.

    Executed FLOP include what is computed twice (activation checkpointing); the metric of an agreement is
    executed.
    """
    return _whole(tokens_per_s, seconds, flop_per_token)


def published(flop: int, significant_figures: int) -> Decimal:
    """A figure at the precision at which it is published."""
    return Context(prec=significant_figures).create_decimal(flop)


def _whole(*factors: Exact) -> int:
    product = Fraction(1)
    for factor in factors:
        if isinstance(factor, float):
            raise TypeError(f"{factor} is a float: give an integer, a Decimal or a Fraction")
        product *= Fraction(factor)
    return floor(product)
