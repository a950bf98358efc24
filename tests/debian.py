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


class UnavailableError(Exception):
    """A program is not here and cannot be had; says why."""


def unpacked(cache: Path, packages: Sequence[str]) -> Path:
    """The folder with the packages' files, unpacked unless it is there. Raises UnavailableError."""
    root = cache / "root"
    with (cache / "lock").open("w") as lock:  # several processes may run the tests
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not root.is_dir():
            _unpack(cache, packages).rename(root)  # a set-up that was cut short is begun again
    return root


def _unpack(cache: Path, packages: Sequence[str]) -> Path:
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise UnavailableError(f"{packages[0]} is not installed, and without apt-get it cannot be had")
    for place in ("state/lists/partial", "cache/archives/partial", "debs"):
        (cache / place).mkdir(parents=True, exist_ok=True)
    own = (f"Dir::State={cache}/state", "Dir::State::status=/dev/null", f"Dir::Cache={cache}/cache")
    apt = ["apt-get", "-qq", *(word for option in own for word in ("-o", option))]
    run([*apt, "update"], cache)
    run([*apt, "download", *packages], cache / "debs")
    half = cache / "half"
    for package in (cache / "debs").glob("*.deb"):
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
