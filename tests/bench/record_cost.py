"""What the recorder costs beside a host: processor time of a real process that samples 8 devices every second.

    python tests/bench/record_cost.py [SECONDS]

It scrapes a real exporter on the loopback address, spools and syncs each sample, closes a window a minute, and seals.
The time of the process is read from the system (user and system), before the first window and after the last, so that
starting Python does not count.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.record.exporter import exporting
from tests.record.real import configured, make_site

DEVICES = 8
WINDOW = 60
TICKS = 100  # of /proc/PID/stat in a second, on Linux


def processor_seconds(pid: int) -> float:
    """User and system time of a process, all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def main(seconds: int) -> None:
    uids = tuple(f"GPU-{number}" for number in range(DEVICES))
    with tempfile.TemporaryDirectory() as folder, exporting(*uids) as exporter:
        path = Path(folder)
        make_site(path, uids)
        config = configured(path, exporter, window=f"{WINDOW} s", seal="1 min")
        words = [sys.executable, "-m", "attest", "record", "--config", str(config)]
        with subprocess.Popen(words, stderr=subprocess.DEVNULL) as process:
            time.sleep(5)
            begun, before, asked = time.monotonic(), processor_seconds(process.pid), exporter.asked
            time.sleep(seconds)
            spent, passed = processor_seconds(process.pid) - before, time.monotonic() - begun
            samples = exporter.asked - asked
            process.terminate()
            process.wait(30)
    print(f"{passed:.0f} s, {samples} samples of {DEVICES} devices")
    print(f"processor time    {spent:.2f} s, {spent / passed * 100:.2f} % of one core")
    print(f"of one sample     {spent / samples * 1000:.2f} ms")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 180)
