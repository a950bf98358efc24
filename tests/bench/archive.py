"""An archive under load: many bundles put by several processes that are killed again and again; then fixity with bits
flipped under it; then recheck.

    python tests/bench/archive.py [BUNDLES [KILLS [PROCESSES]]]        1000 100 4
"""

import random
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from attest.archive.fixity import fixity
from attest.archive.founding import found
from attest.archive.place import Archive
from attest.archive.recheck import everything, recheck
from tests.archive.killed import kill_often, make_bundles
from tests.archive.papers import NOW

FLIPS = 50


def main(bundles: int = 1_000, kills: int = 100, processes: int = 4) -> None:
    """Prints the figures."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "archive"
        found(place, "regulator.example/archive", None, None, lambda: NOW, "bench").index.close()
        figures = kill_often(place, make_bundles(Path(folder) / "bundles", bundles), processes, kills, seed=1)
        print(
            f"{figures.deliveries:,} deliveries by {processes} processes, {figures.kills} kills, "
            f"{figures.deliveries / figures.seconds:.1f} a second"
        )
        print(
            f"lost {figures.lost}, changed or missing {figures.flaws}, untracked {figures.untracked}, "
            f"index equals reindex: {'yes' if figures.same else 'NO'}"
        )
        archive = Archive.open(place)
        begin = time.perf_counter()
        judged = list(recheck(archive, everything(archive)[:200], actor="bench", clock=lambda: NOW))
        seconds = time.perf_counter() - begin
        print(f"recheck {len(judged) / seconds:.1f} a second, {sum(each.moved for each in judged)} moved")
        flipped = flip(place, random.Random(1))
        begin = time.perf_counter()
        result = fixity(archive)
        seconds = time.perf_counter() - begin
        changed = {flaw.path for flaw in result.flaws if flaw.kind == "changed"}
        print(
            f"fixity {result.size / seconds / 1e6:,.0f} MB/s over {result.objects:,} objects; "
            f"of {len(flipped)} flipped bits found {len(flipped & changed)}, and {len(changed - flipped)} others"
        )


def flip(place: Path, draw: random.Random) -> set[str]:
    """Flips one bit in each of so many objects; their paths."""
    objects = sorted(path for path in (place / "objects").rglob("*") if path.is_file() and path.stat().st_size)
    chosen = draw.sample(objects, FLIPS)
    for path in chosen:
        data = bytearray(path.read_bytes())
        data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
        path.chmod(0o644)
        path.write_bytes(data)
    return {str(path.relative_to(place)) for path in chosen}


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:]))
