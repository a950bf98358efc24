"""A delivery as a bag, with all that it takes to judge it again in another archive or another decade, and back.

data/bundles/NAME/...  data/agreement  data/trust.toml  data/events/...     as they were delivered
data/manifest          the delivery's manifest                               data/verdicts/N.json    by entry
data/specification/... data/verifier/*.whl                                   what they mean, and who judged
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Row, select

from attest import __version__
from attest.archive import deliveries
from attest.archive.address import Address, address_of
from attest.archive.bag import PAYLOAD
from attest.archive.bag_read import Bag, open_bag
from attest.archive.bag_write import Item, write_bag
from attest.archive.custody import line
from attest.archive.export import files_of, pieces
from attest.archive.manifest import MAX_MANIFEST, format_manifest, parse_manifest
from attest.archive.mending import doubting
from attest.archive.place import Archive
from attest.archive.putting import Received, record, record_verdict
from attest.archive.stored import read_whole
from attest.archive.tables import ENTRIES
from attest.archive.wheel import own_wheel, specification
from attest.errors import ArchiveError, MalformedError
from attest.report.style import utc

_MANIFEST: Final = f"{PAYLOAD}manifest"


def write_delivery(archive: Archive, row: Row[Any], target: Path) -> int:
    """Writes a delivery as a bag into a new folder; returns how many files of it are payload. Raises as `write_bag`."""
    manifest = deliveries.manifest_of(archive.objects, row)
    with archive.index.reading() as connection:
        verdicts = list(_verdicts(archive, connection, row.id))
    items = [Item(path, file.whole, pieces(archive.objects, file)) for path, file in files_of(manifest)]
    wheel, data = own_wheel()
    extra = [("manifest", format_manifest(manifest)), (f"verifier/{wheel}", data), *verdicts]
    extra += [(f"specification/{path}", text) for path, text in specification()]
    items += [Item(path, address_of(content), [content]) for path, content in extra]
    fields = [
        ("Source-Organization", archive.named.iss),
        ("External-Identifier", row.id),
        ("Bagging-Date", utc(row.received)[:10]),
        ("Bag-Software-Agent", f"attest {__version__}"),
    ]
    write_bag(target, items, fields)
    return len(items)


def take_bag(
    archive: Archive, path: Path, *, actor: str, clock: Callable[[], int], at: int | None = None
) -> tuple[Received, Bag]:
    """Takes in what a bag of another archive holds, under the id that it had there, and judges it.

    Raises what `open_bag` raises, and MalformedError `archive/bag` for a bag that holds no delivery.
    """
    with open_bag(path) as bag:
        if _MANIFEST not in bag.files:
            raise MalformedError("archive/bag", f"{path} is a sound bag, and holds no delivery of an archive")
        manifest = parse_manifest(bag.read(_MANIFEST, MAX_MANIFEST))
        received = None
        while received is None:
            with archive.index.reading() as connection:
                epoch = deliveries.last_expiry(connection)
            intake = doubting(archive)
            for name, file in files_of(manifest):
                if bag.files.get(f"{PAYLOAD}{name}") != file.whole:
                    raise MalformedError("archive/bag", f"{path} has no {name} as its manifest lists it")
                try:
                    intake.parts(file, partial(bag.pieces, f"{PAYLOAD}{name}"))
                except ArchiveError as error:
                    if error.code != "archive/changed":
                        raise
                    detail = f"{path}: {name} is not made of the parts that its manifest lists"
                    raise MalformedError("archive/bag", detail) from error
            said = {"bag": line(path.name)}
            received = record(archive, manifest, intake, "import", said, actor=actor, clock=clock, epoch=epoch)
    time = clock() if at is None else at
    judged = record_verdict(archive, received.id, manifest, time, "import", actor=actor, clock=clock)
    return received.with_verdict(judged), bag


def _verdicts(archive: Archive, connection: Connection, delivery: str) -> Iterator[tuple[str, bytes]]:
    """Every verdict of a delivery, by the number of the entry that names it."""
    about = (ENTRIES.c.delivery == delivery) & (ENTRIES.c.action == "verdict")
    for n in connection.execute(select(ENTRIES.c.n).where(about).order_by(ENTRIES.c.n)).scalars():
        address: Address | None = archive.custody.object_of(n, "verdict")
        if address is not None:
            yield f"verdicts/{n}.json", read_whole(archive.objects, address)
