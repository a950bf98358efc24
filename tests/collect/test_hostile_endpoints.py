"""Every collector against each thing that an endpoint can do to it, over real HTTP: what was refused is on record, what
stands beside it is taken, and the next asking goes on as if nothing had been."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import pytest

from attest.collect.collector import MAX_CAUSE, Collector, Reading, Sample
from attest.collect.dcgm_fields import Field
from attest.collect.devices import gather_series
from attest.collect.fetch import Fetcher
from attest.collect.irregular import Irregularity
from attest.collect.prometheus import LAG, Prometheus
from attest.collect.readings import gather_readings
from attest.collect.redfish_live import Redfish
from attest.collect.scraping import Exporter
from attest.format.vocabulary import Quantity
from attest.record.asking import Asking
from tests.collect.hostile import Chunks, reply, serve

pytest.importorskip("httpx")

T = 1_745_514_060_000
SECONDS, LIMIT = 0.5, 1 << 18
JSON, TEXT = "application/json", "text/plain; version=0.0.4"

Series = tuple[str, str]  # device, value as it stands in the reply


class Kind(NamedTuple):
    """A kind of collector: how it is made, its content type, a reply that says these values of these devices with more
    labels (Redfish: more keys), and what of a sample belongs to a device."""

    make: Callable[[str, Fetcher], Collector]
    type: str
    page: Callable[[Sequence[Series], str], bytes]
    taken: Callable[[Sample], dict[str, int]]
    path: str = ""


def _energies(sample: Sample) -> dict[str, int]:
    fields = (Field.ENERGY, Field.TENSOR)
    return {s.uid: value for s in sample.scrapes for field, value in s.values.items() if field in fields}


def _exposed(line: str) -> Callable[[Sequence[Series], str], bytes]:
    return lambda series, more: "".join(f"{line.format(uid, more)} {value}\n" for uid, value in series).encode()


def _matrix(series: Sequence[Series], more: str) -> bytes:
    result = [
        {
            "metric": {"__name__": ENERGY, "UUID": uid, "Hostname": "n1", **dict(_pairs(more))},
            "values": [[STAMP, value]],
        }
        for uid, value in series
    ]
    return json.dumps({"status": "success", "data": {"resultType": "matrix", "result": result}}).encode()


def _pairs(more: str) -> Iterator[tuple[str, str]]:
    for each in filter(None, more.split(",")):
        name, _, value = each.partition("=")
        yield name, value.strip('"')


def _control(series: Sequence[Series], more: str) -> bytes:
    """Power of a chassis, whose members are told apart by their order; a device is the number of its member."""
    members = ", ".join(f'{{"PowerConsumedWatts": {value}{", " + more if more else ""}}}' for _, value in series)
    head = '"@odata.type": "#Power.v1_5_0.Power", "@odata.id": "/redfish/v1/P"'
    return f'{{{head}, "PowerControl": [{members}]}}'.encode()


def _watts(sample: Sample) -> dict[str, int]:
    return {reading.node.removeprefix("P#"): reading.value for reading in sample.readings}


STAMP = 1_745_500_000.5  # in the place of a moment of the range that is asked for
ENERGY = "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION"
KINDS = {
    "dcgm": Kind(
        lambda url, fetcher: Exporter("c", url, fetcher), TEXT,
        _exposed(f'{ENERGY}{{{{UUID="{{}}",Hostname="n1"{{}}}}}}'), _energies,
    ),
    "amd": Kind(
        lambda url, fetcher: Exporter("c", url, fetcher), TEXT,
        _exposed('gpu_energy_consumed{{serial_number="{}",hostname="n1"{}}}'), _energies,
    ),
    "tpu": Kind(
        lambda url, fetcher: Exporter("c", url, fetcher), TEXT,
        _exposed('tensorcore_utilization_node{{accelerator_id="{}",make="cloud-tpu"{}}}'), _energies,
    ),
    "prometheus": Kind(lambda url, fetcher: Prometheus("c", url, fetcher), JSON, _matrix, _energies),
    "redfish": Kind(lambda url, fetcher: Redfish("c", url, fetcher), JSON, _control, _watts, "/redfish/v1/P"),
}  # fmt: skip
GOOD = {"dcgm": ("7", 7), "amd": ("7000", 7), "tpu": ("7", 70_000), "prometheus": ("7", 7), "redfish": ("7", 7_000)}


@pytest.fixture
def fetcher() -> Iterator[Fetcher]:
    with Fetcher(seconds=SECONDS, limit=LIMIT) as fetcher:
        yield fetcher


def stamped(chunks: Chunks, target: str) -> Chunks:
    """A reply of Prometheus whose samples lie in the range that it was asked for."""
    asked = re.search(r"time=(\d+)\.\d+", target)
    for chunk in chunks:
        at = f"{int(asked[1]) - 1}.5" if asked else str(STAMP)
        yield chunk.replace(str(STAMP).encode(), at.encode()) if isinstance(chunk, bytes) else chunk


def asked(name: str, fetcher: Fetcher, *answers: Chunks) -> list[Sample]:
    """A collector is asked once a minute; the last answer goes on."""
    kind, given = KINDS[name], list(answers)
    now, samples = [0], []
    with serve(lambda target: stamped(given[min(now[0], len(given) - 1)], target)) as url:
        collector = kind.make(f"{url}{kind.path}", fetcher)
        for minute in range(len(given)):
            now[0] = minute
            samples.append(collector.collect(T + 60_000 * minute))
    return samples


def whole(name: str, series: Sequence[Series], more: str = "") -> Chunks:
    kind = KINDS[name]
    return reply(kind.page(series, more), kind.type)


def good(name: str, count: int = 2) -> list[Series]:
    return [(str(number), GOOD[name][0]) for number in range(count)]


def told(name: str, sample: Sample) -> dict[str, int]:
    return KINDS[name].taken(sample)


HEAD = "HTTP/1.1 200 OK\r\nContent-Type: {}\r\nConnection: close\r\n"
ENDPOINTS: dict[str, tuple[Callable[[str, bytes], Chunks], set[str]]] = {
    "slow": (lambda kind, page: [60.0], {"collect/timeout"}),
    "slow in the middle": (lambda kind, page: [*reply(page[:9], kind, length=len(page)), 60.0], {"collect/timeout"}),
    "endless": (
        lambda kind, page: [f"{HEAD.format(kind)}\r\n".encode(), *[page[:-1] + b" " * 65_536] * 64], {"collect/size"},
    ),
    "a gigabyte": (
        lambda kind, page: [f"{HEAD.format(kind)}Content-Length: {1 << 30}\r\n\r\n".encode(), *[b" " * 65_536] * 64],
        {"collect/size"},
    ),
    "truncated": (lambda kind, page: reply(page[:-9], kind, length=len(page)), {"collect/truncated"}),
    "truncated and whole by its length": (
        lambda kind, page: reply(page[:-9], kind), {"collect/truncated", "import/reply", "import/redfish"},
    ),
    "another type": (lambda kind, page: reply(page, "text/html"), {"collect/type"}),
    "another status": (lambda kind, page: reply(page, kind, "500 Internal Server Error"), {"collect/status"}),
    "no HTTP": (lambda kind, page: [page], {"collect/truncated"}),
    "no content": (lambda kind, page: reply(b"", kind), {"collect/truncated", "import/reply", "import/redfish"}),
    "deep": (
        lambda kind, page: reply(b"[" * 99_999 + b"\n", kind),
        {"import/line", "import/empty", "import/reply", "import/redfish"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("case", ENDPOINTS)
def test_a_reply_that_is_none_is_refused_whole_and_the_next_is_taken(fetcher: Fetcher, name: str, case: str) -> None:
    broken, codes = ENDPOINTS[case]
    bad, after = asked(
        name, fetcher, broken(KINDS[name].type, KINDS[name].page(good(name), "")), whole(name, good(name))
    )
    assert bad.empty
    assert bad.refusals and {refusal.code for refusal in bad.refusals} <= codes
    assert all(refusal.cause and refusal.collector == "c" for refusal in bad.refusals)
    assert (told(name, after), after.refusals) == ({"0": GOOD[name][1], "1": GOOD[name][1]}, ())


VALUES: dict[str, dict[str, tuple[str, str]]] = {
    "negative": dict.fromkeys(KINDS, ("-7", "import/value")),
    "not a number": {
        **dict.fromkeys(("dcgm", "amd", "tpu", "prometheus"), ("NaN", "")), "redfish": ("NaN", "import/value"),
    },
    "infinite": {
        **dict.fromkeys(("dcgm", "amd", "tpu", "prometheus"), ("+Inf", "")), "redfish": ("Infinity", "import/value"),
    },
    "no value at all": {
        **dict.fromkeys(("dcgm", "amd", "tpu", "prometheus"), ("seven", "import/line")),
        "redfish": ('"seven"', "import/value"),
    },
    "of another unit": {
        "dcgm": ("5551899580e9", "import/value"),  # picojoules, or so
        "amd": ("2e18", "import/value"),
        "tpu": ("7000", "import/value"),  # no percentage
        "prometheus": ("5551899580e9", "import/value"),
        "redfish": ("7e9", "import/value"),  # microwatts
    },
    "longer than it is great": {
        **dict.fromkeys(("dcgm", "amd", "tpu", "prometheus"), ("9" * 5_000, "import/line")),
        "redfish": ("1." + "9" * 5_000, "import/value"),
    },
}  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("case", VALUES)
def test_a_value_that_no_device_has_is_refused_for_itself(fetcher: Fetcher, name: str, case: str) -> None:
    value, code = VALUES[case][name]
    bad, after = asked(name, fetcher, whole(name, [("0", value), *good(name)[1:]]), whole(name, good(name)))
    assert told(name, bad) == {"1": GOOD[name][1]}
    if code:
        assert [refusal.code for refusal in bad.refusals] == [code]
        assert 0 < len(bad.refusals[0].cause) <= MAX_CAUSE
    else:  # a value that says "no value"
        assert [(odd.kind, odd.who) for odd in bad.irregularities] == [("blank", "0")]
    assert (told(name, after), after.refusals) == ({"0": GOOD[name][1], "1": GOOD[name][1]}, ())


@pytest.mark.parametrize("name", sorted(set(KINDS) - {"redfish"}))
def test_of_a_series_that_stands_twice_neither_is_believed(fetcher: Fetcher, name: str) -> None:
    twice = [("0", GOOD[name][0]), ("0", "9"), *good(name)[1:]]
    bad, after = asked(name, fetcher, whole(name, twice), whole(name, good(name)))
    assert told(name, bad) == {"1": GOOD[name][1]}
    assert {refusal.code for refusal in bad.refusals} == {"import/line"}
    assert (told(name, after), after.refusals) == ({"0": GOOD[name][1], "1": GOOD[name][1]}, ())


@pytest.mark.parametrize("name", sorted(set(KINDS) - {"redfish"}))
def test_labels_that_come_and_go_leave_a_device_what_it_is(fetcher: Fetcher, name: str) -> None:
    more = ["", ',pod="a",namespace="x"', ',pod="b",pci_bus_id="0000:37:00.0"', ',job="dcgm",instance="n1:9400"']
    samples = asked(name, fetcher, *(whole(name, good(name), labels) for labels in more))
    found: list[Irregularity] = []
    scrapes = [scrape._replace(time_ms=T + 60_000 * k) for k, each in enumerate(samples) for scrape in each.scrapes]
    (host,) = gather_series(scrapes, found).values()
    assert {uid: len(device.time_ms) for uid, device in host.devices.items()} == {"0": 4, "1": 4}
    assert [refusal for sample in samples for refusal in sample.refusals] == []


def test_a_meter_that_stands_twice_counts_once_and_at_its_most(fetcher: Fetcher) -> None:
    """Two outlets say that they are one: the larger of what they say stays."""
    outlets = {f"/o/{k}": json.dumps({"@odata.type": "#Outlet.v1_4_2.Outlet", "@odata.id": "/redfish/v1/A",
                                      "PowerWatts": {"Reading": watts}}) for k, watts in enumerate((7, 9))}  # fmt: skip
    members = json.dumps({"@odata.type": "#OutletCollection.OutletCollection", "@odata.id": "/o",
                          "Members": [{"@odata.id": path} for path in outlets]})  # fmt: skip
    with serve(lambda target: reply(outlets.get(target, members).encode(), JSON)) as url:
        sample = Redfish("c", f"{url}/o", fetcher).collect(T)
    found: list[Irregularity] = []
    series = gather_readings(sample.readings, Quantity.GAUGE_POWER, found)
    assert (series["A"].values.tolist(), [odd.kind for odd in found]) == ([9_000], ["conflict"])


@pytest.mark.parametrize(
    "more", ['"Status": {"State": "Absent"}', '"Status": "Absent", "MemberId": "7"', '"PowerMetrics": {"Min": 0}']
)
def test_keys_that_come_and_go_leave_a_meter_what_it_is_and_one_that_says_nothing_is_missed(
    fetcher: Fetcher, more: str
) -> None:
    before, other, after = asked(
        "redfish", fetcher, *(whole("redfish", good("redfish"), keys) for keys in ("", more, ""))
    )
    absent = "Absent" in more and "{" in more
    assert told("redfish", other) == ({} if absent else told("redfish", before))
    missed = [(refusal.who, refusal.code) for refusal in other.refusals]
    assert missed == ([("P#0", "collect/absent"), ("P#1", "collect/absent")] if absent else [])
    assert (told("redfish", after), after.refusals) == (told("redfish", before), ())


@pytest.mark.parametrize(
    "odd",
    [
        {"@odata.id": "http://[::1"}, {"@odata.id": "//[x"}, {"@odata.id": "http://\u2100/"}, {"@odata.id": "/\0"},
        {"@odata.id": "x" * 99_999}, {"@odata.id": ["/a"]}, [], 7, None,
    ],
)  # fmt: skip
def test_links_that_are_none_lead_nowhere(fetcher: Fetcher, odd: Any) -> None:
    members = [odd, {"@odata.id": "/redfish/v1/P"}]
    collection = {"@odata.type": "#OutletCollection.OutletCollection", "@odata.id": "/o", "Members": members}
    pages = {"/o": json.dumps(collection).encode(), "/redfish/v1/P": _control(good("redfish"), "")}
    with serve(lambda target: reply(pages.get(target, b"{}"), JSON)) as url:
        sample = Redfish("c", f"{url}/o", fetcher).collect(T)
    assert _watts(sample) == {"0": 7_000, "1": 7_000}


@pytest.mark.parametrize("kind", [["Power"], {"a": 1}, 7, None])
def test_a_sensor_of_no_kind_is_no_reading(fetcher: Fetcher, kind: Any) -> None:
    sensor = {"@odata.type": "#Sensor.v1_6_0.Sensor", "@odata.id": "/s", "ReadingType": kind, "Reading": 7}
    with serve(lambda _: reply(json.dumps(sensor).encode(), JSON)) as url:
        assert Redfish("c", f"{url}/s", fetcher).collect(T).empty


# -- time


def rack(*slow: int) -> Callable[[str], Chunks]:
    """Four outlets, of which some never answer."""

    def answer(target: str) -> Chunks:
        if target == "/o":
            members = [{"@odata.id": f"/redfish/v1/{k}"} for k in range(4)]
            collection = {"@odata.type": "#OutletCollection.OutletCollection", "@odata.id": "/o", "Members": members}
            return reply(json.dumps(collection).encode(), JSON)
        number = int(target.rpartition("/")[2])
        outlet = {"@odata.type": "#Outlet.v1_4_2.Outlet", "@odata.id": target, "PowerWatts": {"Reading": number}}
        return [60.0] if number in slow else reply(json.dumps(outlet).encode(), JSON)

    return answer


def nodes(readings: Sequence[Reading]) -> list[str]:
    return sorted(reading.node for reading in readings)


@pytest.mark.parametrize("slow", [(0,), (3,), (0, 2)])
def test_what_never_answers_takes_the_others_time_once_and_then_no_more(slow: tuple[int, ...]) -> None:
    with Fetcher(seconds=SECONDS, budget=SECONDS) as fetcher, serve(rack(*slow)) as url:
        asking = Asking([Redfish("c", f"{url}/o", fetcher)])
        samples = [asking.ask(T + 60_000 * k, 2 * SECONDS)["c"] for k in range(4)]
    others = sorted({"0", "1", "2", "3"} - {str(k) for k in slow})
    for sample in samples:
        assert {refusal.code for refusal in sample.refusals} == {"collect/timeout"}  # it came back in time
    for sample in samples[2:]:
        assert nodes(sample.readings) == others


def test_what_there_was_no_time_for_comes_first_the_next_time() -> None:
    """Each outlet takes more than a quarter of the time, so that no asking has it for all four."""

    def answer(target: str) -> Chunks:
        chunks = rack()(target)
        return chunks if target == "/o" else [SECONDS * 0.27, *chunks]

    with Fetcher(seconds=SECONDS, budget=SECONDS) as fetcher, serve(answer) as url:
        collector = Redfish("c", f"{url}/o", fetcher)
        samples = [collector.collect(T + 60_000 * k) for k in range(4)]
    for first, second in pairwise(samples):
        assert {reading.node for reading in (*first.readings, *second.readings)} == {"0", "1", "2", "3"}
        assert {refusal.code for refusal in first.refusals} == {"collect/timeout"}


def test_a_prometheus_that_is_too_slow_for_all_that_it_is_asked_is_asked_for_the_same_again() -> None:
    """One host is asked for in three queries; what came of the first of them is not thrown away."""
    slow = [True]

    def answer(target: str) -> Chunks:
        page = reply(_matrix(good("prometheus", 1) if "Hostname" in target else [], ""), JSON)
        return [SECONDS * 0.7, *stamped(page, target)] if slow[0] else stamped(page, target)

    with Fetcher(seconds=SECONDS, budget=SECONDS) as fetcher, serve(answer) as url:
        collector = Prometheus("c", url, fetcher, host="n1")
        first = collector.collect(T)
        slow[0] = False
        second = collector.collect(T + LAG)
    assert (first.empty, [refusal.code for refusal in first.refusals]) == (True, ["collect/timeout"])
    assert _energies(second) == {"0": 7} and second.refusals == ()


def test_a_budget_is_of_all_replies_and_begins_anew() -> None:
    chunks: Chunks = [0.6 * SECONDS, *reply(b"a 1\n")]
    with Fetcher(seconds=SECONDS, budget=SECONDS) as fetcher, serve(lambda _: chunks) as url:
        fetcher.begin()
        assert fetcher.get(url, {"text/plain"}).body == b"a 1\n"
        with pytest.raises(Exception, match="collect/timeout"):
            fetcher.get(url, {"text/plain"})
        with pytest.raises(Exception, match="no time was left"):
            fetcher.get(url, {"text/plain"})
        fetcher.begin()
        assert fetcher.get(url, {"text/plain"}).body == b"a 1\n"
