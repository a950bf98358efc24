"""Times and watts as text, to integers, exactly or not at all.

A time is Unix seconds or milliseconds, with or without a fraction, or ISO 8601 (RFC 3339 with a space allowed).
Seconds and milliseconds cannot be confused: a plain number is taken for whichever lies between the years 2000 and
2100, and refused when neither does. ISO 8601 without a zone needs `utc_offset`; there is no default, because a
wrong hour is found by nobody. Fractions below a millisecond are cut off.

    >>> parse_time("1745514105"), parse_time("1745514105000")
    (1745514105000, 1745514105000)
    >>> parse_time("2025-04-24T17:01:45+00:00"), parse_time("2025-04-24 19:01:45.250", 7200)
    (1745514105000, 1745514105250)

Power is rounded up to the next milliwatt, so that no reading is understated: by less than any meter resolves.

    >>> parse_power("683.800000"), parse_power("5.2831E3"), parse_power("0.0001")
    (683800, 5283100, 1)
"""

import re
from datetime import UTC, datetime, timedelta, timezone
from decimal import ROUND_CEILING, Decimal
from functools import lru_cache
from typing import Final

from attest.format.block import MAX_POWER

FIRST: Final = 946_684_800_000  # 2000-01-01, ms
LAST: Final = 4_102_444_800_000  # 2100-01-01, ms
MAX_UTC_OFFSET: Final = 15 * 3600  # s

_NUMBER: Final = re.compile(r"(\d{1,16})(?:\.(\d{1,9}))?", re.ASCII)
_ISO: Final = re.compile(
    r"(\d{4})-?(\d\d)-?(\d\d)[T ](\d\d)[:-]?(\d\d)[:-]?(\d\d)(?:[.,](\d{1,9}))?(Z|[+-]\d\d(?::?\d\d)?)?",
    re.ASCII,
)
_POWER: Final = re.compile(r"\+?\d{1,10}(?:\.\d{0,12})?(?:[eE][+-]?\d{1,2})?", re.ASCII)


class ZoneNeeded(ValueError):
    """A time without a zone, and nobody said which."""


def parse_time(text: str, utc_offset: int | None = None) -> int:
    """Unix milliseconds; `utc_offset` in seconds east of UTC is for text without a zone.

    Raises ValueError with the reason, and ZoneNeeded where a zone is missing.
    """
    if number := _NUMBER.fullmatch(text):
        whole, fraction = number.groups()
        value = int(whole)
        milliseconds = int((fraction or "").ljust(3, "0")[:3])
        if FIRST <= value * 1000 < LAST:
            return value * 1000 + milliseconds
        if FIRST <= value < LAST:
            return value
        raise ValueError(f"{text} is neither Unix seconds nor milliseconds of the years 2000 to 2099")
    iso = _ISO.fullmatch(text)
    if iso is None:
        raise ValueError(f"{text!r} is no time: neither a number nor ISO 8601")
    *fields, fraction, zone = iso.groups()
    year, month, day, hour, minute, second = map(int, fields)
    if zone is None and utc_offset is None:
        raise ZoneNeeded(f"{text!r} has no zone")
    at = datetime(year, month, day, hour, minute, second, tzinfo=_zone(zone, utc_offset))
    value = int(at.timestamp()) * 1000 + int((fraction or "").ljust(3, "0")[:3])
    if not FIRST <= value < LAST:
        raise ValueError(f"{text!r} is not of the years 2000 to 2099")
    return value


def parse_offset(text: str) -> int:
    """`+02:00`, `-08:00`, `Z` or `UTC` as seconds east of UTC. Raises ValueError.

    >>> parse_offset("-08:00"), parse_offset("Z")
    (-28800, 0)
    """
    if text in ("Z", "UTC"):
        return 0
    match = re.fullmatch(r"([+-])(\d\d):(\d\d)", text, re.ASCII)
    if match is None:
        raise ValueError(f"{text!r} is no offset from UTC like +02:00, -08:00 or Z")
    sign, hours, minutes = match.groups()
    seconds = int(hours) * 3600 + int(minutes) * 60
    if int(minutes) > 59 or seconds > MAX_UTC_OFFSET:
        raise ValueError(f"{text!r} is no offset that any zone has")
    return -seconds if sign == "-" else seconds


@lru_cache(maxsize=65_536)
def parse_power(text: str, milliwatts: int = 1000) -> int:
    """Milliwatts; `milliwatts` is the unit of the text, 1000 for watts. Raises ValueError with the reason."""
    if _POWER.fullmatch(text) is None:
        reason = "a negative power" if re.fullmatch(r"-[\d.]+", text) else "no power"
        raise ValueError(f"{text!r} is {reason}")
    value = int((Decimal(text) * milliwatts).to_integral_value(ROUND_CEILING))
    if value > MAX_POWER:
        raise ValueError(f"{text} is {value} mW, more than any one feed carries ({MAX_POWER} mW)")
    return value


def format_time(time_ms: int) -> str:
    """ISO 8601 in UTC, with milliseconds where there are any.

    >>> format_time(1_677_278_426_303), format_time(1_677_278_426_000)
    ('2023-02-24T22:40:26.303Z', '2023-02-24T22:40:26Z')
    """
    at = datetime.fromtimestamp(time_ms // 1000, UTC)
    rest = f".{time_ms % 1000:03}" if time_ms % 1000 else ""
    return f"{at:%Y-%m-%dT%H:%M:%S}{rest}Z"


def _zone(zone: str | None, utc_offset: int | None) -> timezone:
    if zone is None:
        return timezone(timedelta(seconds=utc_offset or 0))
    if zone == "Z":
        return UTC
    digits = zone[1:].replace(":", "").ljust(4, "0")
    delta = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-delta if zone[0] == "-" else delta)
