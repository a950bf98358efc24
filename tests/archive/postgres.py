"""A real PostgreSQL for the tests: found on this machine, or unpacked from Debian's packages; a cluster of its own in a
temporary folder, on a socket in it and on no port."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import create_engine, text

from tests.debian import UnavailableError, unpacked

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "schemas" / "archive.md"
README = ROOT / "README.md"

PACKAGES = ("postgresql-15", "libpq5", "libllvm14", "libz3-4")
PATIENCE = 120  # seconds
CANNOT_RUN = 127  # what bash says of a program that lacks a library


def binaries(cache: Path) -> Path:
    """The folder with initdb and postgres. Raises UnavailableError."""
    for root in (Path("/"), None):
        folder = unpacked(cache, PACKAGES) if root is None else root
        found = sorted(folder.glob("usr/lib/postgresql/*/bin/initdb"))
        if found:
            return found[-1].parent
    raise UnavailableError("Debian's packages of PostgreSQL have no initdb")


@contextmanager
def cluster(cache: Path) -> Iterator[str]:
    """A running server; gives a URL without a database's name. Its superuser is `postgres`.

    The README's line begins it, except that nothing waits for the disk.
    """
    bin_ = binaries(cache)
    folder = Path(tempfile.mkdtemp(prefix="attest-pg-"))
    user = "nobody" if os.geteuid() == 0 else None  # the server refuses to be root's
    try:
        if user:
            shutil.chown(folder, user)
        (line,) = (line for line in README.read_text("utf-8").splitlines() if line.startswith("initdb "))
        unsynced = line.replace("initdb ", "initdb -N ").replace(" -k ", " -c fsync=off -k ")
        _run(["bash", "-ec", unsynced], user, folder, bin_)
        try:
            yield f"postgresql://postgres@/{{}}?host={folder}/pg"
        finally:
            _run(["pg_ctl", "-D", "pg", "-m", "immediate", "stop"], user, folder, bin_)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def grant(url: str, users: Mapping[str, str]) -> None:
    """Gives a database the roles of schemas/archive.md, as they stand there, and users, each in a role of these.

    Roles are of all databases of a cluster: those that another test has made are not made again.
    """
    (grants,) = re.findall(r"```sql\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        there = set(connection.execute(text("SELECT rolname FROM pg_roles")).scalars())
        for role in re.findall(r"CREATE ROLE (\w+);", grants):
            grants = grants.replace(f"CREATE ROLE {role};", "") if role in there else grants
        connection.execute(text(grants))
        for user, role in ((user, role) for user, role in users.items() if user not in there):
            connection.execute(text(f"CREATE USER {user} IN ROLE {role}"))
    engine.dispose()


def _run(command: list[str], user: str | None, folder: Path, bin_: Path) -> None:
    with tempfile.TemporaryFile() as said:  # a server keeps what it inherits open: no pipe
        environment = {"PATH": f"{bin_}:{os.environ['PATH']}", "LC_ALL": "C", "HOME": str(folder)}
        done = subprocess.run(
            command,
            check=False,
            cwd=folder,
            env=environment,
            user=user,
            group=user and "nogroup",
            stdout=said,
            stderr=said,
            timeout=PATIENCE,
        )
        if done.returncode:
            said.seek(0)
            kind = UnavailableError if done.returncode == CANNOT_RUN else RuntimeError
            raise kind(f"{command[0]} failed: {said.read().decode(errors='replace')[-400:]}")
