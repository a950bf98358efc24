"""The verifier itself, as a wheel that an archive keeps beside what it judged, and the texts that specify it.

    >>> name, data = own_wheel()
    >>> name.startswith("compute_attest-"), name.endswith("-py3-none-any.whl")
    (True, True)

What runs is what is packed: the files of the package's folder, whether it was installed or is worked on, with the
specification as `attest/schemas` and what the installer knows of the project. Members are stored, sorted and without
times, so that one set of files gives one wheel (the binary distribution format of PyPA). Its dependencies are named in
METADATA, and are not in it.
"""

import base64
import hashlib
import io
import zipfile
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Final

from attest import __version__
from attest.errors import MissingError

PROJECT: Final = "compute-attest"
TEXTS: Final = "schemas"

_PACKAGE: Final = Path(__file__).resolve().parents[1]
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)  # the first time that a ZIP can tell
_TAG: Final = "py3-none-any"
_WHEEL: Final = f"Wheel-Version: 1.0\nGenerator: attest {__version__}\nRoot-Is-Purelib: true\nTag: {_TAG}\n"
_HINT: Final = "install attest with pip, also to work on it (pip install -e)"


def own_wheel() -> tuple[str, bytes]:
    """File name and bytes. Raises MissingError `archive/verifier` where the program was not installed."""
    stem = f"{PROJECT.replace('-', '_')}-{__version__}"
    files = {f"{_PACKAGE.name}/{path}": data for path, data in _files(_PACKAGE)}
    files |= {f"{_PACKAGE.name}/{TEXTS}/{path}": data for path, data in specification()}
    files |= {f"{stem}.dist-info/{path}": data for path, data in _known(_installed())}
    files[f"{stem}.dist-info/WHEEL"] = _WHEEL.encode()
    record = f"{stem}.dist-info/RECORD"
    lines = [f"{path},sha256={_digest(data)},{len(data)}\n" for path, data in sorted(files.items())]
    files[record] = "".join([*lines, f"{record},,\n"]).encode()
    return f"{stem}-{_TAG}.whl", _zip(files)


def specification() -> Iterator[tuple[str, bytes]]:
    """Every page, schema and decision by its path below `schemas/`, in order.

    Raises MissingError `archive/verifier` where the program came without them.
    """
    for folder in (_PACKAGE / TEXTS, _PACKAGE.parent / TEXTS):
        if (folder / "archive.md").is_file():
            yield from _files(folder)
            return
    raise MissingError("archive/verifier", f"{_PACKAGE} has no {TEXTS}", hint=_HINT)


def _installed() -> Distribution:
    try:
        found = distribution(PROJECT)
    except PackageNotFoundError as error:
        raise MissingError("archive/verifier", f"{PROJECT} is not installed", hint=_HINT) from error
    if found.version != __version__:
        detail = f"{PROJECT} {found.version} is installed, and {__version__} runs from {_PACKAGE}"
        raise MissingError("archive/verifier", detail, hint=_HINT)
    return found


def _known(installed: Distribution) -> Iterator[tuple[str, bytes]]:
    """What the project says of itself: metadata, entry points and licences."""
    for file in installed.files or ():
        folder, _, path = file.as_posix().partition("/")
        if folder.endswith(".dist-info") and (path in ("METADATA", "entry_points.txt") or path.startswith("licenses/")):
            yield path, Path(str(installed.locate_file(file))).read_bytes()


def _files(folder: Path) -> Iterator[tuple[str, bytes]]:
    """What lies below a folder, but for what Python and other tools leave there."""
    for path in sorted(folder.rglob("*"), key=lambda path: path.relative_to(folder).as_posix()):
        parts = path.relative_to(folder).parts
        if path.is_file() and not any(part == "__pycache__" or part.startswith(".") for part in parts):
            yield "/".join(parts), path.read_bytes()


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def _zip(files: dict[str, bytes]) -> bytes:
    room = io.BytesIO()
    with zipfile.ZipFile(room, "w", zipfile.ZIP_STORED) as wheel:
        # Installers expect what describes a wheel at its end.
        for path in sorted(files, key=lambda path: (".dist-info/" in path, path)):
            info = zipfile.ZipInfo(path, _EPOCH)
            info.create_system, info.external_attr = 3, 0o644 << 16
            wheel.writestr(info, files[path])
    return room.getvalue()
