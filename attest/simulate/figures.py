"""What real machines draw and do, in integers, each figure with where it is from; the simulator has no others.

A figure is a range: the simulator draws from it, evenly, once for each device, node or job as its name says.

    >>> H100.idle_mw
    Range(low=67000, high=138000)
    >>> MODELS["NVIDIA B200 SXM"].node_mw
    Range(low=1700000, high=2300000)

Where "shared data" is named, the files lie beside the checkout (../shared/data) and tests/simulate/test_figures.py
compares the simulated nodes with them.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from attest.format.vocabulary import Label


class Range(NamedTuple):
    """From `low` to `high`, both included."""

    low: int
    high: int


class Load(NamedTuple):
    """What a job does to a device: power above idle and activity, in parts per million of their full values.

    draw: of the way from idle to `Model.busy_mw`. tensor, sm, dram: share of time active. fabric: MiB/s over NVLink
    and network. wave: how far draw and activity swing around their means from interval to interval.
    """

    draw: Range
    tensor: Range
    sm: Range
    dram: Range
    fabric: Range
    wave: int


class Model(NamedTuple):
    """Power in mW, clocks in MHz.

    idle_mw, busy_mw: a device without work and in training. node_mw: what the meter of a node of eight shows above
    the sum of its devices (processors, fans, losses), low when idle and high when busy. outlet_mw: what the outlet
    of a node that is switched off draws. operations_per_cycle: FLOP of the whole device in one tensor-active cycle
    in a 16-bit format.
    """

    name: str
    idle_mw: Range
    busy_mw: Range
    node_mw: Range
    outlet_mw: Range
    idle_mhz: Range
    busy_mhz: Range
    operations_per_cycle: int


# accelerators.csv (shared data): "measured ~575 W training", "measured ~75 W/GPU" idle, TDP 700 W; boards seen
# idle between 67 and 138 W. Node: shared data, mlperf-train-512h100-smc: the 64 nodes' least readings have a median
# of 2,600 W, 1.7 to 2.1 kW above eight idle boards; a node in full training (raw-format-sample/node_1) draws 7.0 kW
# in the median, 7.29 kW at most, 2.1 kW above eight boards of 615 W. Clock: 1,980 MHz at most, 1,830 MHz by which
# NVIDIA's data sheet reckons its peak: 132 multiprocessors of 4,096 FLOP a cycle.
H100: Final = Model(
    "NVIDIA H100 SXM5 80GB",
    idle_mw=Range(67_000, 138_000),
    busy_mw=Range(575_000, 655_000),
    node_mw=Range(1_700_000, 2_100_000),
    outlet_mw=Range(200, 900),
    idle_mhz=Range(345, 345),
    busy_mhz=Range(1_560, 1_830),
    operations_per_cycle=132 * 4_096,
)

# Shared data, mlperf-train-8b200-lenovo: the node's medians in its four benchmarks are 9,628 to 10,103 W, and its
# least readings 2,719 to 2,969 W. Its boards were not metered: TDP 1,000 W (accelerators.csv), idle power by the
# H100's ratio of idle to TDP. Clock: 1,965 MHz at most, 1,856 in the data sheet; 148 multiprocessors of 8,192 FLOP.
B200: Final = Model(
    "NVIDIA B200 SXM",
    idle_mw=Range(110_000, 170_000),
    busy_mw=Range(925_000, 985_000),
    node_mw=Range(1_700_000, 2_300_000),
    outlet_mw=Range(200, 900),
    idle_mhz=Range(345, 345),
    busy_mhz=Range(1_650, 1_850),
    operations_per_cycle=148 * 8_192,
)

MODELS: Final[Mapping[str, Model]] = MappingProxyType({m.name: m for m in (H100, B200)})

# shared/vectors/known-compute/h100-pcie-probe.json, six training runs: tensor active 0.42 to 0.63, SM active 0.86 to
# 0.96; "activity x clock" is -2 % to +6 % of the executed FLOP. Inference: accelerators.csv, "~174 W small-model
# inference" of an H100, which is a fifth of the way from idle to training.
_TRAINING: Final = Load(
    draw=Range(960_000, 1_000_000),
    tensor=Range(423_000, 632_000),
    sm=Range(857_000, 957_000),
    dram=Range(350_000, 550_000),
    fabric=Range(20_000, 60_000),
    wave=30_000,
)
_INFERENCE: Final = Load(
    draw=Range(130_000, 260_000),
    tensor=Range(40_000, 160_000),
    sm=Range(200_000, 500_000),
    dram=Range(200_000, 600_000),
    fabric=Range(200, 2_000),
    wave=80_000,
)
LOADS: Final[Mapping[Label, Load]] = MappingProxyType(
    {
        Label.TRAINING: _TRAINING,
        Label.FINE_TUNING: _TRAINING,
        Label.INFERENCE: _INFERENCE,
        Label.EVALUATION: _INFERENCE,
        Label.OTHER: _INFERENCE,
    }
)

# What the activity method says too much, of the executed FLOP, in ppm (the probe's -2 % to +6 %).
OVERSHOOT: Final = Range(-20_000, 60_000)
