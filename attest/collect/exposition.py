r"""The Prometheus text exposition format, version 0.0.4: one line to one sample, strict, bounded, total.

    name{label="value",...} value [timestamp in ms]

Comments (`#`) and empty lines are nothing. Label values know the escapes \\, \" and \n; a comma may stand after the
last label. Values are kept as text: a counter of millijoules does not pass through a float. OpenMetrics, whose
timestamps are seconds with a fraction, is refused at the first of these rather than read a thousand times too early.
Specification: prometheus.io, "Exposition formats", section "Text-based format".

    >>> parse_sample('DCGM_FI_DEV_SM_CLOCK{gpu="0",Hostname="n1",} 1.98e+03 1745514105000')
    Sample(name='DCGM_FI_DEV_SM_CLOCK', labels={'gpu': '0', 'Hostname': 'n1'}, value='1.98e+03', time_ms=1745514105000)
    >>> parse_sample("# TYPE DCGM_FI_DEV_SM_CLOCK gauge") is None
    True
"""

import re
from typing import Final, NamedTuple

MAX_LABELS: Final = 64

_SAMPLE: Final = re.compile(
    r"([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(?:\{([^}\"]*(?:\"(?:[^\"\\]|\\.)*\"[^}\"]*)*)\})?\s+(\S+)(?:\s+(\S+))?\s*", re.ASCII
)
_LABEL: Final = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\\n]|\\[\\"n])*)"\s*(,|$)', re.ASCII)
_VALUE: Final = re.compile(
    r"[+-]?(?:\d{1,20}(?:\.\d{0,20})?|\.\d{1,20})(?:[eE][+-]?\d{1,3})?|[+-]?Inf|NaN", re.ASCII | re.IGNORECASE
)
_ESCAPE: Final = re.compile(r"\\(.)")
_ESCAPES: Final = {"\\": "\\", '"': '"', "n": "\n"}


class Sample(NamedTuple):
    """One line; `time_ms` is None where the line has no timestamp."""

    name: str
    labels: dict[str, str]
    value: str
    time_ms: int | None


def parse_sample(line: str) -> Sample | None:
    """The sample in a line, None if it holds none. Raises ValueError with the reason."""
    if not line.strip() or line.lstrip().startswith("#"):
        return None
    match = _SAMPLE.fullmatch(line.strip())
    if match is None:
        raise ValueError("not a sample: name{labels} value [timestamp]")
    name, labels, value, stamp = match.groups()
    if not is_value(value):
        raise ValueError(f"{value[:40]!r} is no value")
    if stamp is not None and re.fullmatch(r"\d{1,16}", stamp, re.ASCII) is None:
        raise ValueError(f"{stamp[:40]!r} is no timestamp in milliseconds")
    return Sample(name, _labels(labels or ""), value, None if stamp is None else int(stamp))


def is_value(text: str) -> bool:
    """Whether it is a number as Prometheus writes them.

    >>> is_value("1.98e+03"), is_value("NaN"), is_value("0x10")
    (True, True, False)
    """
    return _VALUE.fullmatch(text) is not None


def _labels(text: str) -> dict[str, str]:
    labels: dict[str, str] = {}
    place = 0
    while place < len(text):
        match = _LABEL.match(text, place)
        if match is None:
            raise ValueError(f"label {len(labels) + 1} is malformed")
        name, value, _ = match.groups()
        if name in labels:
            raise ValueError(f"label {name} stands twice")
        if len(labels) == MAX_LABELS:
            raise ValueError(f"more than {MAX_LABELS} labels")
        labels[name] = _ESCAPE.sub(lambda m: _ESCAPES[m[1]], value) if "\\" in value else value
        place = match.end()
    return labels
