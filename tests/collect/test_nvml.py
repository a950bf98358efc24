"""NVML against a library object of pynvml's shape. There is no GPU here: what a real one answers is not tested, what
becomes of each answer and of each error is. Constants and error classes are those of nvidia-ml-py itself."""
# ruff: noqa: N802

from types import SimpleNamespace
from typing import Any

import pytest

from attest.collect.collector import Collector, Sample
from attest.collect.dcgm_fields import Field
from attest.collect.devices import gather_series
from attest.collect.irregular import Irregularity, Kind
from attest.collect.nvml import REOPEN_MS, Found, Nvml
from attest.errors import CollectError

pynvml = pytest.importorskip("pynvml")

T = 1_745_514_000_000


class Gpu:
    """A device of the fake: its values, and errors to raise in their place, by the name of the function."""

    def __init__(self, uid: str, *, gpm: bool = True, mig: bool = False) -> None:
        self.uid, self.gpm, self.mig = uid, gpm, mig
        self.energy, self.clock, self.power = 1_000_000, 1_980, 700_000
        self.activity: dict[int, float] = {
            pynvml.NVML_GPM_METRIC_SM_UTIL: 57.5,
            pynvml.NVML_GPM_METRIC_ANY_TENSOR_UTIL: 25.0,
            pynvml.NVML_GPM_METRIC_DRAM_BW_UTIL: 12.5,
            pynvml.NVML_GPM_METRIC_PCIE_TX_PER_SEC: 3.0,
            pynvml.NVML_GPM_METRIC_NVLINK_TOTAL_RX_PER_SEC: 1.5,
        }
        self.errors: dict[str, int] = {}


class Library:
    """Has pynvml's shape; what it does not override is pynvml's own."""

    def __init__(self, *gpus: Gpu) -> None:
        self.gpus = list(gpus)
        self.errors: dict[str, int] = {}
        self.opened = 0
        self.samples = 0

    def __getattr__(self, name: str) -> Any:
        assert name.startswith(("NVML", "c_nvml")), f"{name} would ask a real driver"
        return getattr(pynvml, name)

    def _fail(self, name: str, gpu: Gpu | None = None) -> None:
        for errors in (self.errors, gpu.errors if gpu else {}):
            if name in errors:
                raise pynvml.NVMLError(errors[name])

    def nvmlInit(self) -> None:
        self._fail("init")
        self.opened += 1

    def nvmlShutdown(self) -> None:
        self._fail("shutdown")

    def nvmlDeviceGetCount(self) -> int:
        self._fail("count")
        return len(self.gpus)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> Gpu:
        self._fail("handle", self.gpus[index])
        return self.gpus[index]

    def nvmlDeviceGetUUID(self, gpu: Gpu) -> bytes:
        return gpu.uid.encode()

    def nvmlDeviceGetSerial(self, gpu: Gpu) -> str:
        self._fail("serial", gpu)
        return f"serial of {gpu.uid}"

    def nvmlDeviceGetName(self, gpu: Gpu) -> str:
        return "NVIDIA H100 80GB HBM3"

    def nvmlDeviceGetMigMode(self, gpu: Gpu) -> list[int]:
        self._fail("mig", gpu)
        return [int(gpu.mig), 0]

    def nvmlSystemGetConfComputeState(self) -> Any:
        self._fail("confidential")
        return SimpleNamespace(ccFeature=pynvml.NVML_CC_SYSTEM_FEATURE_ENABLED)

    def nvmlDeviceGetTotalEnergyConsumption(self, gpu: Gpu) -> int:
        self._fail("energy", gpu)
        return gpu.energy

    def nvmlDeviceGetPowerUsage(self, gpu: Gpu) -> int:
        self._fail("power", gpu)
        return gpu.power

    def nvmlDeviceGetClockInfo(self, gpu: Gpu, kind: int) -> int:
        self._fail("clock", gpu)
        assert kind == pynvml.NVML_CLOCK_SM
        return gpu.clock

    def nvmlGpmQueryDeviceSupport(self, gpu: Gpu) -> Any:
        self._fail("gpm", gpu)
        return SimpleNamespace(isSupportedDevice=int(gpu.gpm))

    def nvmlGpmSampleAlloc(self) -> Any:
        self.samples += 1
        return pynvml.c_nvmlGpmSample_t()

    def nvmlGpmSampleFree(self, sample: Any) -> None:
        self.samples -= 1

    def nvmlGpmSampleGet(self, gpu: Gpu, sample: Any) -> Any:
        self._fail("sample", gpu)
        self.sampled = gpu
        return sample

    def nvmlGpmMetricsGet(self, wanted: Any) -> Any:
        assert wanted.version == pynvml.NVML_GPM_METRICS_GET_VERSION
        for place in range(wanted.numMetrics):
            metric = wanted.metrics[place]
            known = metric.metricId in self.sampled.activity
            metric.nvmlReturn = pynvml.NVML_SUCCESS if known else pynvml.NVML_ERROR_NOT_SUPPORTED
            metric.value = self.sampled.activity.get(metric.metricId, 77.0)
        return wanted


