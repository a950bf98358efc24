"""Prometheus's API: a server of ours that keeps samples and answers range selectors as versions 2 and 3 do.

What the real one (2.42) answers was looked at once: shapes, statuses and messages are its own.
"""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from attest.collect.collector import Collector
from attest.collect.dcgm import Scrape
from attest.collect.dcgm_fields import Field
from attest.collect.devices import gather_series
from attest.collect.fetch import Fetcher
from attest.collect.irregular import Irregularity, Kind
from attest.collect.prometheus import LAG, WINDOW, Prometheus, parse_reply, read_history, read_replies
from attest.errors import CollectError, ImportDataError
from tests.collect.hostile import Chunks, reply, serve

T = 1_745_514_000_000
ENERGY = "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION"
MAX_POINTS = 11_000  # of one series in one range query

Points = list[tuple[int, str]]
Series = list[tuple[dict[str, str], Points]]


def labels(uid: str, name: str = ENERGY, host: str = "n1", **more: str) -> dict[str, str]:
    return {"__name__": name, "UUID": uid, "Hostname": host, "modelName": "NVIDIA L4", "job": "dcgm", **more}


def body(series: Series, **more: Any) -> bytes:
    result = [{"metric": metric, "values": [[t / 1000, text] for t, text in points]} for metric, points in series]
    return json.dumps({"status": "success", "data": {"resultType": "matrix", "result": result}, **more}).encode()


def json_reply(data: bytes, status: str = "200 OK") -> Chunks:
    return reply(data, "application/json", status=status)


class Server:
    """Keeps series; `version` 3 leaves the beginning of a range out, 2 does not."""

    def __init__(self, series: Series, version: int = 3, most: int | None = None) -> None:
        self.series, self.version, self.most = series, version, most
        self.asked: list[tuple[int, int]] = []
        self.selectors: set[str] = set()

    def __call__(self, target: str) -> Chunks:
        assert urlsplit(target).path == "/api/v1/query"
        query = parse_qs(urlsplit(target).query)
        selector, length = re.fullmatch(r"(\{.*\})\[(\d+)ms\]", query["query"][0]).groups()  # type: ignore[union-attr]
        until = int(float(query["time"][0]) * 1000 + 0.5)
        start = until - int(length)
        names = re.search(r'__name__=~"([^"]+)"', selector)
        assert names is not None
        wanted = {k: re.escape(v) for k, v in re.findall(r'(\w+)="([^"]*)"', selector)}
        wanted |= {k: json.loads(f'"{v}"') for k, v in re.findall(r',(\w+)=~"([^"]*)"', selector)}
        self.asked.append((start, until))
        self.selectors.add(selector.split(",", 1)[1] if "," in selector else "")
        found: Series = []
        for metric, points in self.series:
            if re.fullmatch(names[1], metric["__name__"]) and all(
                re.fullmatch(v, metric.get(k, "")) for k, v in wanted.items()
            ):
                inside = [(t, v) for t, v in points if start < t <= until or (t == start and self.version == 2)]
                if inside:
                    found.append((metric, inside))
        if self.most is not None and sum(len(points) for _, points in found) > self.most:
            error = {
                "status": "error",
                "errorType": "execution",
                "error": "query processing would load too many samples",
            }
            return json_reply(json.dumps(error).encode(), "422 Unprocessable Entity")
        return json_reply(body(found))


def energies(uid: str, seconds: int, step: int = 15, **more: str) -> tuple[dict[str, str], Points]:
    return labels(uid, **more), [(T + 1000 * s, str(1_000_000 + 70_000 * s)) for s in range(0, seconds, step)]


@pytest.fixture
def fetcher() -> Iterator[Fetcher]:
    pytest.importorskip("httpx")
    with Fetcher(seconds=2, limit=1 << 22) as fetcher:
        yield fetcher


def ask(
    fetcher: Fetcher, answer: Callable[[str], Chunks], until: int, host: str | None = None
) -> tuple[list[Scrape], list[Irregularity]]:
    found: list[Irregularity] = []
    with serve(answer) as url:
        return list(read_history(fetcher, f"{url}/", host, T - 1, until, found)), found


