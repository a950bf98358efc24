"""Bags by the words of RFC 8493, made without the code that is tested, so that each can have one fault."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

FILES: Mapping[str, bytes] = {
    "data/agreement": b"the agreement\n",
    "data/bundles/acme/checkpoint": b"acme\n3\n",
    "data/bundles/acme/tile/0/000.p/3": bytes(96),
}


def line(algorithm: str, path: str, data: bytes) -> str:
    return f"{hashlib.new(algorithm, data).hexdigest()}  {path}\n"


def put(folder: Path, path: str, data: bytes) -> None:
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_bytes(data)


def make(
    folder: Path,
    files: Mapping[str, bytes] = FILES,
    *,
    version: str = "1.0",
    encoding: str = "UTF-8",
    algorithms: Sequence[str] = ("sha256",),
    info: str | None = None,
) -> Path:
    """A valid bag; `info` is the text of bag-info.txt."""
    codec = encoding.lower()
    put(folder, "bagit.txt", f"BagIt-Version: {version}\nTag-File-Character-Encoding: {encoding}\n".encode())
    (folder / "data").mkdir(exist_ok=True)
    for path, data in files.items():
        put(folder, path, data)
    if info is not None:
        put(folder, "bag-info.txt", info.encode(codec))
    for algorithm in algorithms:
        text = "".join(line(algorithm, path, data) for path, data in sorted(files.items()))
        put(folder, f"manifest-{algorithm}.txt", text.encode(codec))
    seal(folder, algorithms, codec)
    return folder


def seal(folder: Path, algorithms: Sequence[str] = ("sha256",), codec: str = "utf-8") -> None:
    """Makes the tag manifests anew, as whoever changes a bag can."""
    tags = sorted(p.name for p in folder.iterdir() if p.is_file() and not p.name.startswith("tagmanifest-"))
    for algorithm in algorithms:
        text = "".join(line(algorithm, name, (folder / name).read_bytes()) for name in tags)
        put(folder, f"tagmanifest-{algorithm}.txt", text.encode(codec))


def relist(folder: Path, text: str, algorithm: str = "sha256") -> None:
    """Puts a text in place of a manifest, and seals the bag."""
    put(folder, f"manifest-{algorithm}.txt", text.encode())
    seal(folder)
