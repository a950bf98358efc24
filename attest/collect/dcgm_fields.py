"""The fields that are taken, under every name that dcgm-exporter gave them, and their values as integers.

Names changed in DCGM 4.6, which also added fields in base units; fields are known by id, the names being aliases:

| id | names | kept as |
|---|---|---|
| 156, 1611 | TOTAL_ENERGY_CONSUMPTION (mJ), GPU_ENERGY_JOULES_TOTAL | mJ since the driver was loaded |
| 155 | POWER_USAGE, BOARD_POWER_WATTS | mW |
| 100, 1603 | SM_CLOCK (MHz), SM_CLOCK_HERTZ | MHz |
| 1004, 1002, 1005 | PIPE_TENSOR_ACTIVE, SM_ACTIVE, DRAM_ACTIVE; TENSOR_, SM_, DRAM_UTIL_RATIO | ppm of cycles |
| 1009 to 1012 | PCIE_TX_BYTES and so on, NVLINK_TX_BYTES and so on | bytes a second |
| 1084 to 1086 | SM_CYCLES_ELAPSED_TOTAL, SM_CYCLES_ACTIVE_TOTAL, MMA_CYCLES_ACTIVE_TOTAL | 10^6 cycles since reboot |
| 1091, 1092 | PCIE_TX_BYTES_TOTAL, PCIE_RX_BYTES_TOTAL | MiB since reboot |
| 230 | XID_ERRORS, XID_ERROR | the number of the last XID |

Of the counters that DCGM 4.6 added (1084 to 1096) these are taken, and why the others are not says schemas/import.md.
NVML, where DCGM has them from, says of them no more than "SM cycles elapsed since reboot", "SM activity" and "SM MMA
tensor activity"; of how many SMs, `attest.collect.cycles` finds out.

DCGM writes "no value" as 0x7ffffff0 to 3, 0x7ffffffffffffff0 to 3 or 140737488355328 to 331, and NaN comes from
Prometheus: none of these is a value, least of all zero.

    >>> convert("35.686000", *NAMES["DCGM_FI_DEV_POWER_USAGE"])
    35686
    >>> convert("5551899.58", *NAMES["DCGM_FI_DEV_GPU_ENERGY_JOULES_TOTAL"])
    5551899580
    >>> convert("2147483632", *NAMES["DCGM_FI_DEV_SM_CLOCK"]), convert("NaN", *NAMES["DCGM_FI_PROF_SM_ACTIVE"])
    (None, None)
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from typing import Final

NONE: Final = -1  # in a series: no value
PPM: Final = 1_000_000
MAX_RATIO: Final = 1_050_000  # ppm; DCGM's sampled ratios exceed 1 a little, percents exceed it by far
MAX_CLOCK: Final = 4_000  # MHz
MAX_COUNTER: Final = 10**15  # mJ: 4 kW for 8,000 years; no sum of counters overflows
MAX_MEGACYCLES: Final = 10**15  # 4 GHz on 200 SMs for 39 years
MAX_XID: Final = 10_000
MAX_BYTES: Final = 10**12  # a second, of one direction of one link
MIB: Final = 1 << 20

_BLANKS: Final = frozenset(base + k for base in (0x7FFFFFF0, 0x7FFFFFFFFFFFFFF0, 140737488355328) for k in range(4))
_BLANK_FROM: Final = (1 << 63) - 2_048  # a 64-bit blank that went through a float
_SLICES: Final = {"A30": 4, "RTX PRO 6000": 4}  # compute slices of a board under MIG; all others have 7
_PROFILE: Final = re.compile(r"(?:\d+c\.)?(\d)g\.\d+gb(?:[+.]\S+)?", re.ASCII | re.IGNORECASE)


class Field(Enum):
    """What is taken."""

    ENERGY = "energy"  # mJ since the driver was loaded
    POWER = "power"  # mW
    CLOCK = "clock"  # MHz
    TENSOR = "tensor"  # ppm of cycles
    SM = "sm"
    DRAM = "dram"
    NVLINK_TX = "nvlink_tx"  # bytes a second
    NVLINK_RX = "nvlink_rx"
    PCIE_TX = "pcie_tx"
    PCIE_RX = "pcie_rx"
    PCIE_SENT = "pcie_sent"  # MiB since reboot
    PCIE_RECEIVED = "pcie_received"
    ELAPSED = "elapsed"  # 10^6 cycles of the SMs since reboot
    ACTIVE = "active"  # 10^6 of these in which an SM had a warp
    MMA = "mma"  # 10^6 of these in which tensor pipes were active
    XID = "xid"  # the last XID error


BOARD: Final = frozenset({Field.ENERGY, Field.POWER, Field.CLOCK, Field.XID})
CYCLES: Final = frozenset({Field.ELAPSED, Field.ACTIVE, Field.MMA})
SENT: Final = (Field.PCIE_SENT, Field.PCIE_RECEIVED)
COUNTERS: Final = frozenset({Field.ENERGY, *CYCLES, *SENT})
RATIOS: Final = frozenset({Field.TENSOR, Field.SM, Field.DRAM})
LINKS: Final = (Field.NVLINK_TX, Field.NVLINK_RX)
PCIE: Final = (Field.PCIE_TX, Field.PCIE_RX)

_ONE: Final = Decimal(1)
_THOUSAND: Final = Decimal(1000)
# name -> (field, factor to the unit it is kept in)
NAMES: Final[Mapping[str, tuple[Field, Decimal]]] = {
    "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION": (Field.ENERGY, _ONE),  # 156
    "DCGM_FI_DEV_GPU_ENERGY_JOULES_TOTAL": (Field.ENERGY, _THOUSAND),  # 1611
    "dcgm_total_energy_consumption": (Field.ENERGY, _ONE),
    "DCGM_FI_DEV_POWER_USAGE": (Field.POWER, _THOUSAND),  # 155
    "DCGM_FI_DEV_BOARD_POWER_WATTS": (Field.POWER, _THOUSAND),  # 155 since 4.6
    "dcgm_power_usage": (Field.POWER, _THOUSAND),
    "DCGM_FI_DEV_SM_CLOCK": (Field.CLOCK, _ONE),  # 100
    "DCGM_FI_DEV_SM_CLOCK_HERTZ": (Field.CLOCK, Decimal("1e-6")),  # 1603
    "dcgm_sm_clock": (Field.CLOCK, _ONE),
    "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE": (Field.TENSOR, Decimal(PPM)),  # 1004
    "DCGM_FI_PROF_TENSOR_UTIL_RATIO": (Field.TENSOR, Decimal(PPM)),  # 1004 since 4.6
    "dcgm_fi_prof_pipe_tensor_active": (Field.TENSOR, Decimal(PPM)),
    "DCGM_FI_PROF_SM_ACTIVE": (Field.SM, Decimal(PPM)),  # 1002
    "DCGM_FI_PROF_SM_UTIL_RATIO": (Field.SM, Decimal(PPM)),  # 1002 since 4.6
    "dcgm_fi_prof_sm_active": (Field.SM, Decimal(PPM)),
    "DCGM_FI_PROF_DRAM_ACTIVE": (Field.DRAM, Decimal(PPM)),  # 1005
    "DCGM_FI_PROF_DRAM_UTIL_RATIO": (Field.DRAM, Decimal(PPM)),  # 1005 since 4.6
    "dcgm_fi_prof_dram_active": (Field.DRAM, Decimal(PPM)),
    "DCGM_FI_PROF_NVLINK_TX_BYTES": (Field.NVLINK_TX, _ONE),  # 1011
    "DCGM_FI_PROF_NVLINK_RX_BYTES": (Field.NVLINK_RX, _ONE),  # 1012
    "DCGM_FI_PROF_PCIE_TX_BYTES": (Field.PCIE_TX, _ONE),  # 1009
    "DCGM_FI_PROF_PCIE_RX_BYTES": (Field.PCIE_RX, _ONE),  # 1010
    "dcgm_fi_prof_pcie_tx_bytes": (Field.PCIE_TX, _ONE),
    "dcgm_fi_prof_pcie_rx_bytes": (Field.PCIE_RX, _ONE),
    "DCGM_FI_PROF_SM_CYCLES_ELAPSED_TOTAL": (Field.ELAPSED, Decimal("1e-6")),  # 1084
    "DCGM_FI_PROF_SM_CYCLES_ACTIVE_TOTAL": (Field.ACTIVE, Decimal("1e-6")),  # 1085
    "DCGM_FI_PROF_MMA_CYCLES_ACTIVE_TOTAL": (Field.MMA, Decimal("1e-6")),  # 1086
    "DCGM_FI_PROF_PCIE_TX_BYTES_TOTAL": (Field.PCIE_SENT, _ONE / MIB),  # 1091
    "DCGM_FI_PROF_PCIE_RX_BYTES_TOTAL": (Field.PCIE_RECEIVED, _ONE / MIB),  # 1092
    "DCGM_FI_DEV_XID_ERRORS": (Field.XID, _ONE),  # 230
    "DCGM_FI_DEV_XID_ERROR": (Field.XID, _ONE),  # 230 since 4.6
    "dcgm_xid_errors": (Field.XID, _ONE),
}

_LIMITS: Final = {
    Field.ENERGY: MAX_COUNTER,
    Field.POWER: 1 << 32,
    Field.CLOCK: MAX_CLOCK,
    Field.XID: MAX_XID,
    **dict.fromkeys(CYCLES, MAX_MEGACYCLES),
    **dict.fromkeys(SENT, MAX_COUNTER),
}


def convert(text: str, field: Field, factor: Decimal) -> int | None:
    """The value of a field in the unit it is kept in, None if it says "no value". Raises ValueError.

    `factor` leads from the text's unit to that one. Fractions of the unit are cut off, so that a counter's differences
    stay within one unit of the truth.
    """
    value = Decimal(text)
    if value.is_nan() or value.is_infinite() or value in _BLANKS or value >= _BLANK_FROM:
        return None
    number = int(value * factor)
    if value < 0:
        raise ValueError(f"{text} is negative")
    if field in RATIOS:
        if number > MAX_RATIO:
            raise ValueError(f"{text} is no ratio between 0 and 1")
        return min(number, PPM)
    if number > _LIMITS.get(field, MAX_BYTES):
        raise ValueError(f"{text} is more than any device has")
    return number


def slices(profile: str, model: str) -> tuple[int, int] | None:
    """The share of the board's compute slices that a MIG instance has, None if the profile is not known.

    >>> slices("3g.20gb", "NVIDIA A100-SXM4-40GB"), slices("1g.6gb", "NVIDIA A30")
    ((3, 7), (1, 4))
    """
    match = _PROFILE.fullmatch(profile)
    if match is None:
        return None
    return int(match[1]), next((n for name, n in _SLICES.items() if name in model), 7)
