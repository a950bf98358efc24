"""A key that is rotated twice, or by a process that is killed on the way: no chain comes to its end by it."""

import pytest

from attest.errors import AttestError
from attest.format.vocabulary import Kind
from attest.store.outbox import Outbox
from tests.collect.test_import import START
from tests.record.rig import MINUTE
from tests.site.rig import Lab, signer
from tests.site.test_agents import require_whole
from tests.site.test_power_cuts import HostLife, Promised


def test_a_rotation_that_is_asked_for_again_is_the_same_one(lab: Lab) -> None:
    """Another one to a key that the log knows would be refused by it for ever, and the chain at its end."""
    life = HostLife.begun(lab, "n1", START * 1000, Promised())
    life.clock.end_ms = (START + 12 * MINUTE) * 1000
    life.run()
    for _ in range(2):
        life.meeting().rotate(signer("n1 next"))
    with pytest.raises(AttestError, match="key/reused"):
        life.meeting().rotate(signer("n1"))
    life.run(10)
    require_whole(life, life.ends())


@pytest.mark.parametrize("again", [False, True])
def test_a_rotation_that_was_only_proposed_is_signed_and_the_next_key_follows(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, again: bool
) -> None:
    """Whether a window is due when it is found, or the rotation is asked for again."""
    life = HostLife.begun(lab, "n1", START * 1000, Promised())
    life.clock.end_ms = (START + 7 * MINUTE) * 1000
    life.run()
    with monkeypatch.context() as patch, pytest.raises(KilledError):
        patch.setattr(Outbox, "sign", killed)
        life.meeting().rotate(signer("n1 next"))
    if again:
        life.meeting().rotate(signer("n1 next"))
    life.clock.true_ms += 9 * MINUTE * 1000  # nobody ran
    life.run(6)
    require_whole(life, life.ends())
    kinds = [statement.kind for statement in life.statements()]
    assert kinds.count(Kind.KEYS) == 1


class KilledError(Exception):
    """In the place of the end of a process."""


def killed(*_: object) -> None:
    raise KilledError
