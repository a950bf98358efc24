"""What the vendors' own tools print, one file an asking: `nvidia-smi -q -x` (XML) and `rocm-smi --json`.

nvidia-smi tells power and clock and no energy: its devices are present, and no more. Its time stands in the file,
without a zone. rocm-smi's is that of `attest.collect.times`; where it was asked for them it tells the energy counter
(uJ) and the activity. A card is its unique id, else its serial, else the place on its bus: `N/A` and `0` are nobody's
serial. `N/A` is no value; what else is no number of its unit, ends the import. A device that nvidia-smi counts and does
not describe is recorded as missing.

    >>> log = b"<nvidia_smi_log><timestamp>Fri Aug  4 11:44:30 2023</timestamp><attached_gpus>1</attached_gpus>" + (
    ...     b"<gpu><uuid>GPU-5135</uuid><clocks><sm_clock>1275 MHz</sm_clock></clocks></gpu></nvidia_smi_log>")
    >>> (scrape,) = read_smi([("smi.xml", log)], "n1", Times(utc_offset=0), [])
    >>> scrape.time_ms, scrape.uid, scrape.values
    (1691149470000, 'GPU-5135', {<Field.CLOCK: 'clock'>: 1275})
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final
from xml.etree.ElementTree import Element, ParseError, fromstring

from attest.collect.dcgm import Scrape
from attest.collect.dcgm_fields import Field, convert
from attest.collect.irregular import Irregularity, Kind, refuse
from attest.collect.stamps import ZoneNeeded, parse_time
from attest.collect.times import Times, time_of
from attest.format.fields import MAX_TEXT

MAX_DEVICES: Final = 1_024  # of one host

_ABSENT: Final = frozenset({"", "N/A", "0", "None", "[N/A]", "Unknown"})
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_CTIME: Final = re.compile(r"\w{3} (\w{3}) +(\d{1,2}) (\d\d:\d\d:\d\d) (\d{4})", re.ASCII)
_NUMBER: Final = re.compile(r"\(?([+-]?\d{1,20}(?:\.\d{0,20})?) ?(W|MHz|Mhz)?\)?", re.ASCII)

# Where a value stands, first come first taken, and the factor to the unit it is kept in.
_NVIDIA: Final = (
    (Field.POWER, Decimal(1000), "gpu_power_readings/power_draw"),
    (Field.POWER, Decimal(1000), "gpu_power_readings/average_power_draw"),
    (Field.POWER, Decimal(1000), "power_readings/power_draw"),
    (Field.CLOCK, Decimal(1), "clocks/sm_clock"),
)
_ROCM: Final = (
    (Field.ENERGY, Decimal("1e-3"), "Accumulated Energy (uJ)"),
    (Field.POWER, Decimal(1000), "Average Graphics Package Power (W)"),
    (Field.POWER, Decimal(1000), "Current Socket Graphics Package Power (W)"),
    (Field.CLOCK, Decimal(1), "sclk clock speed:"),
    (Field.SM, Decimal(10_000), "GPU use (%)"),
)


def read_smi(
    files: Iterable[tuple[str, bytes]], host: str, times: Times, found: list[Irregularity]
) -> Iterator[Scrape]:
    """The scrapes of one host in files, each (name, body), in the order they were recorded in.

    Irregularities are added to `found`. Raises ImportDataError `import/smi`, `import/label`, `import/value`,
    `import/time`, `import/zone`, `import/bounds`, `import/empty`.
    """
    count = 0
    for number, (name, body) in enumerate(files):
        xml = body.lstrip()[:1] == b"<"
        time_ms, cards = _nvidia(name, body, host, times, found) if xml else _rocm(name, body, number, times)
        if len(cards) > MAX_DEVICES:
            refuse("import/bounds", name, f"more than {MAX_DEVICES} devices")
        for uid, serial, model, values in cards:
            if not 0 < len(uid) <= MAX_TEXT or not uid.isprintable():
                refuse("import/label", name, f"{uid[:40]!r} is no name of a device")
            yield Scrape(number, time_ms, name, host, uid, serial, model, values)
            count += 1
    if not count:
        refuse("import/empty", "the files given", "no device in them")


_Cards = list[tuple[str, str, str, dict[Field, int]]]


def _nvidia(name: str, body: bytes, host: str, times: Times, found: list[Irregularity]) -> tuple[int, _Cards]:
    if b"<!ENTITY" in body:
        refuse("import/smi", name, "an XML with entities of its own, which nvidia-smi never writes")
    try:
        log = fromstring(body)
    except (ParseError, ValueError) as error:
        refuse("import/smi", name, f"no XML: {error}")
    if log.tag != "nvidia_smi_log":
        refuse("import/smi", name, f"<{log.tag[:40]}> is not what nvidia-smi -q -x writes")
    time_ms = _ctime(name, _text(log, "timestamp"), times)
    gpus = log.findall("gpu")
    attached = _text(log, "attached_gpus")
    if attached.isdecimal() and int(attached) != len(gpus):
        numbers = {"attached": int(attached), "described": len(gpus)}
        found.append(Irregularity(Kind.MISSING, name, host, time_ms, numbers))
    cards = []
    for gpu in gpus:
        values = {path: _text(gpu, path) for _, _, path in _NVIDIA}
        serial = _text(gpu, "serial")
        uid, model = _text(gpu, "uuid"), _text(gpu, "product_name")
        cards.append((uid, "" if serial in _ABSENT else serial, model, _values(name, uid, _NVIDIA, values)))
    return time_ms, cards


def _text(element: Element, path: str) -> str:
    return (element.findtext(path) or "").strip()


def _ctime(name: str, text: str, times: Times) -> int:
    match = _CTIME.fullmatch(text)
    if match is None or match[1] not in _MONTHS:
        refuse("import/time", name, f"{text[:40]!r} is not a time as in Fri Aug  4 11:44:30 2023")
    month, day, clock, year = match.groups()
    try:
        return parse_time(f"{year}-{_MONTHS.index(month) + 1:02}-{int(day):02}T{clock}", times.utc_offset)
    except ZoneNeeded as error:
        refuse("import/zone", name, str(error), "say which zone the host was in, as --utc-offset +00:00")
    except ValueError as error:
        refuse("import/time", name, str(error))


def _rocm(name: str, body: bytes, number: int, times: Times) -> tuple[int, _Cards]:
    try:
        value = json.loads(body)
        cards = {key: card for key, card in value.items() if key.startswith("card")}
        if not all(isinstance(text, str) for card in cards.values() for text in card.values()):
            raise ValueError("a value that is no text")
    except (ValueError, AttributeError, RecursionError) as error:
        refuse("import/smi", name, f"not what rocm-smi --json writes: {type(error).__name__} {error}")
    if not cards:
        refuse("import/smi", name, "not what rocm-smi --json writes: no card in it")
    found: _Cards = []
    for card in cards.values():
        known = {key: text for key, text in card.items() if text not in _ABSENT}
        serial = known.get("Serial Number", "")
        bus = known.get("PCI Bus", "")
        uid = known.get("Unique ID") or serial or (f"PCI-{bus}" if bus else "")
        model = known.get("Card series", known.get("Card Series", ""))
        found.append((uid, serial, model, _values(name, uid, _ROCM, card)))
    uids = [uid for uid, *_ in found]
    if len(set(uids)) < len(uids):
        refuse("import/label", name, "two cards of one name")
    return time_of(name, number, times), found


def _values(
    name: str, uid: str, wanted: tuple[tuple[Field, Decimal, str], ...], given: Mapping[str, Any]
) -> dict[Field, int]:
    values: dict[Field, int] = {}
    for field, factor, key in wanted:
        text = given.get(key, "")
        if field in values or text in _ABSENT - {"0"}:
            continue
        match = _NUMBER.fullmatch(text)
        try:
            if match is None:
                raise ValueError(f"{text[:40]!r} is no value")
            value = convert(match[1], field, factor)
        except ValueError as error:
            refuse("import/value", name, f"{key} of {uid}: {error}")
        if value is not None:
            values[field] = value
    return values
