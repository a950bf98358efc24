"""One roster under many inventory statements: read as often as its bytes are there, and kept once."""

from hashlib import sha256

import pytest

from attest import replay
from attest.format.block import commit
from attest.format.bodies import InventoryBody
from attest.simulate.lab import Lab
from attest.simulate.memory import MemoryBundle
from attest.verdict import Outcome
from tests.check.world import CAP, END, HOUR, codes, honest, judge, under

TIMES = 40  # statements after the first, all in one pack


def repeated(body: bytes | None = None) -> Lab:
    """A lab that declares one and the same roster again and again when the day is over, a second apart."""
    made = honest()
    body = body or made.roster_body
    for n in range(TIMES):
        made.office.say(InventoryBody(commit(body), made.roster().count()), END + n, body)
    made.now += HOUR
    made.witness()
    return made


def packs(bundle: MemoryBundle) -> list[str]:
    return [path for path in bundle.files if path.startswith("blocks/")]


def alone(made: Lab) -> MemoryBundle:
    """Every block by itself, under its digest."""
    bundle = made.bundle()
    for path in packs(bundle):
        del bundle.files[path]
    for entry in made.entries:
        if entry.block is not None:
            bundle.files[f"blocks/sha256/{sha256(entry.block).hexdigest()}"] = entry.block
    return bundle


@pytest.mark.parametrize("packed", [True, False])
def test_a_body_is_parsed_once_however_many_commit_to_it(packed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    made, parsed, read = repeated(), [], []
    bundle = made.bundle() if packed else alone(made)
    parse, block = replay.parse_roster, bundle.block
    monkeypatch.setattr(replay, "parse_roster", lambda body: parsed.append(body) or parse(body))
    monkeypatch.setattr(bundle, "block", lambda digest, size: read.append(digest) or block(digest, size))
    verdict = judge(bundle, under(CAP))
    assert verdict.outcome is Outcome.HOLDS and not codes(verdict)
    assert len(parsed) == 1
    assert read.count(sha256(made.roster_body).digest()) == (0 if packed else 1)


def test_a_body_that_is_no_roster_is_not_read_again_either(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each statement that commits to it is wrong all the same."""
    body, parsed = b"no roster", []
    parse = replay.parse_roster
    monkeypatch.setattr(replay, "parse_roster", lambda body: parsed.append(body) or parse(body))
    verdict = judge(alone(repeated(body)), under(CAP))
    assert parsed.count(body) == 1
    assert sum(finding.code.startswith("cbor/") for finding in verdict.parties[0].findings) == TIMES


def test_every_copy_in_a_pack_is_held_to_its_digest() -> None:
    made = repeated()
    for copy in (0, TIMES // 2, TIMES):
        bundle = made.bundle()
        (path,) = packs(bundle)
        at, pack = -1, bundle.files[path]
        for _ in range(copy + 1):
            at = pack.index(made.roster_body, at + 1)
        bundle.flip(path, at + len(made.roster_body) // 2)
        verdict = judge(bundle, under(CAP))
        assert verdict.outcome is Outcome.INVALID and "block/digest" in codes(verdict)