@pytest.mark.parametrize("version", [2, 3])
def test_history_comes_once_whatever_edges_the_version_has(fetcher: Fetcher, version: int) -> None:
    server = Server([energies("GPU-1", 3 * 3600), energies("GPU-2", 3 * 3600)], version)
    server.series[0][1].append((T - 1 + WINDOW, "1"))  # on the very edge of a window
    server.series[0][1].sort()
    server.series[0][1][:] = [(t, str(1_000_000 + 70 * (t - T))) for t, _ in server.series[0][1]]
    scrapes, found = ask(fetcher, server, T + 3 * 3600_000)
    (host,) = gather_series(scrapes, found).values()
    stamps = {uid: device.time_ms.tolist() for uid, device in host.devices.items()}
    assert stamps["GPU-1"] == [t for t, _ in server.series[0][1]]
    assert stamps["GPU-2"] == [T + 15_000 * k for k in range(720)]
    assert [i.kind for i in found if i.kind is not Kind.MISSING] == []
    assert server.asked == [(T - 1 + k * WINDOW, min(T - 1 + (k + 1) * WINDOW, T + 3 * WINDOW)) for k in range(4)]


def test_no_query_asks_for_more_points_than_a_range_query_may_have(fetcher: Fetcher) -> None:
    server = Server([energies("GPU-1", 7200, step=1)])
    scrapes, _ = ask(fetcher, server, T + 7_200_000)
    assert len(scrapes) == 7_200
    assert max(until - start for start, until in server.asked) // 1000 <= MAX_POINTS


def test_a_range_that_is_too_much_for_the_server_is_halved(fetcher: Fetcher) -> None:
    server = Server([energies("GPU-1", 3600, step=1)], most=1_000)
    scrapes, _ = ask(fetcher, server, T + 3_600_000)
    assert [s.time_ms for s in scrapes] == [T + 1000 * k for k in range(3_600)]


def test_a_range_whose_reply_is_too_large_is_halved() -> None:
    pytest.importorskip("httpx")
    server = Server([energies("GPU-1", 3600, step=1)])
    with Fetcher(seconds=5, limit=40_000) as fetcher:
        scrapes, _ = ask(fetcher, server, T + 3_600_000)
    assert len(scrapes) == 3_600


def test_a_server_that_fails_at_a_minute_fails(fetcher: Fetcher) -> None:
    server = Server([energies("GPU-1", 3600, step=1)], most=10)
    with pytest.raises(CollectError, match="too many samples") as info:
        ask(fetcher, server, T + 3_600_000)
    assert info.value.code == "collect/busy"
    assert len(server.asked) < 10


def test_one_host_is_asked_for_under_both_of_its_labels(fetcher: Fetcher) -> None:
    new = labels("GPU-3")
    new["hostname"] = new.pop("Hostname")
    points = energies("GPU-1", 60)[1]
    server = Server([energies("GPU-1", 60), energies("GPU-2", 60, host="n2"), (new, points)])
    scrapes, _ = ask(fetcher, server, T + 60_000, host="n1")
    assert {s.uid for s in scrapes} == {"GPU-1", "GPU-3"}
    assert server.selectors == {'Hostname="n1"}', 'hostname="n1"}', 'accelerator_id=~"n1-[^-]*"}'}
    assert {s.uid for s in ask(fetcher, server, T + 60_000)[0]} == {"GPU-1", "GPU-2", "GPU-3"}


def test_a_tpu_is_found_by_its_host_which_stands_in_its_name_alone(fetcher: Fetcher) -> None:
    def chip(uid: str) -> tuple[dict[str, str], Points]:
        named = {"__name__": "duty_cycle_node", "accelerator_id": uid, "make": "cloud-tpu", "model": "tpu-v6e"}
        return named, [(T + 15_000 * k, "22") for k in range(4)]

    server = Server([chip("n.1-0"), chip("n.1-1"), chip("n.1-a-0"), chip("n21-0")])
    scrapes, _ = ask(fetcher, server, T + 60_000, host="n.1")
    assert {(s.host, s.uid) for s in scrapes} == {("n.1", "n.1-0"), ("n.1", "n.1-1")}


