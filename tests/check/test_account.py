"""What gaps can hold: of each feed by itself, whatever else is behind the same meter."""

from collections.abc import Callable

import pytest

from attest import account
from attest.format.roster import Feed, Roster
from attest.simulate.site import Event, Trouble
from tests.check.world import CAP, HOUR, START, TRAINING, judge, lab, replace, under

LOST = tuple(Event(Trouble.LOST, node, START + 7 * HOUR, START + 11 * HOUR) for node in (0, 1))


def in_gaps(change: Callable[[Roster], Roster]) -> int:
    """Over windows of three hours, of two unmetered nodes that lost four hours: one was idle, the other trained."""
    made = lab((TRAINING._replace(nodes=(1,)),), LOST, meter=None)
    made.inventory(change(made.roster()), START)
    made.run()
    pact = replace(under({**CAP, "assurance": "L1", "window": "3 h"}), meter=None)
    return judge(made.bundle(), pact).parties[0].terms[0].parts["gaps"]


def together(roster: Roster) -> Roster:
    """All devices on one feed."""
    return replace(
        roster,
        feeds=(Feed("all", None, None),),
        hosts=tuple(h._replace(devices=tuple(d._replace(feed=0) for d in h.devices)) for h in roster.hosts),
    )


@pytest.mark.parametrize("block", [1, 1 << 22])
def test_gaps_are_bounded_feed_by_feed(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the first hour counters bound the one, time the other; on one feed the lesser sum is all there is."""
    monkeypatch.setattr(account, "BLOCK", block)
    assert 0 < in_gaps(lambda roster: roster) < in_gaps(together)
