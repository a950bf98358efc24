"""The words of the format that are numbers on the wire (schemas/statement.md lists them all)."""

from enum import IntEnum


class Kind(IntEnum):
    """What a statement says; 8 and 9 (evidence, rollup) are reserved and so far unsupported."""

    GENESIS = 1
    INVENTORY = 2
    KEYS = 3
    USAGE = 4
    METER = 5
    EVENT = 6
    HEAD = 7
    CLOSE = 10
    CUSTODY = 11


class State(IntEnum):
    """What is known of a device in one interval."""

    SAMPLED = 0
    MISSING = 1
    STALE = 2
    OFF = 3
    RESET = 4
    STEP = 5


class Label(IntEnum):
    """What a run is claimed to be for; a claim, never more."""

    NONE = 0
    TRAINING = 1
    FINE_TUNING = 2
    INFERENCE = 3
    EVALUATION = 4
    OTHER = 5


class Precision(IntEnum):
    """The number format a run is claimed to compute in."""

    UNKNOWN = 0
    FP64 = 1
    FP32 = 2
    TF32 = 3
    BF16 = 4
    FP16 = 5
    FP8 = 6
    INT8 = 7
    FP4 = 8


class Column(IntEnum):
    """A column of a usage block, with its width and unit (schemas/block.md)."""

    ENERGY = 1
    CYCLES = 2
    DERIVED_CYCLES = 3
    FABRIC = 4
    SM = 5
    DRAM = 6
    CLOCK = 7


class Quantity(IntEnum):
    """What the readings of a meter are."""

    MEAN_POWER = 1
    GAUGE_POWER = 2
    REGISTER = 3


class Act(IntEnum):
    """Acts of a keys statement."""

    ENROL = 1
    ROTATE = 2
    REVOKE = 3
    VOID = 4


class Role(IntEnum):
    """What a key may sign; one key has one role."""

    OFFICE = 1
    HOST = 2
    METER = 3


class Report(IntEnum):
    """What a notice says of a run."""

    STARTS = 1
    ENDS = 2