def test_a_vgpu_has_no_energy_and_is_not_lost(fetcher: Fetcher) -> None:
    series = [
        energies("GPU-1", 60),
        (labels("GPU-2", name="DCGM_FI_DEV_VGPU_LICENSE_STATUS"), [(T + 1000 * k, "1") for k in range(0, 60, 15)]),
    ]
    scrapes, found = ask(fetcher, Server(series), T + 60_000)
    (host,) = gather_series(scrapes, found).values()
    assert len(host.devices["GPU-2"].time_ms) == 4
    assert [(i.kind, i.who) for i in found] == [(Kind.PRESENCE, "GPU-2")]


def test_a_host_is_quoted_in_the_query(fetcher: Fetcher) -> None:
    asked = []

    def answer(target: str) -> Chunks:
        asked.append(parse_qs(urlsplit(target).query)["query"][0])
        return json_reply(body([energies("GPU-1", 60, host='n"1')] if len(asked) == 1 else []))

    scrapes, _ = ask(fetcher, answer, T + 60_000, host='n"1')
    assert len(scrapes) == 4
    assert asked[0].endswith('Hostname="n\\"1"}[60001ms]')


def test_a_counter_stays_exact() -> None:
    text = '{"status":"success","data":{"resultType":"matrix","result":[{"metric":' + json.dumps(labels("GPU-1"))
    text += ',"values":[[1745514105.781,"900719925474099"],[1745514120,"900719925474101"]]}]}}'
    scrapes = list(read_replies([("history.json", text.encode())], []))
    assert [(s.time_ms, s.values[Field.ENERGY]) for s in scrapes] == [
        (1_745_514_105_781, 900_719_925_474_099),
        (1_745_514_120_000, 900_719_925_474_101),
    ]


def test_labels_that_change_are_one_device() -> None:
    series = [
        (labels("GPU-1"), [(T, "1000000")]),
        (labels("GPU-1", pod="a", exported_namespace="x"), [(T + 15_000, "2000000")]),
        (labels("GPU-1", instance="n1:9400"), [(T + 30_000, "3000000")]),
    ]
    found: list[Irregularity] = []
    (host,) = gather_series(read_replies([("h", body(series))], found), found).values()
    assert host.devices["GPU-1"].column(Field.ENERGY).tolist() == [1_000_000, 2_000_000, 3_000_000]
    assert found == []


def test_nan_is_no_value() -> None:
    found: list[Irregularity] = []
    scrapes = list(read_replies([("h", body([(labels("GPU-1"), [(T, "NaN"), (T + 1, "7")])]))], found))
    assert [s.values for s in scrapes] == [{}, {Field.ENERGY: 7}]
    assert [i.kind for i in found] == [Kind.BLANK]


def test_what_a_range_query_repeats_is_stale() -> None:
    # Scraped at T and T + 60 s, then no more; /api/v1/query_range at steps of 15 s goes on for 5 minutes.
    values = [(T + 15_000 * k, "1000000" if k < 4 else "5200000") for k in range(24)]
    found: list[Irregularity] = []
    (host,) = gather_series(read_replies([("h", body([(labels("GPU-1"), values)]))], found), found).values()
    assert host.devices["GPU-1"].stale == ((T + 60_000, T + 345_000),)
    assert [i.kind for i in found] == [Kind.STALE]


def test_a_reply_that_says_that_it_is_partial_is_recorded() -> None:
    found: list[Irregularity] = []
    data = body([energies("GPU-1", 60)], warnings=["fetch from store 1: deadline exceeded"])
    assert len(list(read_replies([("h", data)], found))) == 4
    assert [(i.kind, i.who, i.numbers) for i in found] == [(Kind.PARTIAL, "h", {"warnings": 1})]


METRIC = json.dumps(labels("GPU-1"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "JSONDecodeError"),
        ("[" * 100_000, "RecursionError"),
        ("[]", "TypeError"),
        ('{"status":"error","error":"x"}', "status 'error'"),
        ('{"status":"success","data":{"resultType":"vector","result":[]}}', "ask with a range"),
        ('{"status":"success","data":{"resultType":"matrix","result":{}}}', "no device in them"),
        ('{"status":"success","data":{"resultType":"matrix","result":[7]}}', "TypeError"),
        ('{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1,"1"]]}]}}', "__name__"),
        ('{"status":"success","data":{"resultType":"matrix","result":[{"values":[[1,"1"]]}]}}', "metric"),
    ],
)
def test_what_is_no_reply(text: str, says: str) -> None:
    with pytest.raises(ImportDataError, match=re.escape(says)) as info:
        list(read_replies([("h.json", text.encode())], []))
    assert info.value.code == ("import/empty" if "no device" in says else "import/reply")


