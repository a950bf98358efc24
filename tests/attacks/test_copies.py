"""What a rival, or a bad disk, can do to a copy of an honest log: it accuses nobody, and it never holds."""

from collections.abc import Callable
from hashlib import sha256

import numpy as np
import pytest

from attest.format.checkpoint import Checkpoint, format_checkpoint
from attest.log.tiles import format_entries, parse_entries
from attest.report.verdict import as_lines, as_text
from attest.sign.notes import sign_note
from attest.simulate.lab import Lab
from attest.simulate.memory import MemoryBundle
from attest.verdict import Outcome, as_data
from tests.attacks.vectors import (
    COPY,
    UNPROVEN,
    Case,
    Vector,
    attacks,
    holds,
    invalid,
    play,
    ran,
    unproven,
)
from tests.check.world import ACME, HOUR, honest, lab, replace, site

Files = dict[str, bytes]


def large() -> Lab:
    """A log of more than one tile on each of two levels of the tree."""
    made = Lab(ACME, site(), window_s=HOUR // 2, head_s=HOUR // 6)
    made.run()
    return made


def copied(change: Callable[[Files], object], of: Callable[[], Lab] = honest) -> Callable[[], MemoryBundle]:
    """A copy whose files were changed."""

    def story() -> MemoryBundle:
        bundle = of().bundle()
        change(bundle.files)
        return bundle

    return story


def path(files: Files, prefix: str) -> str:
    return next(path for path in sorted(files) if path.startswith(prefix))


def at(prefix: str, change: Callable[[bytes], bytes]) -> Callable[[Files], None]:
    def apply(files: Files) -> None:
        place = path(files, prefix)
        files[place] = change(files[place])

    return apply


def flipped(place: int) -> Callable[[bytes], bytes]:
    return lambda data: data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


def middle(data: bytes) -> bytes:
    return flipped(len(data) // 2)(data)


def padding(files: Files) -> None:
    """A byte that no digest covers: between two blocks of the pack."""
    made = lab()
    roster = made.roster_body
    assert len(roster) % 8
    files[path(files, "blocks/")] = flipped(len(roster))(files[path(files, "blocks/")])


def entries_reordered(files: Files) -> None:
    place = path(files, "tile/entries")
    entries = parse_entries(files[place], 40)
    entries[30], entries[31] = entries[31], entries[30]
    files[place] = format_entries(entries)


def entry_exchanged(files: Files) -> None:
    """Another entry with its own hash in the tile: only the root tells."""
    place, tile = path(files, "tile/entries"), path(files, "tile/0")
    entries = parse_entries(files[place], 40)
    entries[30] = entries[29]
    hashes = np.frombuffer(files[tile], np.uint8).reshape(-1, 32).copy()
    hashes[30] = hashes[29]
    files[place], files[tile] = format_entries(entries), hashes.tobytes()


def truncated(files: Files) -> None:
    """The last entry is gone, and the file says so by its name."""
    for prefix, cut in (("tile/entries", None), ("tile/0", -32)):
        place = path(files, prefix)
        data = files.pop(place)
        shorter = format_entries(parse_entries(data, 40)[:39]) if cut is None else data[:cut]
        files[place.replace("/40", "/39")] = shorter


def emptied(prefix: str) -> Callable[[Files], None]:
    return at(prefix, lambda data: b"")


def block_alone(files: Files) -> None:
    """One block is set apart and altered; the pack is not there."""
    made = honest()
    del files[path(files, "blocks/")]
    for number, entry in enumerate(e for e in made.entries if e.block is not None):
        assert entry.block is not None
        data = flipped(200)(entry.block) if number == 3 else entry.block
        files[f"blocks/sha256/{sha256(entry.block).hexdigest()}"] = data


def blocks_apart(files: Files) -> None:
    """The same blocks, each by itself."""
    made = honest()
    del files[path(files, "blocks/")]
    for entry in made.entries:
        if entry.block is not None:
            files[f"blocks/sha256/{sha256(entry.block).hexdigest()}"] = entry.block


def no_blocks(files: Files) -> None:
    for place in [p for p in files if p.startswith("blocks/")]:
        del files[place]


def extra(files: Files) -> None:
    files["tile/0/001"] = b"x" * 8_192
    files["readme.txt"] = b"trust me"


def twice() -> Case:
    bundle = honest().bundle()
    return Case([bundle, bundle])


def old_and_new() -> Case:
    """An older copy beside the new one adds nothing, and takes nothing away."""
    return Case([ran().bundle(name="old"), honest().bundle()])


def of_somebody_else() -> Case:
    """A bundle of a party that the agreement does not know lies beside the right one."""
    stranger = Lab(replace(ACME, name="stranger"), site())
    return Case([honest().bundle(), stranger.bundle()])


VECTORS = (
    invalid("a byte of an entry", copied(at("tile/entries", flipped(700))), "tree/tile", COPY),
    invalid("a byte of an entry's length", copied(at("tile/entries", flipped(1))), "tree/entries", COPY),
    invalid("a byte of a hash", copied(at("tile/0", flipped(70))), "tree/tile", COPY),
    invalid("a byte of an upper hash", copied(at("tile/1", flipped(3)), large), "tree/tile", COPY),
    invalid("entries in another order", copied(entries_reordered), "tree/tile", COPY),
    invalid("an entry exchanged with its hash", copied(entry_exchanged), "tree/root", COPY),
    invalid("entries cut short", copied(at("tile/entries", lambda data: data[:-5])), "tree/entries", COPY),
    invalid("entries that go on", copied(at("tile/entries", lambda data: data + b"\0")), "tree/entries", COPY),
    invalid("entries that are gone", copied(emptied("tile/entries")), "tree/entries", COPY),
    invalid("hashes cut short", copied(at("tile/0", lambda data: data[:-1])), "tree/tile", COPY),
    invalid("hashes that go on", copied(at("tile/0", lambda data: data + bytes(32))), "tree/tile", COPY),
    invalid("a byte of a block", copied(at("blocks/", middle)), "block/digest", COPY),
    invalid("a byte of a roster", copied(at("blocks/", flipped(9))), "block/digest", COPY),
    invalid("a byte between blocks", copied(padding), "tree/pack", COPY),
    invalid("a pack cut short", copied(at("blocks/", lambda data: data[:-8])), "tree/pack", COPY),
    invalid("a pack that goes on", copied(at("blocks/", lambda data: data + bytes(8))), "tree/pack", COPY),
    invalid("a pack that is empty", copied(emptied("blocks/")), "tree/pack", COPY),
    invalid("a byte of a block by itself", copied(block_alone), "block/digest", COPY),
    unproven("no blocks at all", copied(no_blocks), "block/absent"),
    unproven("one log given twice", twice, "bundle/twice"),
    unproven("an old copy beside the new one", old_and_new, "bundle/twice"),
    invalid("a stranger's bundle beside the right one", of_somebody_else, "head/unknown-origin", COPY),
    holds("files that nobody asked for", copied(extra), "bundle/extra"),
    holds("blocks by themselves", copied(blocks_apart)),
    holds("a log of several tiles", large),
)


@attacks(VECTORS)
def test_attack(vector: Vector) -> None:
    play(vector)


def test_a_tail_torn_off_is_missing_and_no_forgery() -> None:
    verdict = Case([copied(truncated)()]).verdict()
    assert verdict.exit_code == 6
    assert verdict.missing


def test_a_copy_is_invalid_whoever_is_trusted() -> None:
    told = copied(at("tile/entries", flipped(700)))
    verdict = Case([told()], trust=None).verdict()
    assert verdict.exit_code == 5
    assert {f.scope for p in verdict.parties for f in p.findings if f.scope} == {COPY}


def test_a_log_that_cannot_be_read_leaves_every_term_unproven() -> None:
    verdict = Case([copied(at("tile/entries", flipped(700)))()]).verdict()
    for term in verdict.parties[0].terms:
        assert term.outcome is UNPROVEN
        assert {f.code for f in term.findings} >= {"site/unreadable"}


def test_the_name_of_a_file_is_no_line_of_the_verdict() -> None:
    """Whoever carries a copy adds a file that is called like a line of good news, or moves the cursor."""

    def named(files: Files) -> None:
        files["x\n\n\u2714 HOLDS  Acme"] = b""
        files["\x1b[2J"] = b""

    verdict = play(holds("files with names to be read as something else", copied(named), "bundle/extra"))
    for report in (as_text(as_data(verdict)), as_lines(as_data(verdict))):
        assert "\x1b" not in report and "\n\u2714 HOLDS  Acme" not in report
        assert r"'x\n\n\u2714 HOLDS" in report


@pytest.mark.parametrize("size", [1 << 36, 1 << 62])
def test_no_head_is_too_large_to_be_looked_at(size: int) -> None:
    """The log's own key signs a size that there are no files for: the first of them is missing, whatever the size."""
    bundle = honest().bundle()
    text = format_checkpoint(Checkpoint(ACME.origin, size, bytes(32)))
    bundle.files["checkpoint"] = sign_note(text, ACME.origin, ACME.log_keys())
    del bundle.files[path(bundle.files, "tile/entries")]
    verdict = Case([bundle]).verdict()
    assert verdict.outcome is Outcome.UNPROVEN
    assert "bundle/missing" in verdict.missing[0]
