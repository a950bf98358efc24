"""The body of a checkpoint (c2sp.org/tlog-checkpoint) and the messages that cosigners sign over one.

Exactly three lines: the log's origin, the number of leaves in decimal without leading zeros, the base64 of
the 32-byte root. Extension lines are refused: witnesses do not vouch for them, and ML-DSA cosignatures do
not even cover them.

    >>> checkpoint = parse_checkpoint(SAMPLE)
    >>> checkpoint.origin, checkpoint.size, checkpoint.root.hex()[:8]
    ('example.com/behind-the-sofa', 20852163, '0ac5186a')
    >>> format_checkpoint(checkpoint) == SAMPLE
    True

Cosigners sign (c2sp.org/tlog-cosignature), with Ed25519 two lines and the body:

    >>> cosignature_message(SAMPLE, 1679315147).decode().splitlines()[:2]
    ['cosignature/v1', 'time 1679315147']

and with ML-DSA-44 a `cosigned_message`, which commits to the cosigner's name and to the tree, time 0 saying
nothing of time:

    label "subtree/v1" newline NUL, u8 length and cosigner's name, u64 time, u8 length and origin,
    u64 start (0), u64 end (the size), 32 bytes of root
"""

import base64
import binascii
from typing import Final, NamedTuple

from attest.errors import MalformedError

MAX_ORIGIN: Final = 255  # bytes: what a cosigned_message has room for
MAX_SIZE: Final = (1 << 63) - 1
MAX_TIME: Final = (1 << 63) - 1  # c2sp.org/tlog-cosignature
SAMPLE: Final = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"


class Checkpoint(NamedTuple):
    """A tree head: which log, how many leaves, what root."""

    origin: str
    size: int
    root: bytes


def parse_checkpoint(text: str) -> Checkpoint:
    """Text of a note to checkpoint. Raises MalformedError."""
    lines = text.split("\n")
    if len(lines) != 4 or lines[3]:
        raise MalformedError("checkpoint/malformed", "must be three lines: origin, size and root")
    origin, size, root = lines[:3]
    if not size.isascii() or not size.isdigit() or len(size) > 19:
        raise MalformedError("checkpoint/malformed", f"not a size: {size[:40]!r}", path="size")
    try:
        checkpoint = Checkpoint(origin, int(size), base64.b64decode(root, validate=True))
    except (binascii.Error, ValueError) as error:
        raise MalformedError("checkpoint/malformed", f"not base64: {error}", path="root") from error
    if len(checkpoint.root) != 32:
        raise MalformedError("checkpoint/malformed", f"{len(checkpoint.root)} bytes, not 32", path="root")
    if not 0 < len(origin.encode()) <= MAX_ORIGIN:
        raise MalformedError("checkpoint/malformed", f"must be 1 to {MAX_ORIGIN} bytes", path="origin")
    if checkpoint.size > MAX_SIZE or format_checkpoint(checkpoint) != text:
        raise MalformedError("checkpoint/malformed", "not the one way to write this checkpoint")
    return checkpoint


def format_checkpoint(checkpoint: Checkpoint) -> str:
    """Checkpoint to the text of a note."""
    return f"{checkpoint.origin}\n{checkpoint.size}\n{base64.b64encode(checkpoint.root).decode()}\n"


def cosignature_message(text: str, time: int) -> bytes:
    """What an Ed25519 cosigner (0x04) signs over a checkpoint's text at `time`, Unix seconds."""
    return f"cosignature/v1\ntime {time}\n{text}".encode()


def cosigned_message(cosigner: str, checkpoint: Checkpoint, time: int) -> bytes:
    """What an ML-DSA-44 cosigner (0x06) signs over a checkpoint at `time`, Unix seconds or 0."""
    name, origin = cosigner.encode(), checkpoint.origin.encode()
    return b"".join(
        (
            b"subtree/v1\n\0",
            len(name).to_bytes(1, "big"),
            name,
            time.to_bytes(8, "big"),
            len(origin).to_bytes(1, "big"),
            origin,
            (0).to_bytes(8, "big"),
            checkpoint.size.to_bytes(8, "big"),
            checkpoint.root,
        )
    )
