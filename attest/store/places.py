"""Which log index holds which (source, seq): 8 bytes a statement for sources that count up from 0.

>>> places = Places()
>>> places.add("urn:host:1", 0, 17)
>>> places.find("urn:host:1", 0), places.find("urn:host:1", 1), places.last("urn:host:1")
(17, None, 17)
"""

from array import array


class Places:
    """Grows with the log; each place is added once."""

    def __init__(self) -> None:
        self._dense: dict[str, array[int]] = {}  # by seq, without a hole
        self._sparse: dict[str, dict[int, int]] = {}

    def add(self, sub: str, seq: int, index: int) -> None:
        """Log index `index` holds statement `seq` of source `sub`."""
        dense = self._dense.setdefault(sub, array("q"))
        if seq == len(dense):
            dense.append(index)
        else:
            self._sparse.setdefault(sub, {})[seq] = index

    def find(self, sub: str, seq: int) -> int | None:
        """The log index that holds the place, None if it is free."""
        dense = self._dense.get(sub, ())
        return dense[seq] if seq < len(dense) else self._sparse.get(sub, {}).get(seq)

    def last(self, sub: str) -> int | None:
        """The log index of the source's statement with the highest seq."""
        sparse = self._sparse.get(sub)
        if sparse and max(sparse) >= len(self._dense[sub]):
            return sparse[max(sparse)]
        dense = self._dense.get(sub)
        return dense[-1] if dense else None
