"""A live dcgm-exporter: one scrape of its /metrics, read as its files are (attest.collect.dcgm)."""

from attest.collect.collector import Refusal, Sample
from attest.collect.dcgm import Times, read_expositions
from attest.collect.fetch import TEXT, Fetcher
from attest.collect.irregular import Irregularity
from attest.errors import CollectError, ImportDataError


class DcgmExporter:
    """Asks one exporter. What it says has the recorder's time, unless it carries times of its own."""

    def __init__(self, name: str, url: str, seconds: float, ca: str | None = None) -> None:
        self.name, self._url = name, url
        self._fetcher = Fetcher(seconds=seconds, ca=ca)

    def collect(self, now_ms: int) -> Sample:
        """Ask once; what cannot be had or believed is a refusal."""
        found: list[Irregularity] = []
        try:
            reply = self._fetcher.get(self._url, TEXT)
            lines = reply.body.splitlines(keepends=True)
            scrapes = tuple(read_expositions([(self.name, lines)], Times(start_ms=now_ms), found))
        except (CollectError, ImportDataError) as error:
            return Sample(refusals=(Refusal(self.name, self._url, "", now_ms, error.code, error.detail),))
        return Sample(scrapes=scrapes, irregularities=tuple(found))
