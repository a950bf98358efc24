"""Series that are alike: of devices, of meters, and of two sites."""

from dataclasses import replace

import numpy as np
import pytest

from attest.agreement import verify_agreement
from attest.check import check, examine
from attest.series import Copy, Series, joined
from attest.simulate.lab import Lab
from attest.simulate.memory import MemoryBundle
from attest.simulate.site import Plan, Site, Trace
from attest.simulate.telemetry import read
from attest.trust.pins import parse_trust
from attest.verdict import Finding, Outcome
from tests.anomalies.tales import LOOSE, Tale, anomalies, only, retold, told, verdict_on
from tests.attacks.vectors import EVENING, NOON
from tests.check.world import ACME, END, HOUR, INFERENCE, LATER, START, TRAINING, honest, lab, site

CODE = "anomaly/identical-series"


def mirrored(trace: Trace) -> Trace:
    """Device 5 is told as device 2."""
    power, cycles = trace.power_mw.copy(), trace.cycles.copy()
    power[5], cycles[5] = power[2], cycles[2]
    return retold(trace, power_mw=power, cycles=cycles)


def test_one_device_told_for_another_of_the_same_host() -> None:
    finding = only(anomalies(told(mirrored, (TRAINING,)), series=True), CODE)
    assert finding.numbers["seconds"] == 24 * HOUR
    assert (finding.numbers["device"], finding.numbers["of_device"]) == (5, 2)
    assert finding.numbers["of_index"] == finding.index
    assert finding.numbers["statements"] == 4


def test_a_copy_of_another_hour() -> None:
    """Device 0 tells at noon what it did at six, in another statement, and nothing else is copied."""

    def again(trace: Trace) -> Trace:
        power = trace.power_mw.copy()
        power[0, 720:780] = power[0, 360:420]
        return retold(trace, power_mw=power)

    finding = only(anomalies(told(again, (TRAINING,)), series=True), CODE)
    assert finding.numbers["seconds"] == HOUR
    assert finding.numbers["of_index"] < finding.index


def test_a_copied_hour_with_one_millijoule_changed_is_not_seen() -> None:
    """As the page says: these rules catch what was made up carelessly."""

    def nearly(trace: Trace) -> Trace:
        power = mirrored(trace).power_mw.copy()
        power[5, ::60] += 1
        return retold(trace, power_mw=power)

    assert anomalies(told(nearly, (TRAINING,)), series=True) == []


def test_a_gauge_of_whole_watts_that_hardly_moves_is_no_copy() -> None:
    def whole(trace: Trace) -> Trace:
        return retold(trace, power_mw=np.full_like(trace.power_mw, 68_000))

    assert anomalies(told(whole, ()), series=True) == []


@pytest.mark.parametrize("quantity", ["register", "gauge"])
def test_one_meter_read_under_two_names(quantity: str) -> None:
    """As in mlperf-train-512h100-smc: one node's readings stand for another's, too."""
    made = lab((INFERENCE,), site_meter=False)
    if quantity == "gauge":
        made.instrument = replace(made.instrument, quantity=type(made.instrument.quantity).GAUGE_POWER)
    made.run(until=NOON)
    one = read(made.site, 0, NOON, EVENING, made.instrument)
    meter = made.meter
    assert meter is not None
    meter.append(made.metering(EVENING, [one, one]))
    made.run(until=EVENING)
    found = [f for f in verdict_on(made, series=True).parties[0].findings if f.code == CODE]
    assert [f.numbers["seconds"] for f in found] == [6 * HOUR]
    assert "channel 1 of statement" in found[0].text and "like channel 0 of statement" in found[0].text
    assert found[0].source == ACME.meter


RIVAL = replace(ACME, name="rival")
ELSEWHERE = Site(Plan("elsewhere", 2, START, END, (INFERENCE,)))
PACT = replace(LOOSE, parties=(ACME, RIVAL))


def between(ours: Lab, theirs: Lab) -> list[Finding]:
    """What the joint verdict says of two labs; what it finds between them stands beside the parties."""
    signed, trust = verify_agreement(PACT.signed()), parse_trust(PACT.trust())
    verdict = check([ours.bundle(), theirs.bundle()], signed, trust, at=LATER, anomalies=True)
    assert verdict.outcome is Outcome.HOLDS
    assert not [f for party in verdict.parties for f in party.findings]
    return list(verdict.findings)


def test_a_device_of_one_lab_told_for_one_of_another() -> None:
    """Sums of hosts are of eight devices, seven of them their own: those do not show it (verification.md, 5.9)."""

    def told_for(trace: Trace) -> Trace:
        power = trace.power_mw.copy()
        power[5] = site().trace(1).power_mw[2]
        return retold(trace, power_mw=power)

    theirs = Lab(RIVAL, ELSEWHERE, meter=None)
    theirs.tales[0] = Tale(ELSEWHERE.plan, told_for)
    theirs.run()
    (finding,) = between(honest(), theirs)
    assert finding.code == CODE and finding.outcome is Outcome.HOLDS
    assert finding.numbers["seconds"] == 24 * HOUR
    assert finding.text.startswith("24.0 device-hours of devices or meters of rival.example/dc1 are like those of acme")
    assert "device 5 of statement" in finding.text and "like device 2 of statement" in finding.text


def test_two_labs_of_their_own_have_nothing_alike() -> None:
    theirs = Lab(RIVAL, ELSEWHERE, meter=None)
    theirs.run()
    assert between(honest(), theirs) == []


def series_of(bundle: MemoryBundle) -> Series:
    found = examine(bundle, verify_agreement(LOOSE.signed()), anomalies=True).series
    assert found is not None
    return found


def test_blocks_that_cannot_be_read_are_passed_over() -> None:
    """They are charged like gaps; what another block shows is still seen."""
    bundle = told(mirrored, (TRAINING,)).bundle()
    (pack,) = (path for path in bundle.files if path.startswith("blocks/"))
    bundle.flip(pack, len(bundle.files[pack]) // 2)
    assert series_of(bundle).comparable == 2 * 8 * 24 - 8 * 6
    del bundle.files[pack]
    assert series_of(bundle).comparable == 0


def test_of_too_many_series_the_same_ones_are_kept_whatever_the_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = series_of(told(mirrored, (TRAINING,)).bundle())
    monkeypatch.setattr("attest.series.MAX_SERIES", 100)
    halves = [replace(whole, copies=whole.copies[part], comparable=0) for part in (slice(150), slice(150, None))]
    once, twice = joined([whole]), joined([joined([half]) for half in halves])
    assert 100 <= len(once.copies) <= 101
    assert np.array_equal(once.copies, twice.copies)
    counts = [np.unique(copies[:, Copy.FIRST], return_counts=True) for copies in (whole.copies, once.copies)]
    alike = [dict(zip(keys.tolist(), count.tolist(), strict=True)) for keys, count in counts]
    assert any(count == 2 for count in alike[1].values())
    assert all(alike[0][key] == count for key, count in alike[1].items())  # all of a copy, or none


def test_a_series_that_is_repeated_for_ever_is_not_kept_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = series_of(told(mirrored, (TRAINING,)).bundle())
    monkeypatch.setattr("attest.series.MAX_SERIES", 100)
    same = replace(whole, copies=np.repeat(whole.copies[:1], 90, axis=0))
    assert len(joined(same for _ in range(50)).copies) == 150
    assert len(joined([]).copies) == 0


def test_how_many_were_compared_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("attest.series.MAX_SERIES", 100)
    finding = only(anomalies(told(mirrored, (TRAINING,)), series=True), CODE)
    assert "of 384 series were compared" in finding.text