def who(sample: Sample) -> list[str]:
    return [scrape.uid for scrape in sample.scrapes]


def refused(sample: Sample) -> list[tuple[str, str]]:
    return [(refusal.who, refusal.code) for refusal in sample.refusals]


def test_a_device_says_who_it_is_and_what_it_did() -> None:
    library = Library(Gpu("GPU-0"), Gpu("GPU-1", gpm=False, mig=True))
    collector: Collector = Nvml("nvml", "n1", library)
    collector.collect(T)
    sample = collector.collect(T + 1_000)
    first, second = sample.scrapes
    assert (first.host, first.uid, first.serial, first.model) == (
        "n1", "GPU-0", "serial of GPU-0", "NVIDIA H100 80GB HBM3",
    )  # fmt: skip
    assert (first.time_ms, first.exposition, sample.refusals) == (T + 1_000, T + 1_000, ())
    assert first.values == {
        Field.ENERGY: 1_000_000, Field.POWER: 700_000, Field.CLOCK: 1_980, Field.SM: 575_000, Field.TENSOR: 250_000,
        Field.DRAM: 125_000, Field.PCIE_TX: 3 << 20, Field.NVLINK_RX: 3 << 19,
    }  # fmt: skip
    assert second.values == {Field.ENERGY: 1_000_000, Field.POWER: 700_000, Field.CLOCK: 1_980}
    assert library.opened == 1


def test_activity_needs_two_askings() -> None:
    collector = Nvml("nvml", "n1", Library(Gpu("GPU-0")))
    assert Field.SM not in collector.collect(T).scrapes[0].values
    assert Field.SM in collector.collect(T + 1_000).scrapes[0].values


def test_cycles_of_newer_drivers_are_taken() -> None:
    gpu = Gpu("GPU-0")
    gpu.activity |= {
        pynvml.NVML_GPM_METRIC_SM_CYCLES_ELAPSED: 1.98e15,
        pynvml.NVML_GPM_METRIC_SM_CYCLES_ACTIVE: 1.5e15,
        pynvml.NVML_GPM_METRIC_MMA_CYCLES_ACTIVE: 0.99e15,
        pynvml.NVML_GPM_METRIC_PCIE_TX: 7.5 * (1 << 40),
        pynvml.NVML_GPM_METRIC_PCIE_RX: (1 << 20) - 1,
    }
    collector = Nvml("nvml", "n1", Library(gpu))
    collector.collect(T)
    values = collector.collect(T + 1_000).scrapes[0].values
    cycles = values[Field.ELAPSED], values[Field.ACTIVE], values[Field.MMA]
    assert cycles == (1_980_000_000, 1_500_000_000, 990_000_000)
    assert (values[Field.PCIE_SENT], values[Field.PCIE_RECEIVED]) == (7_864_320, 0)


@pytest.mark.parametrize("value", [float("nan"), -1.0, 106.0, float("inf")])
def test_activity_that_is_none_is_refused(value: float) -> None:
    gpu = Gpu("GPU-0")
    gpu.activity[pynvml.NVML_GPM_METRIC_SM_UTIL] = value
    collector = Nvml("nvml", "n1", Library(gpu))
    collector.collect(T)
    sample = collector.collect(T + 1_000)
    assert Field.SM not in sample.scrapes[0].values
    assert Field.TENSOR in sample.scrapes[0].values
    assert refused(sample) == [("GPU-0", "collect/value")]


@pytest.mark.parametrize("name", ["serial", "mig", "energy", "power", "clock", "gpm", "sample", "confidential"])
@pytest.mark.parametrize(
    "error", [pynvml.NVML_ERROR_NOT_SUPPORTED, pynvml.NVML_ERROR_FUNCTION_NOT_FOUND, pynvml.NVML_ERROR_NO_PERMISSION]
)
def test_what_a_part_does_not_support_is_absent_and_no_error(name: str, error: int) -> None:
    gpu = Gpu("GPU-0")
    library = Library(gpu, Gpu("GPU-1"))
    (library.errors if name == "confidential" else gpu.errors)[name] = error
    collector = Nvml("nvml", "n1", library)
    collector.collect(T)
    sample = collector.collect(T + 1_000)
    assert (who(sample), sample.refusals) == (["GPU-0", "GPU-1"], ())
    absent = {"energy": Field.ENERGY, "power": Field.POWER, "clock": Field.CLOCK, "gpm": Field.SM, "sample": Field.SM}
    assert (absent.get(name) in sample.scrapes[0].values) is False
    assert {Field.ENERGY, Field.SM} <= sample.scrapes[1].values.keys()


