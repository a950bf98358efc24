"""What the tolerances of an agreement are worth: how much compute each of them could hide in 30 days.

Each is charged to the worst case in a verdict; here it is told before anybody signs. Where the agreement does not say
how many accelerators a site has, there is no number. All accelerators count as of the strongest model that the
agreement pins, or as the model of `USUAL` if it pins none.

    >>> f"{worth_of_share(50_000, 100_000, default_pin(USUAL)):.2e}"      # 5 % on 100,000 H100
    '2.77e+25'
"""

from collections.abc import Iterator
from typing import Final

from attest.agreement.kinds import Coverage, Gap
from attest.agreement.model import Agreement, Meter, Party
from attest.agreement.units import DURATION, ENERGY, POWER, SHARE
from attest.compute.accelerators import default_pin
from attest.compute.bounds import MFLOP
from attest.compute.exact import PPM
from attest.compute.pins import Pin

USUAL: Final = "NVIDIA H100 SXM5 80GB"
DAYS: Final = 30
SPAN_S: Final = DAYS * 86_400


def tolerance_lines(agreement: Agreement) -> Iterator[str]:
    """One line for each tolerance of each party that has any."""
    pin = max(agreement.pins.values(), key=lambda p: p.peak_flop_per_s, default=default_pin(USUAL))
    for party in agreement.parties:
        lines = [*_shares(agreement, party, pin), *(line for m in party.meters for line in _meter(party, m, pin))]
        if lines:
            yield f"tolerances of {party.name}: FLOP that each can hide in {DAYS} d, were all accelerators {pin.model}"
            yield from lines


def worth_of_share(share_ppm: int, devices: int, pin: Pin) -> int:
    """FLOP that a share of the time of devices is worth at peak, rounded up."""
    return -(-devices * SPAN_S * pin.peak_flop_per_s * share_ppm // PPM)


def _shares(agreement: Agreement, party: Party, pin: Pin) -> Iterator[str]:
    for phase in agreement.phases:
        for term in phase.terms:
            if party.iss not in term.parties:
                continue
            devices = _devices(party, term.sites)
            if isinstance(term, Coverage):
                missing = PPM - term.share_ppm
                what = f"{term.name} ({phase.name}): {SHARE.format(missing)} of device-time unaccounted for"
                yield f"  {what}: {_flop(devices, worth_of_share(missing, 1, pin))}"
            elif isinstance(term, Gap) and term.outage_s is not None:
                dark = term.outage_s
                what = f"{term.name} ({phase.name}): {DURATION.format(dark)} of each accelerator in gaps"
                yield f"  {what}, in all of the phase: {_flop(devices, dark * pin.peak_flop_per_s)}"
    if share := agreement.life.outage_ppm:
        what = f"outages: {SHARE.format(share)} of device-time excused"
        devices = _devices(party, tuple(site.name for site in party.sites))
        yield f"  {what}: {_flop(devices, worth_of_share(share, 1, pin))}"


def _meter(party: Party, meter: Meter, pin: Pin) -> Iterator[str]:
    per_mj = pin.efficiency_mflop_per_mj * MFLOP
    if meter.error_ppm:
        what = f"meter {meter.sub}: error of {SHARE.format(meter.error_ppm)} of what they draw at most"
        most = -(-meter.error_ppm * SPAN_S * pin.tdp_mw * per_mj // PPM)
        yield f"  {what}: {_flop(_devices(party, (meter.site,)), most)}"
    if meter.storage_mj:
        what = f"meter {meter.sub}: {ENERGY.format(meter.storage_mj)} of storage a day"
        yield f"  {what}: {meter.storage_mj * DAYS * per_mj:.2e}"
    if meter.generation_mw:
        what = f"meter {meter.sub}: {POWER.format(meter.generation_mw)} of generation"
        yield f"  {what}: {meter.generation_mw * SPAN_S * per_mj:.2e}"


def _devices(party: Party, sites: tuple[str, ...]) -> int | None:
    counts = [site.devices for site in party.sites if site.name in sites]
    return None if None in counts else sum(count for count in counts if count is not None)


def _flop(devices: int | None, each: int) -> str:
    """What so many accelerators come to, where it is known how many there are."""
    if devices is None:
        return "no number, for it is not said how many accelerators there are"
    return f"{devices * each:.2e}"
