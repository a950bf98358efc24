"""NVML on the host itself, through nvidia-ml-py: energy, activity, clocks, and who the devices are.

| value | from | kept as |
|---|---|---|
| energy | total energy consumption, renewed every 100 ms, since the driver was loaded | mJ |
| SM, tensor, DRAM activity | GPM (Hopper and later): the mean between this asking and the one before | ppm |
| cycles: elapsed, SM, tensor | GPM, cumulative, of newer drivers | 10^6 cycles |
| PCIe | GPM, cumulative, of newer drivers | MiB |
| PCIe and NVLink | GPM, the same mean | bytes a second |
| SM clock, power | a moment (power: a second on some parts); no energy is made of it | MHz, mW |

What a part does not support is absent, and no error. A device that is lost is refused by its UUID at every asking until
it is back, and has no scrape: it is missing, whatever its last counter was. Any other error refuses one value of one
device. When the driver was reloaded or unloaded under it, NVML is opened again at the next asking; when a device was
lost or their number changed, once a minute.
"""

from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final, NamedTuple

from attest.collect.collector import Refusals, Sample
from attest.collect.dcgm import Scrape
from attest.collect.dcgm_fields import MAX_COUNTER, MAX_RATIO, MIB, PPM, RATIOS, Field
from attest.collect.fetch import EXTRA
from attest.errors import CollectError, MissingError

REOPEN_MS: Final = 60_000
HERE: Final = "nvml"

# GPM metric -> (field, factor to its unit): percents, MiB a second, cycles, bytes.
_GPM: Final = {
    "NVML_GPM_METRIC_SM_UTIL": (Field.SM, PPM / 100),
    "NVML_GPM_METRIC_ANY_TENSOR_UTIL": (Field.TENSOR, PPM / 100),
    "NVML_GPM_METRIC_DRAM_BW_UTIL": (Field.DRAM, PPM / 100),
    "NVML_GPM_METRIC_PCIE_TX_PER_SEC": (Field.PCIE_TX, MIB),
    "NVML_GPM_METRIC_PCIE_RX_PER_SEC": (Field.PCIE_RX, MIB),
    "NVML_GPM_METRIC_NVLINK_TOTAL_TX_PER_SEC": (Field.NVLINK_TX, MIB),
    "NVML_GPM_METRIC_NVLINK_TOTAL_RX_PER_SEC": (Field.NVLINK_RX, MIB),
    "NVML_GPM_METRIC_SM_CYCLES_ELAPSED": (Field.ELAPSED, 1e-6),
    "NVML_GPM_METRIC_SM_CYCLES_ACTIVE": (Field.ACTIVE, 1e-6),
    "NVML_GPM_METRIC_MMA_CYCLES_ACTIVE": (Field.MMA, 1e-6),
    "NVML_GPM_METRIC_PCIE_TX": (Field.PCIE_SENT, 1 / MIB),
    "NVML_GPM_METRIC_PCIE_RX": (Field.PCIE_RECEIVED, 1 / MIB),
}


class Found(NamedTuple):
    """A device as NVML knows it; a state that the part or driver does not know is None."""

    uid: str
    serial: str
    model: str
    mig: bool | None
    confidential: bool | None


@dataclass(slots=True)
class _Gpu:
    handle: Any
    found: Found
    samples: list[Any] | None  # of GPM: the one before, and the one that is filled next
    sampled: bool = False