@pytest.mark.parametrize(
    "points",
    ["[1745514000]", '[1745514000,"1","2"]', "[1745514000,1]", '["1745514000","1"]', '[1745514000,"0x10"]',
     '[-1,"1"]', '[true,"1"]', '[1e99,"1"]', '[NaN,"1"]', '"ab"', "null"],
)  # fmt: skip
def test_a_point_that_is_none_is_refused_and_live_the_rest_is_taken(points: str) -> None:
    text = (
        f'{{"status":"success","data":{{"resultType":"matrix","result":[{{"metric":{METRIC},'
        f'"values":[{points},[1745514015,"7"]]}}]}}}}'
    )
    with pytest.raises(ImportDataError) as info:
        parse_reply(text.encode(), "h")
    assert info.value.code == "import/line"
    refused: list[ImportDataError] = []
    got = parse_reply(text.encode(), "h", lambda error, _: refused.append(error))
    assert ([s.value for _, s in got.samples], len(refused)) == (["7"], 1)


def test_a_series_that_stands_twice_is_not_believed() -> None:
    data = body([energies("GPU-1", 60), energies("GPU-1", 60), energies("GPU-2", 60)])
    refused: list[ImportDataError] = []
    got = parse_reply(data, "h", lambda error, _: refused.append(error))
    assert {s.labels["UUID"] for _, s in got.samples} == {"GPU-2"}
    assert [error.code for error in refused] == ["import/line"] * 2


@pytest.mark.parametrize(
    ("chunks", "code", "says"),
    [
        (json_reply(b'{"status":"error","errorType":"bad_data","error":"parse error"}', "400 Bad Request"),
         "collect/status", "bad_data: parse error"),
        (json_reply(b"not json", "400 Bad Request"), "collect/status", "without a reason"),
        (json_reply(b"{}", "500 Internal Server Error"), "collect/status", "status 500"),
        (reply(b"<html>", "text/html"), "collect/type", "text/html"),
    ],
)  # fmt: skip
def test_what_the_server_refuses_is_an_error_with_its_words(
    fetcher: Fetcher, chunks: Chunks, code: str, says: str
) -> None:
    with pytest.raises(CollectError, match=says) as info:
        ask(fetcher, lambda _: chunks, T + 60_000)
    assert info.value.code == code


def test_the_collector_takes_each_sample_once_and_what_it_missed_later(fetcher: Fetcher) -> None:
    server = Server([energies("GPU-1", 600), energies("GPU-2", 600)])
    down = False

    def answer(target: str) -> Chunks:
        return json_reply(b"{}", "503 Service Unavailable") if down else server(target)

    taken: list[Scrape] = []
    with serve(answer) as url:
        collector: Collector = Prometheus("history", url, fetcher)
        for minute in range(1, 9):
            down = minute in (4, 5)
            sample = collector.collect(T + 60_000 * minute)
            assert [r.code for r in sample.refusals] == (["collect/busy"] if down else [])
            assert sample.empty == down
            taken += sample.scrapes
    first, last = T + 60_000 - 2 * LAG, T + 8 * 60_000 - LAG
    expected = [T + 15_000 * k for k in range(40) if first < T + 15_000 * k <= last]
    for uid in ("GPU-1", "GPU-2"):
        assert [s.time_ms for s in taken if s.uid == uid] == expected
    assert all(s.exposition == s.time_ms for s in taken)


def test_the_collector_passes_a_warning_on(fetcher: Fetcher) -> None:
    data = body([energies("GPU-1", 60)], warnings=["a store is gone"])
    with serve(lambda _: json_reply(data)) as url:
        sample = Prometheus("history", url, fetcher).collect(T + 60_000)
    assert [(r.code, r.cause) for r in sample.refusals] == [("collect/partial", "a store is gone")]
    assert not sample.empty


def test_nothing_new_is_no_error(fetcher: Fetcher) -> None:
    with serve(Server([])) as url:
        sample = Prometheus("history", url, fetcher).collect(T)
    assert (sample.empty, sample.refusals) == (True, ())
