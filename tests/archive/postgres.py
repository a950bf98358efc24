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

PAGE = Path(__file__).resolve().parents[2] / "schemas" / "archive.md"

PACKAGES = ("postgresql-15", "libpq5", "libllvm14", "libz3-4")
PATIENCE = 60  # seconds


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
    """A running server; gives a URL without a database's name. Its superuser is `postgres`."""
    bin_ = binaries(cache)
    folder = Path(tempfile.mkdtemp(prefix="attest-pg-"))
    user = "nobody" if os.geteuid() == 0 else None  # the server refuses to be root's
    try:
        if user:
            shutil.chown(folder, user)
        data = folder / "data"
        _run(
            [bin_ / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "-N", "--no-instructions"],
            user,
            folder,
        )
        options = f"-c listen_addresses='' -c unix_socket_directories='{folder}' -c fsync=off"
        control = [bin_ / "pg_ctl", "-D", data, "-w", "-t", str(PATIENCE)]
        _run([*control, "-o", options, "-l", folder / "log", "start"], user, folder)
        try:
            yield f"postgresql://postgres@/{{}}?host={folder}"
        finally:
            _run([*control, "-m", "immediate", "stop"], user, folder)
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


def _run(command: list[Path | str], user: str | None, folder: Path) -> None:
    with tempfile.TemporaryFile() as said:  # a server keeps what it inherits open: no pipe
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C", "HOME": str(folder)}
        done = subprocess.run(
            [str(word) for word in command],
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
            raise UnavailableError(f"{Path(command[0]).name} failed: {said.read().decode(errors='replace')[-400:]}")
