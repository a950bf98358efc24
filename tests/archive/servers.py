"""S3 servers that the tests start themselves: moto here, Ceph's gateway in radosgw.py.

moto is a program of its own on a port that the system chooses; it keeps buckets in memory, knows conditional writes,
lets a retention of mode COMPLIANCE be shortened, and looks at nobody's keys.
"""

import hashlib
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from boto3.session import Session

from tests.debian import UnavailableError

KEYS = ("AKIATESTTESTTEST", "the/secret/of/the/tests")
PATIENCE = 60  # seconds for a server to come up


class Server(NamedTuple):
    """Where a server is; `KEYS` may do everything there."""

    url: str

    def chosen(self, patch: pytest.MonkeyPatch) -> None:
        """Makes boto3's own chain find this server and nothing else."""
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        patch.setenv("AWS_ENDPOINT_URL", self.url)
        patch.setenv("AWS_ACCESS_KEY_ID", KEYS[0])
        patch.setenv("AWS_SECRET_ACCESS_KEY", KEYS[1])
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("AWS_CONFIG_FILE", os.devnull)
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)

    def client(self) -> Any:
        """boto3's client, beside the code that is tested."""
        return Session(*KEYS, region_name="us-east-1").client("s3", endpoint_url=self.url)

    def bucket(self, name: str, *, lock: bool = True, versions: bool = True) -> str:
        """A new bucket whose name is made from a test's."""
        bucket = f"t{hashlib.sha256(name.encode()).hexdigest()[:20]}"
        client = self.client()
        client.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=lock)
        if versions and not lock:
            client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        return bucket


@contextmanager
def moto(folder: Path) -> Iterator[Server]:
    """A running moto. Raises UnavailableError."""
    said = folder / "moto.out"
    with process([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"], said, os.environ):
        end = time.monotonic() + PATIENCE
        while not (found := re.search(r"http://127\.0\.0\.1:\d+", said.read_text("utf-8"))):
            if time.monotonic() > end:
                raise UnavailableError(f"moto does not start: {said.read_text('utf-8')[-300:]}")
            time.sleep(0.05)
        server = Server(found[0])
        answers(server, said, PATIENCE)
        yield server


@contextmanager
def process(command: Sequence[str], said: Path, environment: Mapping[str, str]) -> Iterator[None]:
    """A program that runs until the end, or until whoever runs the tests is killed; what it says goes to a file."""
    until = 'trap : INT; "$@" & read -r _; kill $!; wait $!'
    with said.open("wb") as file:
        running = subprocess.Popen(
            ["sh", "-c", until, "sh", *command], env=environment, stdin=subprocess.PIPE, stdout=file, stderr=file
        )
    try:
        yield
    finally:
        running.communicate(timeout=PATIENCE)


def answers(server: Server, said: Path, patience: float) -> None:
    """Waits until a server answers. Raises UnavailableError."""
    end = time.monotonic() + patience
    while True:
        try:
            urllib.request.urlopen(server.url, timeout=patience).close()
        except urllib.error.HTTPError:
            return
        except OSError as error:
            if time.monotonic() > end:
                last = said.read_text("utf-8", "replace")[-300:]
                raise UnavailableError(f"{server.url} does not answer ({error}): {last}") from error
            time.sleep(0.05)
        else:
            return


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nobody has just now."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
