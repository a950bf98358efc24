"""Programs that tests run for real, unpacked from Debian's packages into a folder of the tests' cache.

Nothing is installed and no root is needed: apt keeps its lists in that folder, too.
"""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

PATIENCE = 300  # seconds that a command may take
LOCKS = "Debug::NoLocking=1"  # those of the system are not ours; `unpacked` has one of its own


class UnavailableError(Exception):
    """A program is not here and cannot be had; says why."""


def unpacked(cache: Path, packages: Sequence[str], *, needs: bool = False) -> Path:
    """The folder with the packages' files, unpacked unless it is there. Raises UnavailableError.

    With `needs`, all that they depend on and that is not installed comes with them.
    """
    root = cache / "root"
    with (cache / "lock").open("w") as lock:  # several processes may run the tests
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not root.is_dir():
            _unpack(cache, packages, needs).rename(root)  # a set-up that was cut short is begun again
    return root


def _unpack(cache: Path, packages: Sequence[str], needs: bool) -> Path:
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise UnavailableError(f"{packages[0]} is not installed, and without apt-get it cannot be had")
    debs = cache / "cache/archives"
    for place in (cache / "state/lists/partial", debs / "partial"):
        place.mkdir(parents=True, exist_ok=True)
    status = "/var/lib/dpkg/status" if needs else "/dev/null"
    own = (f"Dir::State={cache}/state", f"Dir::State::status={status}", f"Dir::Cache={cache}/cache", LOCKS)
    apt = ["apt-get", "-qq", *(word for option in own for word in ("-o", option))]
    run([*apt, "update"], cache)
    get = ["install", "--download-only", "--no-install-recommends", "--yes"] if needs else ["download"]
    run([*apt, *get, *packages], debs)
    half = cache / "half"
    for package in debs.glob("*.deb"):
        run(["dpkg-deb", "-x", str(package), str(half)], cache)
    return half


def run(command: Sequence[str], folder: Path, environment: Mapping[str, str] = os.environ) -> None:
    """A command that must succeed. Raises UnavailableError."""
    try:
        done = subprocess.run(
            command, check=False, cwd=folder, env=environment, capture_output=True, text=True, timeout=PATIENCE
        )
    except subprocess.TimeoutExpired:
        raise UnavailableError(f"{command[0]} took longer than {PATIENCE} s") from None
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise UnavailableError(f"{command[0]} {command[-1]} failed: {''.join(said)}")
