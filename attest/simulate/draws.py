"""Numbers drawn from named seeds: the same name, the same numbers, on every platform and version.

A stream is the raw output of numpy's PCG64 seeded with SHA-256 of its name. numpy promises the raw output for ever,
and not what its distributions make of it, so integers are taken from it here: the remainder favours low values by
less than one in 2^32.

    >>> stream = Stream("site acme-dc1, node 0")
    >>> stream.one(Range(67_000, 138_000)), stream.one(Range(67_000, 138_000))
    (87684, 73791)
    >>> Stream("site acme-dc1, node 0").array(Range(-5, 5), (2, 3)).tolist()
    [[2, 3, 0], [-1, 1, 3]]
"""

from hashlib import sha256

import numpy as np
import numpy.typing as npt

from attest.simulate.figures import Range

Ints = npt.NDArray[np.int64]


class Stream:
    """The numbers of one name, in the order in which they are asked for."""

    def __init__(self, name: str) -> None:
        self._raw = np.random.PCG64(int.from_bytes(sha256(name.encode()).digest(), "big"))

    def one(self, within: Range) -> int:
        """An integer of the range."""
        return within.low + int(self._raw.random_raw()) % (within.high - within.low + 1)

    def array(self, within: Range, shape: int | tuple[int, ...]) -> Ints:
        """Integers of the range."""
        size = int(np.prod(shape))
        span = np.uint64(within.high - within.low + 1)
        return (within.low + (self._raw.random_raw(size) % span).astype(np.int64)).reshape(shape)


def named_bytes(name: str) -> bytes:
    """32 bytes that follow from a name: salts and commitments of a simulated world, no secrets."""
    return sha256(b"attest simulation " + name.encode()).digest()
