"""A live exporter behind real HTTP: what is wrong is refused with its cause, and the rest is taken."""

from collections.abc import Iterator

import pytest

from attest.collect.collector import MAX_REFUSALS, Collector, Sample
from attest.collect.dcgm_fields import Field
from attest.collect.devices import gather_series
from attest.collect.fetch import Fetcher
from attest.collect.irregular import Irregularity, Kind
from attest.collect.scraping import Exporter
from tests.collect.hostile import Chunks, reply, serve

pytest.importorskip("httpx")

T = 1_745_514_105_000
ENERGY = "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION"


def labels(uid: str = "GPU-1", more: str = "") -> str:
    return f'gpu="0",UUID="{uid}",hostname="n1",modelName="NVIDIA L4"{more}'


@pytest.fixture
def fetcher() -> Iterator[Fetcher]:
    with Fetcher(seconds=0.5, limit=1 << 20) as fetcher:
        yield fetcher


def collect(fetcher: Fetcher, chunks: Chunks, now_ms: int = T) -> Sample:
    with serve(lambda _: chunks) as url:
        collector: Collector = Exporter("dcgm", f"{url}/metrics", fetcher)
        return collector.collect(now_ms)


def page(*lines: str) -> Chunks:
    return reply("\n".join([*lines, ""]).encode())


def test_a_scrape_has_the_recorders_time(fetcher: Fetcher) -> None:
    sample = collect(fetcher, page("# HELP x", f"{ENERGY}{{{labels()}}} 5551899580"))
    (scrape,) = sample.scrapes
    assert (scrape.time_ms, scrape.exposition, scrape.host, scrape.uid) == (T, T, "n1", "GPU-1")
    assert scrape.values == {Field.ENERGY: 5_551_899_580}
    assert (sample.refusals, sample.irregularities, sample.empty) == ((), (), False)


def test_a_scrape_with_its_own_timestamps_keeps_them(fetcher: Fetcher) -> None:
    (scrape,) = collect(fetcher, page(f"{ENERGY}{{{labels()}}} 7 {T - 900}")).scrapes
    assert (scrape.time_ms, scrape.exposition) == (T - 900, T)


BAD = {
    "negative": (f"{ENERGY}{{{labels('GPU-2')}}} -7", "GPU-2", "import/value", "-7 is negative"),
    "joules that are no millijoules": (f"{ENERGY}{{{labels('GPU-2')}}} 1e18", "GPU-2", "import/value", "more than any"),
    "hertz that are no megahertz": (f"DCGM_FI_DEV_SM_CLOCK{{{labels('GPU-2')}}} 1980000000", "GPU-2", "import/value",
                                    "more than any device has"),
    "percent that are no ratio": (f"DCGM_FI_PROF_SM_ACTIVE{{{labels('GPU-2')}}} 57.3", "GPU-2", "import/value",
                                  "no ratio"),
    "no line": ("{{{", "", "import/line", "not a sample"),
    "no device": (f'{ENERGY}{{gpu="1"}} 7', "", "import/label", "without the UUID"),
    "a label twice": (f'{ENERGY}{{UUID="GPU-2",UUID="GPU-3"}} 7', "", "import/line", "stands twice"),
    "a line without an end": ("x" * 70_000, "", "import/line", "a line of more than 65536 bytes"),
    "no text": (f"{ENERGY}{{{labels('GPU-2')}}} \udcff", "", "import/line", ""),
}  # fmt: skip


@pytest.mark.parametrize(("line", "who", "code", "cause"), BAD.values(), ids=BAD.keys())
def test_a_bad_line_is_refused_and_the_rest_is_taken(
    fetcher: Fetcher, line: str, who: str, code: str, cause: str
) -> None:
    text = "\n".join([line, f"{ENERGY}{{{labels()}}} 7", ""]).encode("utf-8", "surrogateescape")
    sample = collect(fetcher, reply(text))
    assert [(s.uid, s.values) for s in sample.scrapes] == [("GPU-1", {Field.ENERGY: 7})]
    (refusal,) = sample.refusals
    assert (refusal.collector, refusal.who, refusal.code, refusal.time_ms) == ("dcgm", who, code, T)
    assert cause in refusal.cause


