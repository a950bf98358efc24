"""The cases that `attest agreement new` has a template for: the terms of each, with figures for a site of known size.

Figures are those of `attest.compute.provable`, a quarter more, to two digits: what evidence of an honest site shows on
the worst day that is likely. A cap below them would leave the honest unproven; one far above them would leave room.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

from attest.agreement.blanks import Blanks
from attest.agreement.units import FLOP, POWER
from attest.compute.exact import PPM
from attest.compute.provable import DAY, Equipment, Span, active, counted, least, metered, present
from attest.compute.provable import IDLE_NODE_PPM as NODE_PPM

BUCKET_S: Final = 3_600
# Of 25 hours, since a day may begin inside a bucket, and by meters two more, since their clocks may be a little off.
_ONE_DAY: Final = Span.of_window(DAY, BUCKET_S)
_METERED_DAY: Final = _ONE_DAY.widened(1, BUCKET_S)
_DARK_PPM: Final = 5_000  # of device-time that coverage leaves without records
_ENVELOPE_PPM: Final = 215_000  # of a power limit: 150 W of an H100, which idles at 67 to 138 W
_STRAY_PPM: Final = 10_000  # of presence: what gaps leave to a label that nothing was done under
_SERVING_PPM: Final = 250_000  # of the time with tensor cycles, when serving
_TRAINING_PPM: Final = 600_000  # and when training
_WATT: Final = 1_000

Terms = Callable[[Equipment, Blanks], Iterator[str]]


class Case(NamedTuple):
    """A template: its title, what it means, the meters it needs, the level of its evidence, its terms."""

    title: str
    about: str
    meters: str
    level: str
    terms: Terms


def nice(flop: int) -> int:
    """A quarter more, rounded up to two digits.

    >>> nice(7_627_500_000), nice(4)
    (9600000000, 5)
    """
    more = -(-flop * 5 // 4)
    step: int = 10 ** max(len(str(more)) - 2, 0)
    return -(-more // step) * step


def _full_stop(site: Equipment, _: Blanks) -> Iterator[str]:
    yield from _term("power-off", ("assurance", '"L4"', "an independent meter shows it, and nobody's word"))
    limit = nice(least(site, 4, _METERED_DAY))
    yield from _cap(limit, "L4", "what registers that stand still cannot tell from nothing")


def _idle_stop(site: Equipment, _: Blanks) -> Iterator[str]:
    envelope = site.pin.tdp_mw * _ENVELOPE_PPM // PPM // (10 * _WATT) * 10 * _WATT or _WATT
    yield from _term(
        "idle",
        (
            "power",
            f'"{POWER.format(envelope)}"',
            "of each, as the mean of a host's in any hour: measure yours",
        ),
        ("activity", '"1 %"', "of the time with tensor cycles"),
        ("assurance", '"L1"', "by the lab's own counters"),
    )
    by_counters = counted(site, _ONE_DAY, envelope, 10_000) + _dark(site)
    yield from _cap(nice(by_counters), "L1", "idle by the lab's own counters, and what coverage leaves dark at peak")
    power = site.devices * site.pin.tdp_mw * NODE_PPM // PPM
    yield from _cap(nice(metered(site, power, _METERED_DAY)), "L4", "what meters of idle nodes leave, whoever counts")


def _inference(site: Equipment, _: Blanks) -> Iterator[str]:
    stray = nice(present(site, _ONE_DAY) * _STRAY_PPM // PPM)
    for label in ("training", "fine-tuning"):
        yield from _cap(stray, "L1", "not nothing: what is dark is charged at peak", label)
    serving = active(site, _SERVING_PPM, _ONE_DAY) + _dark(site)
    yield from _cap(nice(serving), "L1", "of any label, which is the lab's word: a quarter of the time at work")


def _slowdown(site: Equipment, blanks: Blanks) -> Iterator[str]:
    yield from _term(
        "slowdown",
        ("baseline", blanks.text("what the party did, agreed as a number, such as 2e19 FLOP/s"), ""),
        ("share", blanks.text("how much of it is still allowed, such as 50 %"), ""),
        ("assurance", '"L1"', "by the lab's own counters"),
    )
    busy = active(site, _TRAINING_PPM, _ONE_DAY) + _dark(site)
    yield from _cap(nice(busy), "L1", "no sprint: what training all day can be")


def _run_cap(site: Equipment, blanks: Blanks) -> Iterator[str]:
    yield from _term(
        "run-cap",
        ("limit", blanks.text("the largest run that may begin, its restarts together, such as 1e25 FLOP"), ""),
        ("assurance", '"L1"', "which runs there are is the lab's word"),
    )
    busy = active(site, _TRAINING_PPM, _ONE_DAY) + _dark(site)
    yield from _cap(nice(busy), "L1", "of everything together, so that no run hides by being split")


CASES: Final[Mapping[str, Case]] = {
    "full-stop": Case(
        "Full stop",
        "every accelerator is switched off, and independent meters agree",
        "one register on the circuit of each node, all under one key: it reads nothing when the node is off",
        "L4",
        _full_stop,
    ),
    "idle-stop": Case(
        "Idle stop",
        "accelerators stay on and do nothing, by their own counters and within what meters leave",
        "one meter of the whole site, or one of each node, all under one key",
        "L4",
        _idle_stop,
    ),
    "inference-only": Case(
        "Inference only",
        "models are served and not trained; labels are the lab's word, so everything is capped beside them",
        "one meter of the whole site; it does not tell inference from training",
        "L1",
        _inference,
    ),
    "slowdown": Case(
        "Slowdown",
        "everything goes on at a share of a baseline that is frozen as a number, by the lab's own counters",
        "one meter of the whole site; busy sites are bounded by counters, not by power",
        "L1",
        _slowdown,
    ),
    "run-cap": Case(
        "Cap on new runs",
        "no run is larger than agreed, its restarts together, by the lab's own run tables",
        "one meter of the whole site; it does not tell one run from another",
        "L1",
        _run_cap,
    ),
}


def _dark(site: Equipment) -> int:
    return present(site, _ONE_DAY) * _DARK_PPM // PPM


def _cap(limit: int, level: str, why: str, label: str = "") -> Iterator[str]:
    name = f"{label or 'everything'}, by the day" + (", by meters" if level == "L4" else "")
    labelled = (("label", f'"{label}"', ""),) if label else ()
    yield from _term(
        "compute-cap",
        ("name", f'"{name}"', ""),
        *labelled,
        ("limit", f'"{FLOP.format(limit)}"', why),
        ("window", '"1 d"', "any 24 hours"),
        ("assurance", f'"{level}"', ""),
    )


def _term(kind: str, *pairs: tuple[str, str, str]) -> Iterator[str]:
    yield "[[phase.term]]"
    yield f'kind = "{kind}"'
    for key, value, why in pairs:
        yield f"{key} = {value}" + (f"    # {why}" if why else "")
    yield ""
