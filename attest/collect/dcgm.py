"""Expositions of dcgm-exporter and its like, of all versions, to one set of values a device and scrape.

Which fields are taken, and under which names, say `attest.collect.dcgm_fields` and `attest.collect.exporters`; of an
exporter's other lines counts only that they name a device. Labels come and go with pods and versions: a device is its
UUID, whatever else stands beside it.

- Under MIG every instance repeats the board's values: they are taken once. An energy counter that differs between
  repeats was read at different moments: the largest is the last, and the difference is recorded. What profiling says
  is of the instance and counts by its share of the slices; DRAM activity has no such share and is left out.
- A board that several pods share stands there once for each of them: the same.
- `pod`, `namespace` and `container` say who has a device where the exporter maps pods, `hpc_job` where jobs.
- A vGPU has neither an energy counter nor profiling: a device that is present, and no more.

An exposition has no time of its own. It is that of its lines where these have timestamps, and else what
`attest.collect.times` makes of the caller's words or the file's name.

What is wrong in a line of a file ends the import. A live source hands `wrong` over instead, which writes down what was
refused; then the line is as if it were not there, and where one series stands twice, neither is believed.

    >>> line = b'DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{gpu="0",UUID="GPU-5b4e",hostname="n1"} 5551899580'
    >>> (scrape,) = read_expositions([("dcgm-1745514105.prom", [line])], Times(), [])
    >>> scrape.host, scrape.uid, scrape.time_ms, scrape.values[Field.ENERGY]
    ('n1', 'GPU-5b4e', 1745514105000, 5551899580)
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from attest.collect.dcgm_fields import BOARD, CYCLES, PPM, RATIOS, SENT, Field, slices
from attest.collect.exporters import AMD, Exporter, Holder, exporter_of, holder_of, minor_of
from attest.collect.exposition import Sample, parse_sample
from attest.collect.irregular import Irregularity, Kind, refuse, require_bounded
from attest.collect.stamps import FIRST, LAST
from attest.collect.times import Times, time_of
from attest.errors import ImportDataError
from attest.format.fields import MAX_TEXT

MAX_SAMPLES: Final = 4_000_000  # lines that matter, of one file
MAX_DEVICES: Final = 100_000  # of one file

_WHOLE: Final = frozenset({Field.DRAM, *CYCLES, *SENT})  # instances have no known share of it, or come and go


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
    part: str
    field: Field | None
    value: int | None


class _Board(NamedTuple):
    """A device of a file: who it is by its first line, and the lines about it."""

    exporter: Exporter
    serial: str
    model: str
    lines: list[_Line]


_Device = tuple[str, str]  # host, UUID
Samples = Iterable[tuple[int, Sample]]  # with the number of the line or sample
Wrong = Callable[[ImportDataError, str], None]  # what becomes of a line or series that is wrong, and whose it is


def stop(error: ImportDataError, _: str) -> None:
    """As files have it: what is wrong in one line is wrong with the file."""
    raise error


def read_expositions(
    files: Iterable[tuple[str, Iterable[bytes]]], times: Times, found: list[Irregularity], wrong: Wrong = stop
) -> Iterator[Scrape]:
    """Read the files, each (name, lines), in the order they were recorded in.

    Irregularities are added to `found`. Raises ImportDataError with file and line: `import/line`, `import/label`,
    `import/value`, `import/time`, `import/zone`, `import/bounds`, `import/empty`.
    """
    return read_samples(((name, _samples(name, lines, wrong)) for name, lines in files), times, found, wrong)


def read_samples(
    files: Iterable[tuple[str, Samples]], times: Times, found: list[Irregularity], wrong: Wrong = stop
) -> Iterator[Scrape]:
    """The same of samples that are read already."""
    count = 0
    for number, (name, samples) in enumerate(files):
        boards = _gather(name, samples, wrong)
        for exposition in _expositions(name, number, boards, times, wrong):
            for key, (time_ms, held) in exposition.items():
                yield _reduce(name, key, boards[key], count, time_ms, held, found)
            count += 1
        require_bounded(found)
    if not count:
        refuse("import/empty", "the files given", "no device in them")


def _samples(name: str, lines: Iterable[bytes], wrong: Wrong) -> Iterator[tuple[int, Sample]]:
    for number, line in enumerate(lines, 1):
        try:
            sample = parse_sample(line.decode("utf-8"))
        except ValueError as error:
            wrong(ImportDataError("import/line", f"{name}:{number}: {error}"), "")
            continue
        if sample is not None:
            yield number, sample


def _gather(name: str, samples: Samples, wrong: Wrong) -> dict[_Device, _Board]:
    """The lines of a file that matter, device by device."""
    boards: dict[_Device, _Board] = {}
    count = 0
    for number, sample in samples:
        exporter = exporter_of(sample)
        if exporter is None:
            continue
        place = f"{name}:{number}"
        host, uid, serial, model, part = exporter.identity(sample.labels)
        if not 0 < len(uid) <= MAX_TEXT or not uid.isprintable() or len(host) > MAX_TEXT or not host.isprintable():
            detail = f"{sample.name} without the UUID of a device, or with a host that is no name"
            wrong(ImportDataError("import/label", f"{place}: {detail}"), "")
            continue
        try:
            field, value = exporter.read(sample) or (None, None)
        except ValueError as error:
            wrong(ImportDataError("import/value", f"{place}: {sample.name} of {uid}: {error}"), uid)
            continue
        count += 1
        board = boards.setdefault((host, uid), _Board(exporter, serial, model, []))
        board.lines.append(_Line(number, sample, part, field, value))
        if count > MAX_SAMPLES or len(boards) > MAX_DEVICES:
            refuse("import/bounds", place, f"more than {MAX_SAMPLES} samples or {MAX_DEVICES} devices")
    return boards


_Exposition = dict[_Device, tuple[int, list[_Line]]]


def _expositions(
    name: str, number: int, boards: Mapping[_Device, _Board], times: Times, wrong: Wrong
) -> Iterator[_Exposition]:
    """The expositions of a file in order: one, or as many as a metric of a device has timestamps in it."""
    stamps = {line.sample.time_ms for board in boards.values() for line in board.lines}
    if not stamps:
        return
    if None in stamps and len(stamps) > 1:
        refuse("import/time", name, "some samples have a timestamp and some have none")
    if None in stamps:
        time_ms = time_of(name, number, times)
        yield {key: (time_ms, _single(name, key, board.lines, wrong)) for key, board in boards.items()}
        return
    if times.start_ms is not None and not times.default:
        refuse("import/time", name, "the samples carry their own timestamps", "leave out --start and --step")
    known = [stamp for stamp in stamps if stamp is not None]
    if not FIRST <= min(known) <= max(known) < LAST:
        refuse("import/time", name, f"timestamps from {min(known)} to {max(known)} are not Unix ms of our years")
    if not _is_history(boards):
        singles = {key: _single(name, key, board.lines, wrong) for key, board in boards.items()}
        yield {key: (_latest(held or boards[key].lines), held) for key, held in singles.items()}
        return
    by_time: defaultdict[int, dict[_Device, list[_Line]]] = defaultdict(dict)
    for key, board in boards.items():
        for line in board.lines:
            by_time[line.sample.time_ms or 0].setdefault(key, []).append(line)
    for time_ms in sorted(by_time):
        yield {key: (time_ms, _single(name, key, held, wrong)) for key, held in by_time[time_ms].items()}


def _series(line: _Line) -> tuple[object, ...]:
    return (line.sample.name, *sorted(line.sample.labels.items()))


def _is_history(boards: Mapping[_Device, _Board]) -> bool:
    """Whether a metric of one device stands there with several stamps, whatever labels came and went meanwhile."""
    for board in boards.values():
        stamps: dict[tuple[str, str], int | None] = {}
        for line in board.lines:
            if stamps.setdefault((line.sample.name, line.part), line.sample.time_ms) != line.sample.time_ms:
                return True
    return False


def _single(name: str, key: _Device, held: list[_Line], wrong: Wrong) -> list[_Line]:
    """The lines of one device in one exposition without series that stand there twice."""
    times = Counter(map(_series, held))
    if len(times) == len(held):
        return held
    seen = set()
    for line in held:
        series = _series(line)
        if series in seen and times[series] > 1:
            detail = f"{line.sample.name} of one device stands twice in one exposition"
            wrong(ImportDataError("import/line", f"{name}:{line.number}: {detail}"), key[1])
        seen.add(series)
    return [line for line in held if times[_series(line)] == 1]


def _latest(held: Iterable[_Line]) -> int:
    """When a device was read: by its energy counter, which what was read is about, else by any of its fields."""
    stamps = [(line.field is Field.ENERGY, line.sample.time_ms or 0) for line in held]
    return max(stamps)[1]


def _reduce(
    name: str, key: _Device, board: _Board, exposition: int, time_ms: int, held: list[_Line], found: list[Irregularity]
) -> Scrape:
    """One value a field, whatever instances and pods repeat it."""
    host, uid = key
    where = f"{name}:{(held or board.lines)[0].number}"
    by_field: defaultdict[Field, list[_Line]] = defaultdict(list)
    blanks = 0
    for line in held:
        if line.field is not None and line.value is not None:
            by_field[line.field].append(line)
        blanks += line.field is not None and line.value is None
    if blanks:
        found.append(Irregularity(Kind.BLANK, where, uid, time_ms, {"values": blanks}))
    values: dict[Field, int] = {}
    parted = board.exporter is AMD and any(line.part for line in held)
    for field, lines in by_field.items():
        if parted and field in RATIOS:
            continue  # said of one partition, and nothing says of how much of the board
        value = max(_values(lines)) if field in BOARD else _of_parts(field, lines, board.model)
        if value is not None:
            values[field] = value
    energies = _values(by_field.get(Field.ENERGY, ()))
    if len(set(energies)) > 1:
        numbers = {"least_mj": min(energies), "largest_mj": max(energies), "repeats": len(energies)}
        found.append(Irregularity(Kind.DIFFERS, where, uid, time_ms, numbers))
    holders = sorted({holder for line in held if (holder := holder_of(line.sample.labels)) is not None})
    minor = minor_of(board.lines[0].sample.labels)
    return Scrape(exposition, time_ms, where, host, uid, board.serial, board.model, values, minor, tuple(holders))


def _values(lines: Iterable[_Line]) -> list[int]:
    return [line.value for line in lines if line.value is not None]


def _of_parts(field: Field, lines: list[_Line], model: str) -> int | None:
    """What profiling says of a board: of the whole where that stands there, else of its instances by their share."""
    whole = [line for line in lines if not line.part]
    if whole:
        return max(_values(whole))
    if field in _WHOLE:
        return None
    instances: defaultdict[str, int] = defaultdict(int)
    profile: dict[str, str] = {}
    for line in lines:
        instances[line.part] = max(instances[line.part], line.value or 0)
        profile[line.part] = line.sample.labels.get("GPU_I_PROFILE", "")
    if field not in (Field.TENSOR, Field.SM):
        return sum(instances.values())
    total = 0
    for instance, value in instances.items():
        share = slices(profile[instance], model)
        if share is None:
            return None
        total += value * share[0] * PPM // share[1]
    return min(total // PPM, PPM)
