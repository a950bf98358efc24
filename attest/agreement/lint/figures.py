"""Holes of numbers: pins below what hardware can do, and caps that no evidence of the agreement can prove.

`tables` is what can be proven at each site (`attest.compute.provable`), for the largest of the agreement's pins.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from attest.agreement.kinds import Assurance, ComputeCap, Inventory, Ramp, Slowdown
from attest.agreement.lint.hole import Bound, Hole, Text, integrating
from attest.agreement.lint.meters import pins
from attest.agreement.model import Agreement, Party, Site
from attest.agreement.pins import FIGURE_NAMES
from attest.agreement.units import DURATION
from attest.compute.accelerators import default_pin
from attest.compute.exact import PPM
from attest.compute.pins import Pin
from attest.compute.provable import DAY, Equipment, Metered, Row, Span, least, rows
from attest.errors import AgreementError, UnsupportedError

TABLE_DAYS: Final = 30
# A lower figure of these proves more than the hardware allows; and a higher one of those.
_NOT_LOWER: Final = frozenset(
    {
        "peak_flop_per_s", "peak_bf16_flop_per_s", "vector_flop_per_s", "efficiency_mflop_per_mj",
        "marginal_mflop_per_mj", "operations_per_cycle", "operations_per_cycle_bf16", "max_clock_mhz", "tdp_mw",
        "energy_error_ppm", "activity_error_ppm", "resolution_mj",
    }
)  # fmt: skip
_NOT_HIGHER: Final = frozenset({"floor_mw", "boot_mj", "idle_mw", "admitted_operations_per_cycle"})


class Cap(NamedTuple):
    """A cap of `limit` FLOP over some s on a party: the least that is ever shown, and by what in the table it is."""

    line: int
    name: str
    party: str
    limit: int
    seconds: int
    level: Assurance
    least: int
    proven: tuple[str, ...]


@dataclass(frozen=True)
class SiteTable:
    """What can be proven at a site over 30 days; no rows where nothing says how many accelerators it has."""

    party: str
    site: str
    devices: int
    model: str
    rows: tuple[Row, ...]


def holes(text: Text) -> Iterator[Hole]:
    """Of pins and caps."""
    if not text.agreement.pins and any(site.name not in text.archives for _, site, _ in text.sites()):
        what = "no model is pinned: the program's defaults bound some, and any other leaves every term unproven"
        yield Hole(1, "lint/no-pin", what, "a [[pin]] for every model, with the figures that were agreed")
    yield from _tight_pins(text)
    for cap in caps(text):
        if cap.limit < cap.least:
            what = (
                f"{cap.name}: {cap.limit:.2g} FLOP in {DURATION.format(cap.seconds)} at {cap.party} is never shown by"
                f" evidence of {cap.level.name}, which leaves {cap.least:.2g} FLOP possible at best"
            )
            do = f"a limit of {cap.least:.2g} FLOP or more, or stronger evidence"
            yield Hole(cap.line, "lint/cap-unprovable", what, do)


def caps(text: Text) -> Iterator[Cap]:
    """Each label-blind cap on compute, once for each party, where the size of all its sites is known."""
    agreement = text.agreement
    for bound in text.terms():
        sizes = [_equipment(agreement, bound.party, site) for site in bound.sites]
        sites = [equipment for equipment in sizes if equipment is not None]
        if len(sites) < len(sizes) or getattr(bound.term, "label", None) is not None:
            continue
        for limit, seconds, window in limits(bound):
            level, longest = Assurance(getattr(bound.term, "assurance", 0)), _span(agreement, seconds, window)
            smallest = sum(least(site, level, longest) for site in sites)
            proven = tuple(_proving(sites, level, longest, limit))
            yield Cap(bound.line, bound.name, bound.party.name, limit, seconds, level, smallest, proven)


def _proving(sites: Sequence[Equipment], level: int, longest: Span, limit: int) -> Iterator[str]:
    """The ways to run all sites, of those in the table, that evidence of the level would show to be within a limit."""
    found = [
        {(r.mode, r.evidence): r.flop for r in rows(site, longest) if r.level >= level or not r.level} for site in sites
    ]
    for mode, evidence in dict.fromkeys(way for ways in found for way in ways):
        if sum(ways.get((mode, evidence), max(ways.values())) for ways in found) <= limit:
            yield f"{mode}, {evidence}"


def tables(agreement: Agreement) -> list[SiteTable]:
    """One for each site where there may be accelerators."""
    found, archives = [], Text(agreement).archives
    model = max(pins(agreement), key=lambda pin: pin.peak_flop_per_s).model
    for party in agreement.parties:
        for site in (site for site in party.sites if site.name not in archives):
            equipment = _equipment(agreement, party, site)
            shown = () if equipment is None else tuple(rows(equipment, Span.of_days(TABLE_DAYS)))
            found.append(SiteTable(party.name, site.name, 0 if equipment is None else equipment.devices, model, shown))
    return found


def limits(bound: Bound) -> Iterator[tuple[int, int, bool]]:
    """Each cap on compute of a term, of whichever label: FLOP, its length in s, and whether it is a window."""
    term, length = bound.term, bound.phase.end - bound.phase.start
    if isinstance(term, ComputeCap):
        yield term.limit, term.window_s or length, term.window_s is not None
    elif isinstance(term, Slowdown):
        seconds = term.window_s or length
        yield term.baseline * seconds * term.share_ppm // PPM, seconds, term.window_s is not None
    elif isinstance(term, Ramp):
        yield from ((step.limit, step.end - step.start, False) for step in term.steps)


def _span(agreement: Agreement, seconds: int, window: bool) -> Span:
    return Span.of_window(seconds, agreement.bucket_s) if window else Span(seconds, -(-seconds // DAY))


def _equipment(agreement: Agreement, party: Party, site: Site) -> Equipment | None:
    devices = site.devices or _inventory(agreement, site)
    if devices is None:
        return None
    meters = (Metered(m.error_ppm, m.storage_mj, m.generation_mw, m.boot_mj) for m in integrating(party, site))
    return Equipment(devices, max(pins(agreement), key=lambda pin: pin.peak_flop_per_s), tuple(meters))


def _inventory(agreement: Agreement, site: Site) -> int | None:
    """What an inventory term says of this site alone."""
    terms = (term for phase in agreement.phases for term in phase.terms if isinstance(term, Inventory))
    return max((t.minimum for t in terms if t.sites == (site.name,) and t.minimum is not None), default=None)


def _tight_pins(text: Text) -> Iterator[Hole]:
    for number, (model, pin) in enumerate(text.agreement.pins.items()):
        default = _default(model)
        if default is None:
            continue
        ours, theirs = pin.figures(), default.figures()
        low = [
            FIGURE_NAMES[name]
            for name in ours
            if (name in _NOT_LOWER and ours[name] < theirs[name]) or (name in _NOT_HIGHER and ours[name] > theirs[name])
        ]
        if low:
            what = f"{model}: {', '.join(low)} bound it more tightly than what is known of the hardware"
            do = "figures no tighter than `attest.compute` has them, unless they were measured"
            yield Hole(text.line("pin", number), "lint/pin-tight", what, do)


def _default(model: str) -> Pin | None:
    try:
        return default_pin(model)
    except (AgreementError, UnsupportedError):
        return None