def test_of_a_series_that_stands_twice_neither_is_believed(fetcher: Fetcher) -> None:
    twice = [f"{ENERGY}{{{labels()}}} 7", f"{ENERGY}{{{labels()}}} 9", f"DCGM_FI_DEV_POWER_USAGE{{{labels()}}} 30"]
    sample = collect(fetcher, page(*twice, f"{ENERGY}{{{labels('GPU-2')}}} 7"))
    assert {s.uid: s.values for s in sample.scrapes} == {"GPU-1": {Field.POWER: 30_000}, "GPU-2": {Field.ENERGY: 7}}
    assert [(r.who, r.code) for r in sample.refusals] == [("GPU-1", "import/line")]


def test_a_value_that_is_no_number_is_no_value_and_recorded(fetcher: Fetcher) -> None:
    sample = collect(fetcher, page(f"{ENERGY}{{{labels()}}} NaN", f"{ENERGY}{{{labels('GPU-2')}}} 7"))
    assert {s.uid: s.values for s in sample.scrapes} == {"GPU-1": {}, "GPU-2": {Field.ENERGY: 7}}
    assert [(i.kind, i.who) for i in sample.irregularities] == [(Kind.BLANK, "GPU-1")]


def test_labels_that_change_leave_a_device_what_it_is(fetcher: Fetcher) -> None:
    variants = ["", ',pod="a",namespace="x"', ',pod="b",pci_bus_id="0000:37:00.0"', ',DCGM_FI_DRIVER_VERSION="590"']
    samples = [
        collect(fetcher, page(f"{ENERGY}{{{labels(more=more)}}} {7_000_000 * k}"), T + 60_000 * k)
        for k, more in enumerate(variants, 1)
    ]
    found: list[Irregularity] = []
    (host,) = gather_series((s for sample in samples for s in sample.scrapes), found).values()
    (device,) = host.devices.values()
    assert device.column(Field.ENERGY).tolist() == [7_000_000 * k for k in range(1, 5)]
    assert found == []


@pytest.mark.parametrize(
    ("chunks", "code"),
    [
        ([60.0], "collect/timeout"),
        (reply(b"<html>", "text/html"), "collect/type"),
        (reply(f"{ENERGY}{{{labels()}}} 7000".encode()), "collect/truncated"),  # of 70001234, say
        (reply(b"\n", length=400), "collect/truncated"),
        (reply(b"", status="503 Service Unavailable"), "collect/status"),
        (reply(b""), "collect/truncated"),
        (reply(b"go_goroutines 12\n"), "import/empty"),
        (page(f"{ENERGY}{{{labels()}}} 7 17", f"{ENERGY}{{{labels()}}} 7"), "import/time"),
    ],
)
def test_of_a_page_that_is_none_nothing_is_taken(fetcher: Fetcher, chunks: Chunks, code: str) -> None:
    sample = collect(fetcher, chunks)
    assert sample.empty
    assert [(r.who, r.code) for r in sample.refusals] == [("", code)]
    assert sample.refusals[0].where.endswith("/metrics")


def test_refusals_are_bounded_and_counted(fetcher: Fetcher) -> None:
    sample = collect(fetcher, page(*["{{{"] * 5_000, f"{ENERGY}{{{labels()}}} 7"))
    assert len(sample.scrapes) == 1
    assert len(sample.refusals) == MAX_REFUSALS + 1
    assert sample.refusals[-1].cause == f"and {5_000 - MAX_REFUSALS} more like these"


def test_an_exporter_that_comes_back_goes_on(fetcher: Fetcher) -> None:
    replies = iter([[60.0], reply(b"x", "text/html"), page(f"{ENERGY}{{{labels()}}} 7")])
    with serve(lambda _: next(replies)) as url:
        exporter = Exporter("dcgm", url, fetcher)
        taken = [len(exporter.collect(T + 1_000 * k).scrapes) for k in range(3)]
    assert taken == [0, 0, 1]
