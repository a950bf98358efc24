"""Every kind of collector can be configured, and records what it cannot have."""

import pytest

from attest.errors import MissingError
from attest.record.collectors import KINDS, open_collector
from attest.record.config import CollectorConfig

T = 1_745_514_000_000


@pytest.mark.parametrize("kind", KINDS)
def test_a_collector_of_every_kind_answers(kind: str) -> None:
    pytest.importorskip("httpx")
    collector = open_collector(CollectorConfig(kind, "one", "http://127.0.0.1:1/", None), 0.5)
    assert collector.name == "one"
    sample = collector.collect(T)
    if kind == "nvml" and sample.scrapes:
        pytest.skip("there is a GPU here")
    assert sample.empty
    assert {(r.collector, r.time_ms) for r in sample.refusals} == {("one", T)}
    assert sample.refusals[0].code == ("collect/driver" if kind == "nvml" else "collect/connect")


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"nvml"}))
def test_what_is_asked_needs_a_url(kind: str) -> None:
    with pytest.raises(MissingError) as info:
        open_collector(CollectorConfig(kind, "one", None, None), 0.5)
    assert info.value.code == "record/url"