def test_a_device_without_energy_is_presence_only() -> None:
    gpu = Gpu("GPU-0", gpm=False)
    gpu.errors["energy"] = pynvml.NVML_ERROR_NOT_SUPPORTED
    collector = Nvml("nvml", "n1", Library(gpu))
    found: list[Irregularity] = []
    gather_series([s for k in range(2) for s in collector.collect(T + 1_000 * k).scrapes], found)
    assert [(i.kind, i.who) for i in found] == [(Kind.PRESENCE, "GPU-0")]


def test_energy_that_is_renewed_every_100_ms_is_neither_stale_nor_a_jump() -> None:
    gpu = Gpu("GPU-0", gpm=False)
    collector = Nvml("nvml", "n1", Library(gpu))
    scrapes = []
    for k in range(1, 400):
        gpu.energy = 1_000_000 + 70_000 * (25 * k // 100)  # 700 W, asked every 25 ms
        scrapes += collector.collect(T + 25 * k).scrapes
    found: list[Irregularity] = []
    (host,) = gather_series(scrapes, found).values()
    assert (len(host.devices["GPU-0"].time_ms), found) == (399, [])


@pytest.mark.parametrize("name", ["energy", "power", "clock", "sample"])
@pytest.mark.parametrize("error", [pynvml.NVML_ERROR_TIMEOUT, pynvml.NVML_ERROR_UNKNOWN, pynvml.NVML_ERROR_IRQ_ISSUE])
def test_another_error_refuses_one_value_of_one_device(name: str, error: int) -> None:
    library = Library(Gpu("GPU-0"), Gpu("GPU-1"))
    collector = Nvml("nvml", "n1", library)
    collector.collect(T)
    library.gpus[0].errors[name] = error
    sample = collector.collect(T + 1_000)
    assert (who(sample), refused(sample)) == (["GPU-0", "GPU-1"], [("GPU-0", "collect/driver")])
    kept = {"energy", "power", "clock", "sample"} - {name}
    values = {field.value for field in sample.scrapes[0].values}
    assert kept - {"sample"} <= values
    assert ("sm" in values) == (name != "sample")
    library.gpus[0].errors.clear()
    assert collector.collect(T + 2_000).refusals == ()


def test_a_value_that_no_device_has_is_refused() -> None:
    gpu = Gpu("GPU-0")
    gpu.energy = (1 << 64) - 1
    sample = Nvml("nvml", "n1", Library(gpu)).collect(T)
    assert refused(sample) == [("GPU-0", "collect/value")]
    assert Field.ENERGY not in sample.scrapes[0].values


@pytest.mark.parametrize("name", ["energy", "power", "sample"])
@pytest.mark.parametrize("error", [pynvml.NVML_ERROR_GPU_IS_LOST, pynvml.NVML_ERROR_RESET_REQUIRED])
def test_a_lost_device_is_a_record_at_every_asking_and_no_crash(name: str, error: int) -> None:
    library = Library(*[Gpu(f"GPU-{k}") for k in range(3)])
    collector = Nvml("nvml", "n1", library)
    assert len(collector.collect(T).scrapes) == 3
    library.gpus[1].errors = dict.fromkeys([name, "handle"], error)
    for k in range(1, 5):
        sample = collector.collect(T + 1_000 * k)
        assert (who(sample), refused(sample)) == (["GPU-0", "GPU-2"], [("GPU-1", "collect/lost")])
    assert str(pynvml.NVMLError(error)) in sample.refusals[0].cause
    assert library.opened == 1  # opening takes a second: not at every asking
    sample = collector.collect(T + REOPEN_MS)
    assert (who(sample), refused(sample)) == (["GPU-0", "GPU-2"], [("GPU-1", "collect/lost")])
    library.gpus[1].errors.clear()
    sample = collector.collect(T + 2 * REOPEN_MS)
    assert (who(sample), refused(sample)) == (["GPU-0", "GPU-1", "GPU-2"], [])


def test_a_device_that_was_lost_before_it_was_known_is_counted() -> None:
    library = Library(Gpu("GPU-0"), Gpu("GPU-1"))
    library.gpus[1].errors["handle"] = pynvml.NVML_ERROR_GPU_IS_LOST
    sample = Nvml("nvml", "n1", library).collect(T)
    assert (who(sample), refused(sample)) == (["GPU-0"], [("", "collect/lost")])
    assert "1 GPUs" in sample.refusals[0].cause


def test_a_device_that_the_driver_does_not_count_any_more_is_missed() -> None:
    library = Library(Gpu("GPU-0"), Gpu("GPU-1"))
    collector = Nvml("nvml", "n1", library)
    collector.collect(T)
    del library.gpus[0]  # and the other one is index 0 now
    collector.collect(T + REOPEN_MS)
    sample = collector.collect(T + REOPEN_MS + 1_000)
    assert (who(sample), refused(sample)) == (["GPU-1"], [("GPU-0", "collect/lost")])


def test_a_device_that_appears_is_seen() -> None:
    library = Library(Gpu("GPU-0"))
    collector = Nvml("nvml", "n1", library)
    collector.collect(T)
    library.gpus.append(Gpu("GPU-1"))
    assert who(collector.collect(T + REOPEN_MS)) == ["GPU-0", "GPU-1"]


@pytest.mark.parametrize(
    "error",
    [pynvml.NVML_ERROR_UNINITIALIZED, pynvml.NVML_ERROR_DRIVER_NOT_LOADED, pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH],
)
def test_a_driver_that_is_reloaded_is_opened_again_and_its_counters_are_a_reset(error: int) -> None:
    library = Library(Gpu("GPU-0"), Gpu("GPU-1"))
    collector = Nvml("nvml", "n1", library)
    samples = [collector.collect(T)]
    library.gpus[0].errors["energy"] = error
    library.errors["shutdown"] = error
    samples.append(collector.collect(T + 1_000))
    assert refused(samples[-1]) == [("", "collect/driver")]
    library.errors = {"init": pynvml.NVML_ERROR_DRIVER_NOT_LOADED}
    samples.append(collector.collect(T + 2_000))
    assert (samples[-1].empty, refused(samples[-1])) == (True, [("", "collect/driver")])
    library.errors.clear()
    library.gpus[0].errors.clear()
    library.gpus[0].energy = library.gpus[1].energy = 5
    samples.append(collector.collect(T + 3_000))
    assert (who(samples[-1]), library.opened) == (["GPU-0", "GPU-1"], 2)
    found: list[Irregularity] = []
    gather_series([scrape for sample in samples for scrape in sample.scrapes], found)
    assert {i.who for i in found if i.kind is Kind.RESET} == {"GPU-0", "GPU-1"}


@pytest.mark.parametrize("name", ["init", "count"])
def test_no_driver_is_a_record(name: str) -> None:
    library = Library(Gpu("GPU-0"))
    library.errors[name] = pynvml.NVML_ERROR_LIBRARY_NOT_FOUND
    collector = Nvml("nvml", "n1", library)
    sample = collector.collect(T)
    assert (sample.empty, refused(sample)) == (True, [("", "collect/driver")])
    library.errors.clear()
    assert who(collector.collect(T + 1_000)) == ["GPU-0"]


def test_without_a_driver_the_real_library_is_a_record_too() -> None:
    collector = Nvml("nvml", "n1")
    sample = collector.collect(T)
    if sample.scrapes:
        pytest.skip("there is a GPU here")
    assert refused(sample) == [("", "collect/driver")]


def test_an_inventory_can_ask_who_is_there() -> None:
    library = Library(Gpu("GPU-0", mig=True), Gpu("GPU-1"))
    library.gpus[1].errors["mig"] = pynvml.NVML_ERROR_NOT_SUPPORTED
    model = "NVIDIA H100 80GB HBM3"
    assert Nvml("nvml", "n1", library).devices(T) == (
        Found("GPU-0", "serial of GPU-0", model, True, True),
        Found("GPU-1", "serial of GPU-1", model, None, True),
    )
    library.errors["confidential"] = pynvml.NVML_ERROR_NOT_SUPPORTED
    assert Nvml("nvml", "n1", library).devices(T)[0].confidential is None
    library.gpus[1].errors["handle"] = pynvml.NVML_ERROR_GPU_IS_LOST
    with pytest.raises(CollectError) as info:
        Nvml("nvml", "n1", library).devices(T)
    assert info.value.code == "collect/lost"
    library.errors["init"] = pynvml.NVML_ERROR_DRIVER_NOT_LOADED
    with pytest.raises(CollectError) as info:
        Nvml("nvml", "n1", library).devices(T)
    assert info.value.code == "collect/driver"


def test_what_was_taken_is_given_back() -> None:
    library = Library(Gpu("GPU-0"), Gpu("GPU-1"))
    collector = Nvml("nvml", "n1", library)
    collector.collect(T)
    assert library.samples == 4
    collector.close()
    assert library.samples == 0
    collector.close()
