"""Prometheus's HTTP API: what it answered, read as strictly as an exposition, and how it is asked for history.

Asked is `/api/v1/query` with a range selector, `{__name__=~"..."}[1h]`, and not `/api/v1/query_range`. The first gives
the samples as they were scraped, with their own stamps. The second evaluates at steps and repeats at each the last
value of up to 5 minutes before, so that a dead exporter looks alive and a counter is read at another moment than the
stamp says; and it takes at most 11,000 steps. A range is asked for an hour at a time, 3,600 points of a series that is
scraped every second; an hour that is too much for the server (422, 503), for the time limit or for the size of one
reply is halved, down to a minute. Windows are (from, until], whatever edges the server's version includes.

A reply read from a file may be of either kind. What a range query repeated stands still, and is found to be stale.

    >>> body = b'''{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"__name__":"a","UUID":"G"},
    ... "values":[[1745514105.781,"5551899580"]]}]}}'''
    >>> reply = parse_reply(body, "prometheus")
    >>> reply.samples
    [(1, Sample(name='a', labels={'UUID': 'G'}, value='5551899580', time_ms=1745514105781))]
"""

import json
import re
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any, Final, NamedTuple

from attest.collect.collector import Refusals
from attest.collect.collector import Sample as Taken
from attest.collect.dcgm import Scrape, Wrong, read_samples, stop
from attest.collect.exporters import AMD, DCGM, TPU
from attest.collect.exposition import MAX_LABELS, Sample, is_value
from attest.collect.fetch import JSON, MAX_QUOTED, Fetcher, endpoint_of
from attest.collect.irregular import Irregularity, Kind
from attest.collect.times import Times
from attest.errors import CollectError, ImportDataError

WINDOW: Final = 3_600_000  # ms asked for at once
LEAST_WINDOW: Final = 60_000  # ms; no server fails at so little because of its size
MAX_REPLY: Final = 16 << 20  # bytes; as objects they take ten times as much
MAX_SECONDS: Final = 130.0  # of one reply; the server's own limit is 2 minutes
MAX_WARNINGS: Final = 10
LAG: Final = 15_000  # ms; longer than the longest scrape

_STATUSES: Final = frozenset({200, 400, 422, 503})  # those with a JSON that says why
_TOO_MUCH: Final = frozenset({"collect/size", "collect/timeout", "collect/busy"})
# What a vGPU has, which is present and no more.
_PRESENCE: Final = ("DCGM_FI_DEV_FB_USED", "DCGM_FI_DEV_VGPU_LICENSE_STATUS")
_NAMES: Final = "|".join([*DCGM.metrics, *_PRESENCE, *AMD.metrics, *TPU.metrics])


class PrometheusReply(NamedTuple):
    """The samples with their numbers in the reply, and what the server itself says may be wrong with them."""

    samples: list[tuple[int, Sample]]
    warnings: tuple[str, ...]


def parse_reply(body: bytes, endpoint: str, wrong: Wrong = stop) -> PrometheusReply:
    """A successful reply with a matrix. Raises ImportDataError `import/reply`; a single sample or series that is none
    goes to `wrong` (`import/line`)."""
    try:
        value = json.loads(body, parse_float=Decimal)
        if value["status"] != "success":
            raise ValueError(f"status {value['status']!r}")
        if value["data"]["resultType"] != "matrix":
            raise ValueError(f"a {value['data']['resultType']!r} and no matrix: ask with a range, as in metric[1h]")
        warnings = tuple(str(warning)[:MAX_QUOTED] for warning in value.get("warnings", ()))[:MAX_WARNINGS]
        series = list(_series(value["data"]["result"], endpoint, wrong))
    except (ValueError, ArithmeticError, KeyError, TypeError, AttributeError, RecursionError) as error:
        detail = f"{endpoint}: no reply of Prometheus: {type(error).__name__} {str(error)[:MAX_QUOTED]}"
        raise ImportDataError("import/reply", detail) from error
    return PrometheusReply([(number, sample) for number, sample in enumerate(series, 1)], warnings)


def _series(result: list[Any], endpoint: str, wrong: Wrong) -> Iterator[Sample]:
    seen = [tuple(sorted(series["metric"].items())) for series in result]
    twice = {key for key in seen if seen.count(key) > 1} if len(set(seen)) < len(seen) else set()
    for key, series in zip(seen, result, strict=True):
        labels = dict(series["metric"])
        name = labels.pop("__name__")
        place = f"{endpoint}: {name}"
        if key in twice:
            wrong(ImportDataError("import/line", f"{place} of the same labels stands twice"), "")
            continue
        if len(labels) > MAX_LABELS or not all(isinstance(text, str) for text in (name, *labels.values())):
            wrong(ImportDataError("import/line", f"{place} has labels that are none"), "")
            continue
        for point in series.get("values", ()):
            sample = _sample(name, labels, point)
            if sample is None:
                wrong(ImportDataError("import/line", f"{place}: {str(point)[:MAX_QUOTED]} is no stamp and value"), "")
            else:
                yield sample


def _sample(name: str, labels: dict[str, str], point: Any) -> Sample | None:
    match point:
        case [int() | Decimal() as stamp, str() as text] if (
            is_value(text) and not isinstance(stamp, bool) and 0 <= stamp < 1 << 40
        ):
            return Sample(name, labels, text, int(stamp * 1000))
    return None


