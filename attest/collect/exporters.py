"""How each exporter names its metrics and its devices: dcgm-exporter, AMD's device-metrics-exporter, GKE's TPU plugin.

| | device | host | part of a board | energy |
|---|---|---|---|---|
| DCGM | `UUID` | `Hostname`, `hostname` since 4.8.3 | `GPU_I_ID` under MIG | counter, mJ or J |
| AMD | `serial_number`, else `gpu_uuid` | `hostname` | `gpu_partition_id` | counter, uJ |
| TPU | `accelerator_id` | what stands before its last hyphen | | none |

AMD exports what belongs to the board under partition 0 and zeros under the others: such a zero is no value. Its
graphics activity is taken for SM activity and that of its memory controller for DRAM's, both in percent and of boards
that are not partitioned; it knows no tensor activity. A TPU that runs nothing is not exported at all: it is missing,
which is not the same as idle.

    >>> sample = Sample("gpu_energy_consumed", {"serial_number": "692", "gpu_partition_id": "1"}, "0", None)
    >>> exporter_of(sample).name, AMD.identity(sample.labels).uid, AMD.read(sample)
    ('amd', '692', (<Field.ENERGY: 'energy'>, None))
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final, NamedTuple

from attest.collect.dcgm_fields import NAMES, Field, convert
from attest.collect.exposition import Sample


class Holder(NamedTuple):
    """Who has a device: a container of a pod, or a job of a batch system."""

    namespace: str = ""
    pod: str = ""
    container: str = ""
    job: str = ""


class Identity(NamedTuple):
    """Whose sample it is; what a label does not say is empty."""

    host: str
    uid: str
    serial: str
    model: str
    part: str


class Exporter(NamedTuple):
    """Labels by their role, first come first taken; `kept` says which samples of a metric count, by a label."""

    name: str
    metrics: Mapping[str, tuple[Field, Decimal]]
    uid: tuple[str, ...]
    host: tuple[str, ...]
    serial: str
    model: str
    part: str
    kept: Mapping[str, tuple[str, str]] = {}

    def read(self, sample: Sample) -> tuple[Field, int | None] | None:
        """Field and value of a sample, None if it is not taken. Raises ValueError."""
        taken = self.metrics.get(sample.name)
        if taken is None:
            return None
        label, wanted = self.kept.get(sample.name, ("", ""))
        if label and sample.labels.get(label) != wanted:
            return None
        field, factor = taken
        value = convert(sample.value, field, factor)
        if self is AMD and value == 0 and sample.labels.get(self.part, "0") != "0":
            value = None
        return field, value

    def identity(self, labels: Mapping[str, str]) -> Identity:
        """Whose sample has these labels."""
        uid = next((labels[label] for label in self.uid if labels.get(label)), "")
        host = next((labels[label] for label in self.host if labels.get(label)), "")
        if self is TPU:
            host = uid.rpartition("-")[0]
        part = labels.get(self.part, "")
        if self is AMD and part == "0":
            part = ""  # the board's own
        return Identity(host, uid, labels.get(self.serial, ""), labels.get(self.model, ""), part)


_PERCENT: Final = Decimal(10_000)  # to ppm
_ITSELF: Final = "dcgm-exporter"  # in the names of the pods of the exporter itself
_DIGITS: Final = 6  # more than any device's number has

DCGM: Final = Exporter(
    "dcgm", NAMES, ("UUID", "uuid"), ("Hostname", "hostname"), "DCGM_FI_DEV_SERIAL", "modelName", "GPU_I_ID"
)
AMD: Final = Exporter(
    "amd",
    {
        "gpu_energy_consumed": (Field.ENERGY, Decimal("1e-3")),
        "gpu_package_power": (Field.POWER, Decimal(1000)),  # MI3xx
        "gpu_average_package_power": (Field.POWER, Decimal(1000)),  # MI2xx
        "gpu_power_usage": (Field.POWER, Decimal(1000)),
        "gpu_gfx_activity": (Field.SM, _PERCENT),
        "gpu_umc_activity": (Field.DRAM, _PERCENT),
        "gpu_clock": (Field.CLOCK, Decimal(1)),
    },
    ("serial_number", "gpu_uuid"),
    ("hostname",),
    "serial_number",
    "card_model",
    "gpu_partition_id",
    {"gpu_clock": ("clock_type", "GPU_CLOCK_TYPE_SYSTEM")},
)
TPU: Final = Exporter(
    "tpu",
    {
        f"{name}{suffix}": (field, _PERCENT)
        for suffix in ("", "_node")
        for name, field in {
            "tensorcore_utilization": Field.TENSOR,
            "duty_cycle": Field.SM,
            "memory_bandwidth_utilization": Field.DRAM,
        }.items()
    },
    ("accelerator_id",),
    (),
    "",
    "model",
    "",
)


def exporter_of(sample: Sample) -> Exporter | None:
    """Whose metric it is, None if it says nothing of a device that is taken."""
    if sample.name in DCGM.metrics or (sample.name.startswith("DCGM_") and "UUID" in sample.labels):
        return DCGM
    if sample.name in TPU.metrics and "tpu" in sample.labels.get("make", ""):
        return TPU
    if sample.name.startswith("gpu_") and {"serial_number", "gpu_uuid"} & sample.labels.keys():
        return AMD
    return None


def holder_of(labels: Mapping[str, str]) -> Holder | None:
    """The pod or job of a sample. What went through Prometheus may have the pod that the exporter runs in as `pod`, and
    that of the device as `exported_pod`, or none where nobody has it."""
    pod, namespace, container = (
        labels.get(f"exported_{name}", labels.get(name, "")) for name in ("pod", "namespace", "container")
    )
    if _ITSELF in pod:
        pod = ""
    job = labels.get("hpc_job", "")
    return Holder(namespace, pod, container, job) if pod or job else None


def minor_of(labels: Mapping[str, str]) -> int | None:
    """The number of `nvidia3`, else of `gpu="3"`."""
    number = labels.get("device", "").removeprefix("nvidia") or labels.get("gpu", "")
    return int(number) if number.isascii() and number.isdigit() and len(number) < _DIGITS else None
