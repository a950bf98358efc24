"""Where the blocks of an entry tile lie: `blocks/<N>` holds them in log order, each padded to 8 bytes.

Offsets are sums of the sizes that the statements state. A block may stand by itself under its digest instead; one
that is nowhere is missing evidence. The digest decides in both cases, so nothing is believed here but the padding,
which is zero: a byte that no digest covers may not differ.
"""

from collections.abc import Callable, Sequence
from typing import Final

from attest.bundle import Bundle, Pack
from attest.errors import TreeError
from attest.format.bodies import Block
from attest.log.tiles import block_slots

_HINT: Final = "get another copy of the bundle"

BlockAt = Callable[[int], bytes | memoryview | None]


class Room:
    """Memory that blocks are read into: each is good until the next one is read. New memory for every block would
    cost as much as a third of hashing it."""

    def __init__(self) -> None:
        self._room = memoryview(bytearray())
        self._shown = self._room.toreadonly()

    def read(self, pack: Pack, begin: int, size: int) -> memoryview:
        """So many bytes of a pack from one place on, fewer where it ends before."""
        size = max(min(size, len(pack) - begin), 0)
        if len(self._room) < size:
            self._room = memoryview(bytearray(size))
            self._shown = self._room.toreadonly()
        return self._shown[: pack.readinto(begin, self._room[:size])]


def read_block(pack: Pack, begin: int, size: int) -> bytes:
    """The same in memory of its own."""
    return bytes(Room().read(pack, begin, size))


def open_pack(bundle: Bundle, index: int, width: int, blocks: Sequence[Block | None], room: Room) -> BlockAt:
    """A function from an entry's place in the tile to its block, or None where the bundle has none; it is read into
    `room`.

    Raises TreeError `tree/pack` (scope copy) when the pack's size or padding is not what the entries make it.
    """
    slots, size = block_slots([block and block.size for block in blocks])
    pack = bundle.blocks(index, width) if size else None
    if pack is not None:
        _require_padding(pack, blocks, slots, size, index)

    def block_at(place: int) -> bytes | memoryview | None:
        block, slot = blocks[place], slots[place]
        if block is None or slot is None:
            return None
        return bundle.block(block.digest, block.size) if pack is None else room.read(pack, slot, block.size)

    return block_at


def block_after(pack: Pack, index: int, before: Sequence[Block | None], block: Block) -> bytes:
    """The block of one entry alone, by what the entries `before` it in its tile state. Raises TreeError `tree/pack`
    (scope copy) where the pack is too short for it."""
    _, begin = block_slots([b and b.size for b in before])
    if len(pack) < begin + block.size:
        raise TreeError("tree/pack", f"pack {index} has {len(pack)} bytes, its statements need more", hint=_HINT)
    return read_block(pack, begin, block.size)


def _require_padding(
    pack: Pack, blocks: Sequence[Block | None], slots: Sequence[int | None], size: int, index: int
) -> None:
    if len(pack) != size:
        raise TreeError("tree/pack", f"pack {index} has {len(pack)} bytes, its statements need {size}", hint=_HINT)
    ends = [*[slot for slot in slots if slot is not None][1:], size]
    used = [slot + block.size for slot, block in zip(slots, blocks, strict=True) if block and slot is not None]
    for begin, end in zip(used, ends, strict=True):
        if begin < end and any(read_block(pack, begin, end - begin)):
            raise TreeError("tree/pack", f"pack {index}: padding at {begin} is not zero", hint=_HINT)
