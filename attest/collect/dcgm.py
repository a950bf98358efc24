"""dcgm-exporter's text expositions, of all versions, to one set of values a device and scrape.

Which fields are taken, and under which names, says `attest.collect.dcgm_fields`; of other DCGM lines counts only that
they name a device. A device is its UUID, its host `Hostname` or, since exporter 4.8.3, `hostname`.

- Under MIG every instance repeats the board's values: they are taken once. An energy counter that differs between
  repeats was read at different moments: the largest is the last, and the difference is recorded. What profiling says
  is of the instance and counts by its share of the slices; DRAM activity has no such share and is left out.
- A board that several pods share stands there once for each of them: the same.
- `pod`, `namespace` and `container` say who has a device where the exporter maps pods, `hpc_job` where jobs.
- A vGPU has neither an energy counter nor profiling: a device that is present, and no more.

An exposition has no time of its own. It comes from the timestamps of the sample lines; without these from `start_ms`
and `step_ms`, or from the file's name, which holds Unix s or ms, or ISO 8601 as in 20250424T170145Z.

    >>> line = b'DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{gpu="0",UUID="GPU-5b4e",hostname="n1"} 5551899580'
    >>> (scrape,) = read_expositions([("dcgm-1745514105.prom", [line])], Times(), [])
    >>> scrape.host, scrape.uid, scrape.time_ms, scrape.values[Field.ENERGY]
    ('n1', 'GPU-5b4e', 1745514105000, 5551899580)
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from attest.collect.dcgm_fields import BOARD, NAMES, PPM, Field, convert, slices
from attest.collect.exposition import Sample, parse_sample
from attest.collect.irregular import Irregularity, Kind, refuse, require_bounded
from attest.collect.stamps import FIRST, LAST, ZoneNeeded, parse_time
from attest.format.fields import MAX_TEXT

MAX_SAMPLES: Final = 4_000_000  # lines that matter, of one file
MAX_DEVICES: Final = 100_000  # of one file

_EXPORTER: Final = "dcgm-exporter"  # in the names of the pods of the exporter itself
_DIGITS: Final = 6  # more than any device's number has
_STAMP: Final = re.compile(
    r"\d{4}-?\d\d-?\d\d[T_ ]\d\d[:-]?\d\d[:-]?\d\d(?:Z|[+-]\d{4})?|(?<!\d)\d{10}(?:\d{3})?(?!\d)", re.ASCII
)


class Times(NamedTuple):
    """Where times come from: the first exposition's and the distance of the next, or the zone of file names."""

    start_ms: int | None = None
    step_ms: int | None = None
    utc_offset: int | None = None


class Holder(NamedTuple):
    """Who has a device: a container of a pod, or a job of a batch system."""

    namespace: str = ""
    pod: str = ""
    container: str = ""
    job: str = ""


class Scrape(NamedTuple):
    """One device in one exposition, counted from 0; a field without a value is absent from `values`. `minor` is the
    device's number on its host, `holders` who had it as far as the exporter was told."""

    exposition: int
    time_ms: int
    where: str
    host: str
    uid: str
    serial: str
    model: str
    values: Mapping[Field, int]
    minor: int | None = None
    holders: tuple[Holder, ...] = ()


class _Line(NamedTuple):
    number: int
    sample: Sample
    field: Field | None
    value: int | None


_Device = tuple[str, str]  # host, UUID


def read_expositions(
    files: Iterable[tuple[str, Iterable[bytes]]], times: Times, found: list[Irregularity]
) -> Iterator[Scrape]:
    """Read the files, each (name, lines), in the order they were recorded in.

    Irregularities are added to `found`. Raises ImportDataError with file and line: `import/line`, `import/label`,
    `import/value`, `import/time`, `import/zone`, `import/bounds`, `import/empty`.
    """
    count = 0
    for number, (name, lines) in enumerate(files):
        devices = _read(name, lines)
        for exposition in _expositions(name, number, devices, times):
            for key, (time_ms, held) in exposition.items():
                yield _reduce(name, key, count, time_ms, held, found)
            count += 1
        require_bounded(found)
    if not count:
        refuse("import/empty", "the files given", "no device in them")


