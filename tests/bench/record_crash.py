"""A recorder that is killed again and again beside a real exporter: what was lost, what was doubled.

    python tests/bench/record_crash.py [KILLS]

Each life ends with SIGKILL at a random moment. A sample counts when it was in the spool after the kill; it is lost if
the second that begins with it, and ends with the next, is not stated as sampled.
"""

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.record.killed import kill_often

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        found = kill_often(Path(folder), int(sys.argv[1]) if len(sys.argv) > 1 else 100, seed=1)
    print(f"{found.kills} kills, {found.samples:,} samples on the disk")
    print(f"lost {found.lost}, doubled {found.doubled}, seconds in no statement {found.skipped}")
    print(f"{found.missing:,} seconds without a recorder, stated as missing")
