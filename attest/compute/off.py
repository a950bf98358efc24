"""Off: when readings of a circuit show that nothing behind it was running.

A circuit counts as off in a bucket only if the whole bucket is metered and its energy, widened by the
meter's error and by what storage behind it may have given, is below half of what one boot takes, in this
bucket and in the one before. Readings finer than
a bucket are summed to it first (each second lies below any boot); readings coarser than a bucket must stay
below half a boot as a whole (a daily mean hides a daily hour of work).

Why that suffices: to compute in bucket i, machines must have started by then. Started within i, the whole
boot B lies in i. Started within i-1, B is spread over i-1 and i, and one of them holds at least B/2. Started
earlier, they ran all through i-1, which takes at least idle power x bucket. So two premises carry the rule,
and both are numbers of the agreement:

    B/2 < idle power x bucket     checked at construction; with 36 kJ < 300 W x 3,600 s = 1,080 kJ it holds
    no start takes less than B    a pin; the default is 2 minutes at 600 W for a server of large devices

What the rule misses is at most k x B/2 in the first bucket, which has none before it and is never off here,
and machines kept in a sleep state that draws less than B/2 a bucket and wakes for less.

    >>> rule = Off(boot_mj=72_000_000, idle_mw=300_000, bucket_seconds=3_600)
    >>> rule.buckets([10_000_000, 10_000_000, 40_000_000, 0, 0], complete=[True] * 5).tolist()
    [False, True, False, False, True]
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from attest.compute.exact import Amount, amounts, running
from attest.compute.pins import Pin
from attest.errors import AgreementError


@dataclass(frozen=True, slots=True)
class Off:
    """The premises. Raises AgreementError `off/premise` where half a boot could pass for an idle bucket."""

    boot_mj: int
    idle_mw: int
    bucket_seconds: int

    def __post_init__(self) -> None:
        if min(self.boot_mj, self.idle_mw, self.bucket_seconds) <= 0:
            raise AgreementError("off/premise", "boot energy, idle power and bucket must be above zero")
        if self.boot_mj >= 2 * self.idle_mw * self.bucket_seconds:
            raise AgreementError(
                "off/premise",
                f"half of a boot of {self.boot_mj} mJ is no less than {self.bucket_seconds} s of an idle "
                f"circuit at {self.idle_mw} mW: an idle circuit would count as off",
                hint="take longer buckets",
            )

    @classmethod
    def of(cls, pins: Sequence[Pin], bucket_seconds: int) -> "Off":
        """The rule for a circuit with these models behind it: the least boot and the least idle power."""
        return cls(min(p.boot_mj for p in pins), min(p.idle_mw for p in pins), bucket_seconds)

    def buckets(
        self,
        widened_mj: Amount,
        complete: Sequence[bool] | npt.NDArray[np.bool_],
        before_mj: int | None = None,
    ) -> npt.NDArray[np.bool_]:
        """Which buckets (last axis) are off, by their energy and whether they are metered without a gap.

        `before_mj` is the energy of the complete bucket before the first, if there is one.
        """
        quiet = np.asarray(2 * amounts(widened_mj) < self.boot_mj) & np.asarray(complete, np.bool_)
        first = before_mj is not None and 2 * before_mj < self.boot_mj
        earlier = np.concatenate([np.full((*quiet.shape[:-1], 1), first), quiet[..., :-1]], axis=-1)
        return np.asarray(quiet & earlier, np.bool_)


def surrounded(off: npt.NDArray[np.bool_], buckets: int) -> npt.NDArray[np.bool_]:
    """Where it is off, and for so many buckets before and after: off for certain by a clock that may be wrong by as
    much. Beyond the record nobody knows.

    >>> surrounded(np.array([True, True, True, False]), 1).tolist()
    [False, True, False, False]
    """
    on = running((~np.pad(off, buckets)).astype(np.int64))
    return np.asarray(on[2 * buckets + 1 :] == on[: -2 * buckets - 1])