def history(
    fetcher: Fetcher, url: str, host: str | None, start_ms: int, end_ms: int, wrong: Wrong = stop
) -> Iterator[PrometheusReply]:
    """The replies for (start, end], in order; of one host, if it is named. Raises CollectError, ImportDataError."""
    window = WINDOW
    while start_ms < end_ms:
        until = min(start_ms + window, end_ms)
        try:
            replies = [_ask(fetcher, url, selector, start_ms, until, wrong) for selector in _selectors(host)]
        except CollectError as error:
            if error.code not in _TOO_MUCH or until - start_ms <= LEAST_WINDOW:
                raise
            window = max((until - start_ms) // 2, LEAST_WINDOW)
            continue
        yield PrometheusReply(
            [pair for reply in replies for pair in reply.samples],
            tuple(dict.fromkeys(warning for reply in replies for warning in reply.warnings)),
        )
        start_ms = until


def read_replies(files: Iterable[tuple[str, bytes]], found: list[Irregularity]) -> Iterator[Scrape]:
    """The scrapes in replies that were kept, each (name, body). Raises ImportDataError."""
    replies = ((name, parse_reply(body, name)) for name, body in files)
    return read_samples(_noted(replies, found), Times(), found)


def read_history(
    fetcher: Fetcher, url: str, host: str | None, start_ms: int, end_ms: int, found: list[Irregularity]
) -> Iterator[Scrape]:
    """The scrapes that Prometheus has of (start, end]. Raises CollectError, ImportDataError."""
    endpoint = endpoint_of(url)
    replies = ((endpoint, reply) for reply in history(fetcher, url, host, start_ms, end_ms))
    return read_samples(_noted(replies, found), Times(), found)


def _noted(
    replies: Iterable[tuple[str, PrometheusReply]], found: list[Irregularity]
) -> Iterator[tuple[str, list[tuple[int, Sample]]]]:
    for name, (samples, warnings) in replies:
        if warnings:
            first = min((sample.time_ms or 0 for _, sample in samples), default=0)
            found.append(Irregularity(Kind.PARTIAL, "", name, first, {"warnings": len(warnings)}))
        yield name, samples


class Prometheus:
    """A Collector of what Prometheus scraped since it was last asked, at most a window at a time, until LAG ago: a
    scrape has the stamp of its beginning, and is there only when it has ended."""

    def __init__(self, name: str, url: str, fetcher: Fetcher, *, host: str | None = None) -> None:
        self.name, self.host = name, host
        self._url, self._fetcher = url, fetcher
        self._until: int | None = None

    def collect(self, now_ms: int) -> Taken:
        """What is new. What could not be had is asked for again next time."""
        self._fetcher.begin()
        endpoint = endpoint_of(self._url)
        refusals = Refusals(self.name, endpoint, now_ms)
        found: list[Irregularity] = []
        end = now_ms - LAG
        start = end - LAG if self._until is None else self._until
        end = min(end, start + WINDOW)
        scrapes: list[Scrape] = []
        try:
            for reply in history(self._fetcher, self._url, self.host, start, end, refusals.add):
                for warning in reply.warnings:
                    refusals.add(CollectError("collect/partial", warning, endpoint=endpoint))
                if reply.samples:
                    scrapes += read_samples([(endpoint, reply.samples)], Times(), found, refusals.add)
            self._until = max(start, end)
        except (CollectError, ImportDataError) as error:
            refusals.add(error)
        taken = tuple(scrape._replace(exposition=scrape.time_ms) for scrape in scrapes)
        return Taken(taken, (), refusals.all(), tuple(found))


def _selectors(host: str | None) -> list[str]:
    names = f'__name__=~"{_NAMES}"'
    if host is None:
        return [f"{{{names}}}"]
    quoted = json.dumps(host, ensure_ascii=False)
    chips = json.dumps(re.escape(host) + "-[^-]*", ensure_ascii=False)  # a TPU's host stands in its name alone
    which = (f"Hostname={quoted}", f"hostname={quoted}", f"accelerator_id=~{chips}")
    return [f"{{{names},{label}}}" for label in which]


def _ask(fetcher: Fetcher, url: str, selector: str, start_ms: int, end_ms: int, wrong: Wrong) -> PrometheusReply:
    api = f"{url.rstrip('/')}/api/v1/query"
    endpoint = endpoint_of(api)
    params = {"query": f"{selector}[{end_ms - start_ms}ms]", "time": f"{end_ms // 1000}.{end_ms % 1000:03}"}
    got = fetcher.get(api, JSON, statuses=_STATUSES, params=params)
    if got.status != 200:
        _refused(got.body, got.status, endpoint)
    reply = parse_reply(got.body, endpoint, wrong)
    inside = [(number, s) for number, s in reply.samples if start_ms < (s.time_ms or 0) <= end_ms]
    return reply._replace(samples=inside)


def _refused(body: bytes, status: int, endpoint: str) -> None:
    try:
        value = json.loads(body)
        reason = f"{value['errorType']}: {value['error']}"[:MAX_QUOTED]
    except (ValueError, KeyError, TypeError, RecursionError):
        reason = "without a reason"
    code = "collect/status" if status == 400 else "collect/busy"
    raise CollectError(code, f"status {status}, {reason}", endpoint=endpoint)
