"""Debian's Ceph with its S3 gateway for the tests: found on this machine, or unpacked from Debian's packages.

One monitor, one storage daemon that keeps everything in memory, one gateway; each on a port of its own that was free a
moment ago, for this machine alone, without authentication among themselves. No root is needed. Ceph keeps every rule of
Object Lock, and (release 16) knows nothing of conditional writes.
"""

import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.archive.servers import KEYS, Server, answers, free_ports, process
from tests.debian import UnavailableError, run, unpacked

PACKAGES = ("radosgw", "ceph-mon", "ceph-osd", "ceph-mgr-")  # without a manager, which serves people
PROGRAMS = ("ceph-authtool", "ceph-mon", "ceph-osd", "monmaptool", "osdmaptool", "radosgw", "radosgw-admin")
LIBRARIES = ("usr/lib/*-linux-gnu", "lib/*-linux-gnu", "usr/lib/*-linux-gnu/ceph")
PATIENCE = 60  # seconds for the cluster to come up
WHO = ("--uid", "test", "--display-name", "test", "--access-key", KEYS[0], "--secret-key", KEYS[1])


def environment(cache: Path) -> tuple[Path, Mapping[str, str]]:
    """The root that Ceph is under, and what it is run with. Raises UnavailableError."""
    if all(shutil.which(program) for program in PROGRAMS):
        return Path("/"), os.environ
    root = unpacked(cache, PACKAGES, needs=True)
    missing = [program for program in PROGRAMS if not (root / "usr/bin" / program).is_file()]
    if missing:
        raise UnavailableError(f"Debian's packages of Ceph have no {missing[0]}")
    places = ":".join(str(path) for pattern in LIBRARIES for path in sorted(root.glob(pattern)))
    return root, {**os.environ, "PATH": f"{root}/usr/bin:{os.environ['PATH']}", "LD_LIBRARY_PATH": places}


@contextmanager
def cluster(cache: Path, folder: Path) -> Iterator[Server]:
    """A running gateway, whose files are in an empty folder. Raises UnavailableError."""
    root, words = environment(cache)
    monitor, gateway = free_ports(2)
    conf, keyring, maps = folder / "ceph.conf", folder / "keyring", (folder / "monmap", folder / "osdmap")
    id_ = str(uuid.uuid4())
    conf.write_text(_conf(root, folder, id_, monitor, gateway), "utf-8")

    def do(*command: str) -> None:
        run(command, folder, words)

    for name in ("mon", "osd", "rgw"):
        (folder / name).mkdir()
    do("ceph-authtool", "--create-keyring", str(keyring), "--gen-key", "-n", "mon.", "--cap", "mon", "allow *")
    do("monmaptool", "--create", "--addv", "a", f"[v1:127.0.0.1:{monitor}]", "--fsid", id_, str(maps[0]))
    do("osdmaptool", "--createsimple", "1", str(maps[1]))
    do("osdmaptool", "--mark-up-in", "--save", "--print", str(maps[1]))
    ours = ("-c", str(conf))
    of_maps = ("--monmap", str(maps[0]), "--osdmap", str(maps[1]), "--keyring", str(keyring))
    do("ceph-mon", *ours, "--mkfs", "-i", "a", *of_maps)
    with ExitStack() as stack:

        def start(*command: str) -> None:
            said = folder / f"{command[0]}.out"
            stack.enter_context(process([command[0], *ours, *command[1:], "-f"], said, words))

        start("ceph-mon", "-i", "a")
        do("ceph-osd", *ours, "--mkfs", "-i", "0", "--osd-uuid", str(uuid.uuid4()))  # which asks the monitor
        start("ceph-osd", "-i", "0")
        start("radosgw", "-n", "client.rgw")
        do("radosgw-admin", *ours, "user", "create", *WHO)  # waits for the cluster, too
        server = Server(f"http://127.0.0.1:{gateway}")
        answers(server, folder / "radosgw.out", PATIENCE)
        yield server


def _conf(root: Path, folder: Path, id_: str, monitor: int, gateway: int) -> str:
    library = next(iter(sorted(root.glob("usr/lib/*-linux-gnu/rados-classes")))).parent
    return f"""[global]
fsid = {id_}
mon host = v1:127.0.0.1:{monitor}
auth cluster required = none
auth service required = none
auth client required = none
public network = 127.0.0.1/32
cluster network = 127.0.0.1/32
ms bind ipv6 = false
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
osd crush update on start = false
osd class update on start = false
osd objectstore = memstore
memstore device bytes = 2147483648
mon allow pool size one = true
mon max pg per osd = 10000
osd class dir = {library}/rados-classes
osd class load list = *
osd class default list = *
erasure code dir = {library}/ceph/erasure-code
plugin dir = {library}/ceph
run dir = {folder}
admin socket =
pid file =
log file = {folder}/$name.log
log to stderr = false
keyring = {folder}/keyring
mon data = {folder}/mon
osd data = {folder}/osd
rgw data = {folder}/rgw
rgw frontends = beast endpoint=127.0.0.1:{gateway}
"""
