"""Exact integer arithmetic on numpy arrays: int64 while it fits, Python integers when not, never wrapped.

A day of a site of 100,000 accelerators is 1.8e19 MFLOP and does not fit int64, while nearly everything else
does. Each operation here first bounds its result by the largest operand; where the bound reaches `LIMIT` it
computes on an array of Python integers instead (dtype object, exact, slower), and comes back to int64 when
the result fits. So results never depend on the path taken, and each bound is rounded outwards exactly once.

    >>> scale(10**12, 5_650, 1, up=True).item()
    5650000000000000
    >>> scale(10**18, 21_410_000_000, 1_000, up=True).item()   # beyond int64
    21410000000000000000000000
    >>> scale([1, 2, 3], 1, 2, up=True).tolist(), scale([1, 2, 3], 1, 2, up=False).tolist()
    ([1, 1, 2], [0, 1, 1])
"""

from collections.abc import Sequence
from math import gcd
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from attest.errors import EvidenceError

Array = npt.NDArray[Any]  # int64, or object holding Python integers
Amount = int | Sequence[int] | Array

LIMIT: Final = 1 << 62  # no int64 here reaches this, so the sum of two never wraps
PPM: Final = 1_000_000


def amounts(value: Amount, name: str = "amount") -> Array:
    """Non-negative integers as an array that the other functions take.

    Raises EvidenceError `bounds/negative`; TypeError for floats and bools, which no fact may be.
    """
    return _checked(value, name)[0]


def scale(value: Amount, numerator: int, denominator: int, *, up: bool) -> Array:
    """value x numerator / denominator, rounded up or down."""
    array, largest = _checked(value)
    common = gcd(numerator, denominator)
    numerator, denominator = numerator // common, denominator // common
    largest = max(largest, 1)
    if array.dtype != object and largest * numerator + denominator < LIMIT:
        return _divide(array * numerator, denominator, up)
    fits = (largest // denominator + 1) * numerator < LIMIT and denominator * (numerator + 1) < LIMIT
    if array.dtype != object and fits:
        whole, rest = np.divmod(array, denominator)
        return np.asarray(whole * numerator + _divide(rest * numerator, denominator, up))
    return _narrow(_divide(array.astype(object) * numerator, denominator, up))


def add(*values: Amount) -> Array:
    """The sum of arrays, element by element."""
    checked = [_checked(v) for v in values]
    arrays = [array for array, _ in checked]
    if sum(largest for _, largest in checked) < LIMIT:
        return np.asarray(sum(arrays[1:], start=arrays[0]))
    return _narrow(sum((a.astype(object) for a in arrays[1:]), start=arrays[0].astype(object)))


def minus(value: Amount, credit: Amount) -> Array:
    """value - credit, or 0 where the credit is larger."""
    left, right = amounts(value), amounts(credit)
    return _narrow(np.maximum(left - right, 0))


def least(*values: Amount) -> Array:
    """The least of arrays, element by element."""
    result = amounts(values[0])
    for value in values[1:]:
        result = np.minimum(result, amounts(value))
    return _narrow(result)


def running(value: Amount) -> Array:
    """Sums along the last axis up to and without each element, and the total: one element longer."""
    array, largest = _checked(value)
    if array.dtype != object and largest * max(array.shape[-1], 1) >= LIMIT:
        array = array.astype(object)
    start = np.zeros((*array.shape[:-1], 1), array.dtype)
    return np.concatenate([start, np.cumsum(array, axis=-1)], axis=-1)


def gathered(value: Array, at: npt.NDArray[np.int64], places: int) -> Array:
    """What is added up at each place: the sums of the elements, or rows, of `value` whose `at` is that place."""
    array, largest = _checked(value)
    most = int(np.bincount(at).max()) if len(at) else 0
    if array.dtype != object and largest * most >= LIMIT:
        array = array.astype(object)
    out = np.zeros((places, *array.shape[1:]), array.dtype)
    np.add.at(out, at, array)
    return _narrow(out)


def total(value: Amount) -> int:
    """The sum of all elements as a Python integer."""
    array, largest = _checked(value)
    if array.dtype == object or largest * array.size >= LIMIT:
        return sum(int(v) for v in array.flat)
    return int(array.sum())


def _checked(value: Amount, name: str = "amount") -> tuple[Array, int]:
    """An amount as an array, and its largest element."""
    # numpy would make floats of a list that mixes int64 and uint64
    array = value if isinstance(value, np.ndarray) else np.asarray(value, object)
    if array.dtype == np.int64 and array.size:
        high = int(array.view(np.uint64).max())  # a negative number would be larger than all others
        if high < LIMIT:
            return array, high
    if array.dtype == object:
        if not all(type(v) is int for v in array.flat):
            raise TypeError(f"{name}: integers only")
    elif array.dtype.kind not in "iu":
        raise TypeError(f"{name}: integers only, not {array.dtype}")
    if not array.size:
        return array.astype(np.int64), 0
    low, high = int(array.min()), int(array.max())
    if low < 0:
        raise EvidenceError("bounds/negative", f"{name} is {low}")
    return array.astype(np.int64 if high < LIMIT else object, copy=False), high


def _divide(array: Array, denominator: int, up: bool) -> Array:
    if denominator == 1:
        return np.asarray(array)
    return np.asarray(-(-array // denominator) if up else array // denominator)


def _narrow(value: Any) -> Array:
    """int64 where every element fits, else Python integers; numpy hands out bare scalars for 0-d results. What is
    computed in int64 was bounded before."""
    array = np.asarray(value)
    if array.dtype == np.int64:
        return array
    if not array.size or (int(array.min()) > -LIMIT and int(array.max()) < LIMIT):
        return array.astype(np.int64, copy=False)
    return array if array.dtype == object else array.astype(object)
