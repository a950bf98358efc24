"""Exporters that are scraped live: dcgm-exporter, AMD's device-metrics-exporter, the TPU device plugin.

Their text goes through the same parser as files do. A value that is negative, of another unit or no number, a line
that is none and a series that stands there twice are refused one by one, and the rest is taken; a reply that does not
end with a line feed, as the format demands, was cut off, and none of it is taken. The time of a scrape is the
recorder's, unless the exporter states its own.

    collector = Exporter("dcgm", "http://127.0.0.1:9400/metrics", Fetcher())
    sample = collector.collect(now_ms)
"""

from collections.abc import Callable, Iterator

from attest.collect.collector import Refusals, Sample
from attest.collect.dcgm import read_expositions
from attest.collect.fetch import TEXT, Fetcher, endpoint_of
from attest.collect.files import MAX_LINE
from attest.collect.irregular import Irregularity
from attest.collect.times import Times
from attest.errors import CollectError, ImportDataError


class Exporter:
    """A Collector of one exporter's page of metrics."""

    def __init__(self, name: str, url: str, fetcher: Fetcher) -> None:
        self.name = name
        self.url, self.endpoint = url, endpoint_of(url)
        self._fetcher = fetcher

    def collect(self, now_ms: int) -> Sample:
        """One scrape."""
        refusals = Refusals(self.name, self.endpoint, now_ms)
        found: list[Irregularity] = []
        scrapes = []
        try:
            body = self._fetcher.get(self.url, TEXT).body
            if body[-1:] != b"\n":
                raise CollectError("collect/truncated", "no line feed at its end", endpoint=self.endpoint)
            files = [(self.endpoint, _lines(body, self.endpoint, refusals.add))]
            scrapes = list(read_expositions(files, Times(now_ms, default=True), found, refusals.add))
        except (CollectError, ImportDataError) as error:
            refusals.add(error)
        taken = tuple(scrape._replace(exposition=now_ms) for scrape in scrapes)
        return Sample(taken, (), refusals.all(), tuple(found))


def _lines(body: bytes, endpoint: str, wrong: Callable[[ImportDataError, str], None]) -> Iterator[bytes]:
    for number, line in enumerate(body.split(b"\n"), 1):
        if len(line) > MAX_LINE:
            wrong(ImportDataError("import/line", f"{endpoint}:{number}: a line of more than {MAX_LINE} bytes"), "")
            yield b""
        else:
            yield line