def _read(name: str, lines: Iterable[bytes]) -> dict[_Device, list[_Line]]:
    """The lines of a file that matter, device by device."""
    devices: defaultdict[_Device, list[_Line]] = defaultdict(list)
    count = 0
    for number, line in enumerate(lines, 1):
        place = f"{name}:{number}"
        try:
            sample = parse_sample(line.decode("utf-8"))
        except ValueError as error:
            refuse("import/line", place, str(error))
        if sample is None:
            continue
        labels = sample.labels
        taken = sample.name in NAMES
        if not taken and not (sample.name.startswith("DCGM_") and "UUID" in labels):
            continue
        uid = labels.get("UUID", labels.get("uuid", ""))
        host = labels.get("Hostname", labels.get("hostname", ""))
        if not 0 < len(uid) <= MAX_TEXT or not uid.isprintable() or len(host) > MAX_TEXT or not host.isprintable():
            refuse("import/label", place, f"{sample.name} without the UUID of a device, or with a host that is no name")
        try:
            value = convert(sample.name, sample.value) if taken else None
        except ValueError as error:
            refuse("import/value", place, f"{sample.name} of {uid}: {error}")
        count += 1
        devices[host, uid].append(_Line(number, sample, NAMES[sample.name][0] if taken else None, value))
        if count > MAX_SAMPLES or len(devices) > MAX_DEVICES:
            refuse("import/bounds", place, f"more than {MAX_SAMPLES} samples or {MAX_DEVICES} devices")
    return devices


_Exposition = dict[_Device, tuple[int, list[_Line]]]


def _expositions(name: str, number: int, devices: Mapping[_Device, list[_Line]], times: Times) -> Iterator[_Exposition]:
    """The expositions of a file in order: one, or as many as a series has timestamps in it."""
    stamps = {line.sample.time_ms for held in devices.values() for line in held}
    if not stamps:
        return
    if None in stamps and len(stamps) > 1:
        refuse("import/time", name, "some samples have a timestamp and some have none")
    if None in stamps:
        _require_single(name, devices)
        time_ms = _time_of(name, number, times)
        yield {key: (time_ms, held) for key, held in devices.items()}
        return
    if times.start_ms is not None:
        refuse("import/time", name, "the samples carry their own timestamps", "leave out --start and --step")
    known = [stamp for stamp in stamps if stamp is not None]
    if not FIRST <= min(known) <= max(known) < LAST:
        refuse("import/time", name, f"timestamps from {min(known)} to {max(known)} are not Unix ms of our years")
    if not _repeats(devices):
        yield {key: (_latest(held), held) for key, held in devices.items()}
        return
    by_time: defaultdict[int, _Exposition] = defaultdict(dict)
    for key, held in devices.items():
        for line in held:
            time_ms = line.sample.time_ms or 0
            by_time[time_ms].setdefault(key, (time_ms, []))[1].append(line)
    for time_ms in sorted(by_time):
        _require_single(name, {key: held for key, (_, held) in by_time[time_ms].items()})
        yield by_time[time_ms]


def _time_of(name: str, number: int, times: Times) -> int:
    if times.start_ms is not None:
        return times.start_ms + number * (times.step_ms or 0)
    stamp = _STAMP.findall(name.rsplit("/", 1)[-1])
    if len(stamp) != 1:
        refuse(
            "import/time",
            name,
            "an exposition without a time: no timestamps in it, and no one time in its name",
            "say it with --start and --step, or name the files like dcgm-20250424T170145Z.prom",
        )
    try:
        return parse_time(stamp[0].replace("_", "T"), times.utc_offset)
    except ZoneNeeded as error:
        refuse("import/zone", name, str(error), "say which zone the names are in, as --utc-offset +00:00")
    except ValueError as error:
        refuse("import/time", name, str(error))


def _series(line: _Line) -> tuple[object, ...]:
    return (line.sample.name, *sorted(line.sample.labels.items()))


def _repeats(devices: Mapping[_Device, list[_Line]]) -> bool:
    return any(len({_series(line) for line in held}) < len(held) for held in devices.values())