class Nvml:
    """A Collector of the GPUs of this host; `library` is the module pynvml, or what has its shape."""

    def __init__(self, name: str, host: str, library: Any = None) -> None:
        """Raises MissingError `collect/extra` without nvidia-ml-py."""
        self.name, self.host = name, host
        self._nvml = library = _library() if library is None else library
        self._absent = (
            library.NVMLError_NotSupported, library.NVMLError_FunctionNotFound, library.NVMLError_NoPermission,
            library.NVMLError_NoData, library.NVMLError_ArgumentVersionMismatch,
        )  # fmt: skip
        self._gone = (
            library.NVMLError_Uninitialized, library.NVMLError_DriverNotLoaded, library.NVMLError_LibRmVersionMismatch,
        )  # fmt: skip
        self._lost = (library.NVMLError_GpuIsLost, library.NVMLError_GpuNotFound, library.NVMLError_ResetRequired)
        self._gpus: list[_Gpu] | None = None
        self._known: dict[str, str] = {}  # every UUID seen, and why it is not there if it is not
        self._opened_ms = 0

    def collect(self, now_ms: int) -> Sample:
        """Ask every device once."""
        refusals = Refusals(self.name, HERE, now_ms)
        scrapes = []
        try:
            for gpu in tuple(self._open(now_ms, refusals)):
                values = self._values(gpu, refusals)
                if values is not None:
                    found = gpu.found
                    scrapes.append(
                        Scrape(now_ms, now_ms, HERE, self.host, found.uid, found.serial, found.model, values)
                    )
        except self._nvml.NVMLError as error:
            self.close()
            refusals.add(CollectError("collect/driver", f"the driver does not answer: {error}", endpoint=HERE))
        return Sample(tuple(scrapes), (), refusals.all())

    def devices(self, now_ms: int) -> tuple[Found, ...]:
        """Who is there, for an inventory. Raises CollectError `collect/driver`, `collect/lost`."""
        refusals = Refusals(self.name, HERE, now_ms)
        try:
            found = tuple(gpu.found for gpu in self._open(now_ms, refusals))
        except self._nvml.NVMLError as error:
            self.close()
            raise CollectError("collect/driver", f"the driver does not answer: {error}", endpoint=HERE) from error
        if refusals.all():
            raise CollectError("collect/lost", refusals.all()[0].cause, endpoint=HERE)
        return found

    def close(self) -> None:
        """Let go of NVML."""
        for gpu in self._gpus or ():
            for sample in gpu.samples or ():
                with suppress(self._nvml.NVMLError):
                    self._nvml.nvmlGpmSampleFree(sample)
        if self._gpus is not None:
            with suppress(self._nvml.NVMLError):
                self._nvml.nvmlShutdown()
        self._gpus = None

    def _open(self, now_ms: int, refusals: Refusals) -> list[_Gpu]:
        """The devices that are there; those that were there and are not, are refused."""
        nvml = self._nvml
        if self._gpus is not None and now_ms - self._opened_ms >= REOPEN_MS:
            lost = len(self._gpus) < len(self._known)
            if lost or nvml.nvmlDeviceGetCount() != len(self._gpus):
                self.close()
        nameless = 0
        if self._gpus is None:
            nvml.nvmlInit()
            self._gpus, self._opened_ms = [], now_ms
            confidential = self._confidential()
            for index in range(nvml.nvmlDeviceGetCount()):
                try:
                    self._gpus.append(self._identify(nvml.nvmlDeviceGetHandleByIndex(index), confidential))
                except self._lost:
                    nameless += 1
        here = {gpu.found.uid for gpu in self._gpus}
        gone = [uid for uid in self._known if uid not in here]
        for uid in gone:
            refusals.add(_lost(uid, self._known[uid] or "it is not there any more"), uid)
        if nameless > len(gone):
            refusals.add(_lost(f"{nameless - len(gone)} GPUs", "lost before anybody knew their UUIDs"))
        self._known |= dict.fromkeys(here, "")
        return self._gpus

    def _identify(self, handle: Any, confidential: bool | None) -> _Gpu:
        nvml = self._nvml
        mig = self._asked(nvml.nvmlDeviceGetMigMode, handle)
        found = Found(
            _text(nvml.nvmlDeviceGetUUID(handle)),
            _text(self._asked(nvml.nvmlDeviceGetSerial, handle) or ""),
            _text(nvml.nvmlDeviceGetName(handle)),
            None if mig is None else mig[0] == nvml.NVML_DEVICE_MIG_ENABLE,
            confidential,
        )
        support = self._asked(nvml.nvmlGpmQueryDeviceSupport, handle)
        samples = None
        if support is not None and support.isSupportedDevice:
            samples = [nvml.nvmlGpmSampleAlloc(), nvml.nvmlGpmSampleAlloc()]
        return _Gpu(handle, found, samples)

    def _confidential(self) -> bool | None:
        state = self._asked(self._nvml.nvmlSystemGetConfComputeState)
        return None if state is None else state.ccFeature == self._nvml.NVML_CC_SYSTEM_FEATURE_ENABLED

    def _asked(self, function: Any, *arguments: Any) -> Any:
        """None where the part or the driver does not support it."""
        try:
            return function(*arguments)
        except self._absent:
            return None

    def _values(self, gpu: _Gpu, refusals: Refusals) -> dict[Field, int] | None:
        """What a device says; None if it is lost."""
        nvml, uid = self._nvml, gpu.found.uid
        values: dict[Field, int] = {}
        asked = {
            Field.ENERGY: lambda: nvml.nvmlDeviceGetTotalEnergyConsumption(gpu.handle),
            Field.POWER: lambda: nvml.nvmlDeviceGetPowerUsage(gpu.handle),
            Field.CLOCK: lambda: nvml.nvmlDeviceGetClockInfo(gpu.handle, nvml.NVML_CLOCK_SM),
            None: lambda: self._activity(gpu, refusals),
        }
        for field, ask in asked.items():
            try:
                value = self._asked(ask)
            except self._lost as error:
                self._gpus = [kept for kept in self._gpus or () if kept is not gpu]
                self._known[uid] = str(error)
                refusals.add(_lost(uid, str(error)), uid)
                return None
            except self._gone:
                raise
            except nvml.NVMLError as error:
                what = "activity" if field is None else field.value
                refusals.add(CollectError("collect/driver", f"no {what} of {uid}: {error}", endpoint=HERE), uid)
                continue
            if field is None:
                values |= value or {}
            elif value is not None and not 0 <= value <= MAX_COUNTER:
                refusals.add(_odd(uid, field, value), uid)
            elif value is not None:
                values[field] = value
        return values

    def _activity(self, gpu: _Gpu, refusals: Refusals) -> dict[Field, int]:
        """Means since the asking before; nothing at the first."""
        if gpu.samples is None:
            return {}
        nvml, (before, now) = self._nvml, gpu.samples
        nvml.nvmlGpmSampleGet(gpu.handle, now)
        gpu.samples = [now, before]
        if not gpu.sampled:
            gpu.sampled = True
            return {}
        wanted = nvml.c_nvmlGpmMetricsGet_t()
        wanted.version, wanted.numMetrics = nvml.NVML_GPM_METRICS_GET_VERSION, len(_GPM)
        wanted.sample1, wanted.sample2 = before, now
        for place, metric in enumerate(_GPM):
            wanted.metrics[place].metricId = getattr(nvml, metric)
        nvml.nvmlGpmMetricsGet(wanted)
        values = {}
        for place, (field, factor) in enumerate(_GPM.values()):
            metric, value = wanted.metrics[place], wanted.metrics[place].value * factor
            if metric.nvmlReturn != nvml.NVML_SUCCESS:
                continue
            if 0 <= value <= (MAX_RATIO if field in RATIOS else MAX_COUNTER):  # not NaN either
                values[field] = min(int(value), PPM) if field in RATIOS else int(value)
            else:
                refusals.add(_odd(gpu.found.uid, field, metric.value), gpu.found.uid)
        return values


def _library() -> Any:
    try:
        return import_module("pynvml")
    except ModuleNotFoundError as error:
        raise MissingError("collect/extra", "NVML needs nvidia-ml-py", hint=EXTRA) from error


def _lost(uid: str, why: str) -> CollectError:
    return CollectError("collect/lost", f"{uid}: {why}", endpoint=HERE)


def _odd(uid: str, field: Field, value: float) -> CollectError:
    return CollectError("collect/value", f"{field.value} of {uid} is {value}", endpoint=HERE)


def _text(value: str | bytes) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
