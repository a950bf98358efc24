"""A small lab that writes logs, and an independent reader that holds a log's directory against its rules."""

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from attest.errors import AttestError
from attest.format.bodies import Block, CloseBody, InventoryBody
from attest.format.cose import Header, Sign1, format_header, format_sign1
from attest.format.statement import Statement, format_payload, peek
from attest.format.vocabulary import Kind
from attest.log import merkle, tiles
from attest.log.checkpoint import open_checkpoint
from attest.log.tiles import ENTRIES
from attest.packs import read_block
from attest.sign.notes import sign_note
from attest.sign.seeded import seeded_key as key
from attest.store.directory import DirectoryBundle
from attest.trust.notes import log_vkey

ORIGIN = "example.com/store"
Item = tuple[bytes, bytes | None]


class Lab:
    """Entries that are well formed (their signatures are not looked at by a store) and a log's real key."""

    origin = ORIGIN

    def __init__(self) -> None:
        self.key = key("store log")
        self.vkey = log_vkey(ORIGIN, self.key.public_key())

    def entry(self, sub: str, seq: int, block: bytes | None = None, say: int = 0) -> bytes:
        """Statement `seq` of a source; another `say` makes another statement for the same place."""
        if block is None:
            kind, body = Kind.CLOSE, CloseBody()
        else:
            kind, body = Kind.INVENTORY, InventoryBody(Block(hashlib.sha256(block).digest(), len(block)), 1)
        payload = format_payload(Statement(kind, b"l" * 32, seq, b"p" * 32, say, say, None, body))
        header = format_header(Header(-19, b"k" * 32, "urn:party", sub))
        return format_sign1(Sign1(header, b"\xa0", payload, b"s" * 64))

    def items(self, count: int, sub: str = "urn:host", first: int = 0) -> list[Item]:
        """Entries of one source, every third with a block whose size is no multiple of eight."""
        blocks = [bytes([i % 256]) * (1 + i % 21) if i % 3 == 1 else None for i in range(first, first + count)]
        return [(self.entry(sub, i, block), block) for i, block in enumerate(blocks, first)]

    def sign(self, text: str) -> bytes:
        return sign_note(text, ORIGIN, [self.key])

    def read(self, path: Path) -> list[Item]:
        """Every entry and block of a published log, after holding every file against the checkpoint."""
        bundle = DirectoryBundle(path)
        head, _ = open_checkpoint(bundle.checkpoint(), ORIGIN, (self.vkey,))
        entries: list[bytes] = []
        blocks: list[bytes | None] = []
        for index in range(-(-head.size // 256)):
            width = tiles.tile_at(ENTRIES, index, head.size).width
            part = tiles.parse_entries(bundle.entries(index, width), width)
            entries += part
            stated = [peek(entry).block for entry in part]
            slots, size = tiles.block_slots([block and block.size for block in stated])
            pack = bundle.blocks(index, width)
            assert (0 if pack is None else len(pack)) == size
            for block, slot in zip(stated, slots, strict=True):
                if block is None or slot is None:
                    blocks.append(None)
                    continue
                assert pack is not None
                data = read_block(pack, slot, block.size)
                assert hashlib.sha256(data).digest() == block.digest
                blocks.append(data)
        leaves = [merkle.leaf_hash(entry) for entry in entries]
        assert merkle.root(leaves) == head.root
        for tile in tiles.needed(head.size):
            if tile.level >= 0:
                height = 8 * tile.level
                span = range(tile.index * 256, tile.index * 256 + tile.width)
                expected = b"".join(merkle.root(leaves[i << height : (i + 1) << height]) for i in span)
                assert bundle.hash_tile(*tile) == expected
        assert bundle.extra() == ()
        return list(zip(entries, blocks, strict=True))


@pytest.fixture(scope="session")
def lab() -> Lab:
    return Lab()


@pytest.fixture
def as_nobody(tmp_path: Path) -> Callable[[Callable[[], object]], str]:
    """Runs something in a child that has no rights to other users' files; returns the code of its AttestError."""
    for place in (tmp_path, *tmp_path.parents):
        place.chmod(0o755)  # pytest makes its directories private
        if place.name.startswith("pytest-of-") or place.parent == Path(tempfile.gettempdir()):
            break

    def run(act: Callable[[], object]) -> str:
        receive, send = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                if os.geteuid() == 0:
                    os.setgroups([])
                    os.setgid(65534)
                    os.setuid(65534)
                act()
                os.write(send, b"nothing was raised")
            except AttestError as error:
                os.write(send, error.code.encode())
            except BaseException as error:  # noqa: BLE001 - the parent compares it
                os.write(send, repr(error).encode())
            finally:
                os._exit(0)
        os.close(send)
        os.waitpid(child, 0)
        with os.fdopen(receive, "rb") as pipe:
            return pipe.read().decode()

    return run
