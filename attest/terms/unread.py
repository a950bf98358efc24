"""What meters may still show to be off: a hole in a host's record is none where its circuit was off.

A meter's statement whose block is not in the copy at hand, or that does not count, may count in another copy; and an
independent meter that has not spoken yet may still speak: it is not the lab's to hurry. Off is shown by buckets
together, so that one reading that is not there leaves its neighbours unknown as well.
"""

import numpy as np

from attest.evaluate import View
from attest.facts import Mask, Metered
from attest.figures import INDEPENDENT, SOFTWARE
from attest.format.vocabulary import Role


class Unread:
    """In which buckets a feed may still be shown to be off by what a copy does not show."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.reach = max(view.account.metering(level).pad for level in (INDEPENDENT, SOFTWARE))
        missing = self._missing()
        self.feeds: dict[int, Mask] = {}
        for (sub, _), feed in view.layouts.meters.items():
            if sub in missing:
                self.feeds[feed] = missing[sub] | self.feeds.get(feed, missing[sub])
        self.above = view.layouts.above(view.start, view.end) if self.feeds else {}

    def behind(self, groups: slice) -> Mask:
        """[group, bucket]: of some groups, by the feeds that they are behind."""
        first, end = self.view.window
        out = np.zeros((groups.stop - groups.start, end - first), bool)
        for place, group in enumerate(self.view.layouts.groups[groups] if self.feeds else ()):
            for feed in self.above.get(group.feed, frozenset()) & self.feeds.keys():
                out[place] |= self.feeds[feed]
        return out

    def _missing(self) -> dict[str, Mask]:
        """By each meter's sub in which buckets its readings, or those of neighbours, may still turn up."""
        view, worth = self.view, self.view.worth
        bucket, (first, end) = view.agreement.bucket_s, view.window
        meters = {source.number: source for source in view.control.sources if source.role is Role.METER}
        reach = view.witnessed_end()
        times = [(source.sub, reach[source.sub], view.end) for source in meters.values() if source.independent]
        read = worth.usable & np.isin(worth.indices, view.facts.metered[:, Metered.INDEX])
        lost = ~read & np.isin(worth.sources, list(meters))
        said = zip(worth.sources[lost].tolist(), worth.windows[lost].tolist(), strict=True)
        times += [(meters[number].sub, start, stop) for number, (start, stop) in said]
        found: dict[str, Mask] = {}
        around = self.reach * bucket
        for sub, start, stop in times:
            if stop > start and start < view.end + around and stop > view.start - around:
                mask = found.setdefault(sub, np.zeros(end - first, bool))
                begin, last = start // bucket - first - self.reach, -(-stop // bucket) - first + self.reach
                mask[max(begin, 0) : last] = True
        return found
