"""How many GPUs Slurm's texts say, and which: trackable resources (TRES) and generic ones (GRES).

| where | text |
|---|---|
| AllocTRES, tres_alloc_str, CfgTRES | `billing=8,cpu=8,gres/gpu:v100=1,gres/gpu=1,mem=10G`: in all, and by type |
| tres_per_job and its like | `gres/gpu:4`, `gres/gpu:h100:1`, `gres/gpu=2`, `gres:gpu:2`, `gpu:2` |
| gres_detail, gres, gres_used | `gpu:h100:4(IDX:0-3)`, `gpu:4`, `gpu:h100:0(IDX:N/A)`, `gpu:a100:4(S:0-1)` |

A type with the name of a MIG profile (`1g.10gb`) counts instances, whose indices are those of no device.

    >>> tres_gpus("billing=8,cpu=8,gres/gpu:v100=1,gres/gpu=1"), tres_gpus("billing=8,cpu=8")
    (1, None)
    >>> requested_gpus("cpu=1,gres/gpu:h100:2"), requested_gpus("")
    (2, None)
    >>> gres_gpus("gpu:h100:4(IDX:0,2-4),shard:2")
    Gpus(number=4, indices=(0, 2, 3, 4))
"""

import re
from typing import Final, NamedTuple

from attest.collect.hostlist import expand_numbers

_TRES: Final = re.compile(r"gres/gpu(?::([^=,]+))?=(\d{1,9})", re.ASCII)
_REQUEST: Final = re.compile(r"(?:gres[/:])?gpu(?::(?!\d+$)([^:=,]+))?(?:[:=](\d{1,9}))?", re.ASCII)
_GRES: Final = re.compile(
    r"gpu(?::(?!\d+(?:\(|$))([^:(,]+))?:(\d{1,9})(?:\((?:IDX:([\d,-]+|N/A)|S:[\d,-]+)\))?", re.ASCII
)
_PROFILE: Final = re.compile(r"\d+g\.\d+gb", re.ASCII | re.IGNORECASE)
_OUTSIDE: Final = re.compile(r",(?![^(]*\))")  # commas that stand in no brackets


class Gpus(NamedTuple):
    """GPUs of one node: how many, and their indices where they are said."""

    number: int
    indices: tuple[int, ...] | None


def tres_gpus(text: str) -> int | None:
    """The GPUs among allocated TRES; None where there is nothing of GPUs."""
    total, typed = None, None
    for part in text.split(","):
        if match := _TRES.fullmatch(part.strip()):
            if match[1] is None:
                total = int(match[2])
            else:
                typed = (typed or 0) + int(match[2])
    return typed if total is None else total


def requested_gpus(text: str) -> int | None:
    """The GPUs that a request asks for, for each of what it is a request for; None where it asks for none."""
    found = [match for part in text.split(",") if (match := _REQUEST.fullmatch(part.strip()))]
    return sum(int(match[2] or 1) for match in found) if found else None


def gres_gpus(text: str) -> Gpus | None:
    """The GPUs of one node's GRES; None where it has none of that name."""
    found = [match for part in _OUTSIDE.split(text) if (match := _GRES.fullmatch(part.strip()))]
    if not found:
        return None
    count = sum(int(match[2]) for match in found)
    if any(match[3] in (None, "N/A") or _PROFILE.search(match[1] or "") for match in found):
        return Gpus(count, () if count == 0 else None)
    try:
        indices = tuple(sorted({index for match in found for index in expand_numbers(match[3])}))
    except ValueError:
        return Gpus(count, None)
    return Gpus(count, indices if len(indices) == count else None)
