"""A new archive: its keys, the genesis of its custody log, and the agreement that `attest check` judges that log by.

Killed at any point it leaves a folder without `archive.toml`, which is no archive yet and can be begun again, or the
archive.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from attest.agreement.signed import CONTENT_TYPE as AGREEMENT
from attest.archive.custody import Custody, Keys, Named
from attest.archive.index import Index
from attest.archive.place import FILE, FORMAT, INDEX, KEYS, LOG_KEY, OFFICE_KEY, Archive, open_objects, write_config
from attest.errors import ArchiveError
from attest.format.note import format_vkey
from attest.report.style import utc
from attest.sign.documents import sign_document
from attest.sign.files import load_key, new_key
from attest.sign.keys import PrivateSigner
from attest.store import disk
from attest.trust.keys import format_key
from attest.trust.notes import log_vkey

ROOT_KEY: Final = f"{KEYS}/root.key"
CUSTODY_AGREEMENT: Final = "custody.agreement"
CUSTODY_TRUST: Final = "custody.trust.toml"
YEARS: Final = 25  # that the agreement about the custody log speaks of
SILENCE: Final = "31 d"  # something is entered at least so often: fixity every month does it
_BUCKET: Final = 15 * 60
_YEAR: Final = 365 * 24 * 4 * _BUCKET


def found(
    path: Path, origin: str, store: str | None, index: str | None, clock: Callable[[], int], actor: str
) -> Archive:
    """Makes an archive in a folder, or finishes one that was begun there.

    Raises ArchiveError `archive/exists`, and what store and index raise.
    """
    if (path / FILE).exists():
        raise ArchiveError("archive/exists", f"{path} is an archive already", hint="name another folder")
    with disk.failures(path):
        (path / KEYS).mkdir(mode=0o700, parents=True, exist_ok=True)
    root, office, log = (_key(path / name) for name in (ROOT_KEY, OFFICE_KEY, LOG_KEY))
    named = Named(origin, f"https://{origin}", f"https://{origin}/office")
    objects = open_objects(path, store)
    tables = Index(index or f"sqlite:///{(path / INDEX).absolute()}")
    tables.migrate()
    now = clock()
    custody = Custody(tables, objects, named, Keys(office, log))
    custody.found(root, now)
    with custody.session() as session:
        if session.size == 1:
            session.record("init", actor, {}, {"archive": origin, "format": FORMAT}, clock())
    text = _agreement(named, root, log, now).encode()
    _write(path / CUSTODY_AGREEMENT, sign_document(text, AGREEMENT, [root]))
    _write(path / CUSTODY_TRUST, _trust(named, root).encode())
    write_config(path, named, store, index)
    return Archive(path, named, objects, tables, Keys(office, log))


def _key(path: Path) -> PrivateSigner:
    return load_key(path) if path.exists() else new_key(path)


def _write(path: Path, data: bytes) -> None:
    with disk.failures(path):
        disk.replace(path.with_name(".tmp"), path, [data])


def _holder(root: PrivateSigner) -> str:
    return f'name = "the archive\'s root"\nkeys = ["{format_key(root.public_key())}"]\n'


def _trust(named: Named, root: PrivateSigner) -> str:
    return f'[[party]]\niss = "{named.iss}"\nthreshold = 1\n\n[[party.holder]]\n{_holder(root)}'


def _agreement(named: Named, root: PrivateSigner, log: PrivateSigner, now: int) -> str:
    """What the custody log is judged by: an unbroken chain, in which something is entered every so often."""
    start = now - now % _BUCKET
    return f"""name = "Custody of {named.origin}"
version = 1
bucket = "15 min"
interval = "60 s"
max_lag = "15 min"
grace = "7 d"

[witnesses]
tolerates = 0
policy = \"\"\"
quorum none
\"\"\"

[[party]]
iss = "{named.iss}"
name = "{named.origin}"
threshold = 1

[[party.holder]]
{_holder(root)}
[[party.site]]
name = "custody"
origin = "{named.origin}"
log_keys = ["{format_vkey(log_vkey(named.origin, log.public_key()))}"]

[[phase]]
name = "custody"
start = {utc(start)}
end = {utc(start + YEARS * _YEAR)}

[[phase.term]]
kind = "custody"
max_silence = "{SILENCE}"
"""