def _require_single(name: str, devices: Mapping[_Device, list[_Line]]) -> None:
    for held in devices.values():
        seen = set()
        for line in held:
            if _series(line) in seen:
                place = f"{name}:{line.number}"
                refuse("import/line", place, f"{line.sample.name} of one device stands twice in one exposition")
            seen.add(_series(line))


def _latest(held: Iterable[_Line]) -> int:
    """When a device was read: by its energy counter, which what was read is about, else by any of its fields."""
    stamps = [(line.field is Field.ENERGY, line.sample.time_ms or 0) for line in held]
    return max(stamps)[1]


def _reduce(
    name: str, key: _Device, exposition: int, time_ms: int, held: list[_Line], found: list[Irregularity]
) -> Scrape:
    """One value a field, whatever instances and pods repeat it."""
    host, uid = key
    first = held[0].sample.labels
    model, serial = first.get("modelName", ""), first.get("DCGM_FI_DEV_SERIAL", "")
    where = f"{name}:{held[0].number}"
    by_field: defaultdict[Field, list[_Line]] = defaultdict(list)
    blanks = 0
    for line in held:
        if line.field is not None and line.value is not None:
            by_field[line.field].append(line)
        blanks += line.field is not None and line.value is None
    if blanks:
        found.append(Irregularity(Kind.BLANK, where, uid, time_ms, {"values": blanks}))
    values: dict[Field, int] = {}
    for field, lines in by_field.items():
        value = max(_values(lines)) if field in BOARD else _of_parts(field, lines, model)
        if value is not None:
            values[field] = value
    energies = _values(by_field.get(Field.ENERGY, ()))
    if len(set(energies)) > 1:
        numbers = {"least_mj": min(energies), "largest_mj": max(energies), "repeats": len(energies)}
        found.append(Irregularity(Kind.DIFFERS, where, uid, time_ms, numbers))
    holders = sorted({holder for line in held if (holder := _holder(line.sample.labels)) is not None})
    return Scrape(exposition, time_ms, where, host, uid, serial, model, values, _minor(first), tuple(holders))


def _holder(labels: Mapping[str, str]) -> Holder | None:
    """The pod or job of a sample. What went through Prometheus may have the pod that the exporter runs in as `pod`, and
    that of the device as `exported_pod`, or none where nobody has it."""
    pod, namespace, container = (
        labels.get(f"exported_{name}", labels.get(name, "")) for name in ("pod", "namespace", "container")
    )
    if _EXPORTER in pod:
        pod = ""
    job = labels.get("hpc_job", "")
    return Holder(namespace, pod, container, job) if pod or job else None


def _minor(labels: Mapping[str, str]) -> int | None:
    """The number of `nvidia3`, else of `gpu="3"`."""
    number = labels.get("device", "").removeprefix("nvidia") or labels.get("gpu", "")
    return int(number) if number.isascii() and number.isdigit() and len(number) < _DIGITS else None


def _values(lines: Iterable[_Line]) -> list[int]:
    return [line.value for line in lines if line.value is not None]


def _of_parts(field: Field, lines: list[_Line], model: str) -> int | None:
    """What profiling says of a board: of the whole where that stands there, else of its instances by their share."""
    whole = [line for line in lines if not line.sample.labels.get("GPU_I_ID")]
    if whole:
        return max(_values(whole))
    if field is Field.DRAM:
        return None
    instances: defaultdict[str, int] = defaultdict(int)
    profile: dict[str, str] = {}
    for line in lines:
        labels = line.sample.labels
        instances[labels["GPU_I_ID"]] = max(instances[labels["GPU_I_ID"]], line.value or 0)
        profile[labels["GPU_I_ID"]] = labels.get("GPU_I_PROFILE", "")
    if field not in (Field.TENSOR, Field.SM):
        return sum(instances.values())
    total = 0
    for instance, value in instances.items():
        share = slices(profile[instance], model)
        if share is None:
            return None
        total += value * share[0] * PPM // share[1]
    return min(total // PPM, PPM)
