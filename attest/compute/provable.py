"""What evidence of each kind can prove at best about a site of known size: the table of schemas/agreement.md, "Lint".

A row is a way to run accelerators and the evidence for it: if they are run so and the evidence has no gap, `high` is
what the row says, and no cap below it is ever shown to be kept. Rows are bounds as `attest.compute.bounds` and
`attest.compute.tree` give them, for loads that are assumptions, each with a name here:

    off          a node that is switched off draws 70 W for its management, or nothing that its own register shows
    idle         a device draws a tenth of its power limit, a node three eighths of its devices'
    inference    tensor cores are busy for 5 to 25 % of the time

1,000 H100 SXM for 30 days, with independent meters that err by 1 %:

    >>> from attest.compute.accelerators import default_pin
    >>> equipment = Equipment(1_000, default_pin("NVIDIA H100 SXM5 80GB"), (Metered(10_000),))
    >>> for row in rows(equipment, Span.of_days(30)):
    ...     print(f"{row.flop:.1e} L{row.level} {row.mode}, {row.evidence}")
    7.6e+20 L4 off, an energy register a node
    1.3e+23 L4 off, a site meter
    3.5e+23 L1 idle, the lab's own counters
    3.9e+24 L4 idle, meters
    6.4e+23 L1 inference, 5 % tensor-active by the lab's own counters
    1.8e+24 L1 inference, 25 % tensor-active by the lab's own counters
    5.5e+24 L0 any, presence alone
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from attest.compute.bounds import MFLOP, Admitted, Raw, by_energy, presence, upper, widened
from attest.compute.exact import PPM
from attest.compute.pins import Pin

DAY: Final = 86_400
NODE: Final = 8  # devices of a node
OFF_NODE_MW: Final = 70_000  # what the management of a node draws that is switched off
IDLE_PPM: Final = 100_000  # of a device's power limit
IDLE_NODE_PPM: Final = 375_000  # of the power limits of a node's devices: 2.1 kW for eight H100
INFERENCE_PPM: Final = (50_000, 250_000)  # of the time with tensor cycles
PRESENCE: Final = 0
SOFTWARE: Final = 1  # L1
INDEPENDENT: Final = 4  # L4


class Span(NamedTuple):
    """How long (s), and how many UTC days that can touch: storage gives its energy once in each."""

    seconds: int
    days: int

    @classmethod
    def of_days(cls, days: int) -> "Span":
        """Whole UTC days."""
        return cls(days * DAY, days)

    @classmethod
    def of_window(cls, seconds: int, bucket_s: int) -> "Span":
        """A window that may begin inside a bucket, which then counts whole, and inside a day."""
        most = (-(-seconds // bucket_s) + 1) * bucket_s
        return cls(most, (most - 1) // DAY + 2)

    def widened(self, buckets: int, bucket_s: int) -> "Span":
        """The same time by a clock that may be wrong by so many buckets; storage is known by the day."""
        return Span(self.seconds + 2 * buckets * bucket_s, self.days)


class Metered(NamedTuple):
    """An independent meter that integrates; `boot_mj` None for the pin's. As in `attest.agreement.Meter`."""

    error_ppm: int
    storage_mj: int = 0
    generation_mw: int = 0
    boot_mj: int | None = None


@dataclass(frozen=True)
class Equipment:
    """What a site has: so many devices of one model, and its independent meters, none if they bound nothing."""

    devices: int
    pin: Pin
    meters: tuple[Metered, ...] = ()

    @property
    def nodes(self) -> int:
        """Nodes of eight devices."""
        return -(-self.devices // NODE)


class Row(NamedTuple):
    """At most `flop` is shown where the site is run so, by evidence of this level."""

    mode: str
    evidence: str
    level: int
    flop: int


def rows(site: Equipment, span: Span) -> Iterator[Row]:
    """The table of one site over a time; rows that need a meter are left out where there is none."""
    limit_mw, nodes = site.pin.tdp_mw, site.nodes
    if site.meters:
        register = min(_register(site, meter, span) for meter in site.meters)
        together = metered(site, nodes * OFF_NODE_MW, span)
        if register < together:  # with storage behind it a meter is a site's, not a node's
            yield Row("off", "an energy register a node", INDEPENDENT, register)
        yield Row("off", "a site meter", INDEPENDENT, together)
    yield Row("idle", "the lab's own counters", SOFTWARE, counted(site, span, limit_mw * IDLE_PPM // PPM, 0))
    if site.meters:
        idle = site.devices * limit_mw * IDLE_NODE_PPM // PPM
        yield Row("idle", "meters", INDEPENDENT, metered(site, idle, span))
    for share in INFERENCE_PPM:
        how = f"{share * 100 // PPM} % tensor-active by the lab's own counters"
        yield Row("inference", how, SOFTWARE, active(site, share, span))
    yield Row("any", "presence alone", PRESENCE, present(site, span))


def present(site: Equipment, span: Span) -> int:
    """What the devices can do at their peak, FLOP."""
    return int(presence(site.devices * span.seconds, site.pin)) * MFLOP


def active(site: Equipment, share_ppm: int, span: Span) -> int:
    """What devices can have done that counted tensor cycles for a share of the time, FLOP."""
    return counted(site, span, site.pin.tdp_mw, share_ppm)


def metered(site: Equipment, power_mw: int, span: Span) -> int:
    """What the site can have done where one meter let through this mean power, FLOP: the best of its meters."""
    return min((_by_meter(site, meter, power_mw * span.seconds, span) for meter in site.meters), default=0)


def least(site: Equipment, level: int, span: Span) -> int:
    """The smallest cap that evidence of a level can ever show to be kept, FLOP; at L1 a lab's word that all is off
    leaves nothing."""
    if level <= SOFTWARE:
        return 0
    return min(row.flop for row in rows(site, span) if row.level in (PRESENCE, INDEPENDENT))


def _register(site: Equipment, meter: Metered, span: Span) -> int:
    """A register a node, each of which cannot tell half a boot a day from nothing."""
    half_mj = (site.pin.boot_mj if meter.boot_mj is None else meter.boot_mj) // 2
    unseen = meter.storage_mj * span.days + meter.generation_mw * span.seconds
    energy = site.nodes * (half_mj * span.days + unseen)
    return min(int(by_energy(energy, site.pin)) * MFLOP, present(site, span))


def _by_meter(site: Equipment, meter: Metered, energy_mj: int, span: Span) -> int:
    unseen = meter.storage_mj * span.days + meter.generation_mw * span.seconds
    energy = int(widened(energy_mj, meter.error_ppm)) + unseen
    return min(int(by_energy(energy, site.pin)) * MFLOP, present(site, span))


def counted(site: Equipment, span: Span, power_mw: int, share_ppm: int) -> int:
    """What devices can have done that drew so much each and counted tensor cycles for a share of the time, FLOP;
    statements say nothing of vector units."""
    seconds = site.devices * span.seconds
    cycles = seconds * site.pin.max_clock_mhz * share_ppm // PPM
    facts = Raw(seconds, seconds * power_mw, runs=site.devices * span.days, cycles=cycles)
    return int(upper(facts, site.pin, Admitted(energy=True, activity=True))) * MFLOP
