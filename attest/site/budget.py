"""What one host may cost: token buckets on bytes and on pieces of work, one pair for each host (schemas/site.md).

A bucket holds at most `burst` and gains `per_hour`. What is larger than a bucket is taken from a full one, which then
owes the rest: so that no limit locks anybody out for good.

>>> budget = Budget(Limits(size=Limit(100, 3600), work=Limit(2, 3600)), now=0.0)
>>> budget.take(80, 1, now=0.0), budget.take(80, 1, now=0.0), budget.take(80, 1, now=60.0)
(0.0, 60.0, 0.0)
"""

from collections import OrderedDict
from typing import Final, NamedTuple

HOUR: Final = 3_600
MAX_HOSTS: Final = 1 << 16  # whose buckets are kept; the one that was used longest ago is forgotten


class Limit(NamedTuple):
    """How much at once, and how much in an hour for as long as one likes."""

    burst: int
    per_hour: int


class Limits(NamedTuple):
    """Bytes, and pieces of work: requests and signatures, or statements."""

    size: Limit
    work: Limit


class Bucket:
    """One of them; times are in s of any steady clock."""

    def __init__(self, limit: Limit, now: float) -> None:
        self.limit, self.level, self._at = limit, float(limit.burst), now

    def wait(self, amount: int, now: float) -> float:
        """How long until there is as much, s."""
        rate = self.limit.per_hour / HOUR
        self.level = min(self.limit.burst, self.level + (now - self._at) * rate)
        self._at = now
        return max(0.0, (min(amount, self.limit.burst) - self.level) / rate)


class Budget:
    """Both of one host."""

    def __init__(self, limits: Limits, now: float) -> None:
        self.size, self.work = Bucket(limits.size, now), Bucket(limits.work, now)

    def take(self, size: int, work: int, now: float) -> float:
        """Takes both and returns 0, or takes nothing and returns how long to wait, s."""
        wait = max(self.size.wait(size, now), self.work.wait(work, now))
        if wait == 0:
            self.size.level -= size
            self.work.level -= work
        return wait


class Budgets:
    """Those of all hosts."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._held: OrderedDict[str, Budget] = OrderedDict()

    def take(self, host: str, size: int, work: int, now: float) -> float:
        """As `Budget.take`."""
        budget = self._held.setdefault(host, Budget(self._limits, now))
        self._held.move_to_end(host)
        if len(self._held) > MAX_HOSTS:
            self._held.popitem(last=False)
        return budget.take(size, work, now)
