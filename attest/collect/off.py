"""What a lab has switched off: intervals that nobody read, stated as off where the lab says so and nothing contradicts.

Off is the lab's own word, and readings count before it: only what would be missing can be off. Where a device's counter
rose over the hole that it was not read in, it worked at some time in it, and all of the hole stays missing.

    >>> row = Row(np.array([0, 1, 1, 1, 0]), np.zeros(5, np.int64), np.array([7, 9, 9, 9, 9, 11]), {})
    >>> [State(state).name for state in switched_off(row, Grid(60, 0, 5, 0), [(90, 240)]).states]
    ['SAMPLED', 'MISSING', 'OFF', 'OFF', 'SAMPLED']
    >>> row.counter[4] = 10
    >>> State.OFF in switched_off(row, Grid(60, 0, 5, 0), [(90, 240)]).states
    False
"""

from collections.abc import Sequence

import numpy as np

from attest.collect.grid import Grid, Row
from attest.format.vocabulary import State


def switched_off(row: Row, grid: Grid, ranges: Sequence[tuple[int, int]]) -> Row:
    """The row, off in the whole intervals of `ranges` [start, end), Unix s, that nothing else is said of."""
    missing = row.states == State.MISSING
    edges = np.flatnonzero(np.diff(np.concatenate(([False], missing, [False]))))
    states = row.states.copy()
    for begin, end in edges.reshape(-1, 2).tolist():
        if row.counter[begin] != row.counter[end]:
            continue
        for start, until in ranges:
            first = max(-(-(start - grid.start) // grid.interval), begin)
            states[first : max(min((until - grid.start) // grid.interval, end), first)] = State.OFF
    return row._replace(states=states)
