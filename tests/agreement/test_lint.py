"""Lint: one hole at a time, cut into a text that has none."""

import re

import pytest

from attest.agreement import parse_agreement
from attest.agreement.lint import caps, lines, lint, tables
from attest.agreement.lint.hole import Text
from attest.agreement.template import template
from attest.format.event import Allowance, Deed, EventAct, Place
from attest.simulate.cast import Identity
from tests.agreement.templates import filled

DAY = 86_400
START = 1_794_182_400  # 2026-11-09T00:00:00Z
PARTIES = (Identity("acme"), Identity("borealis"))
H100 = "NVIDIA H100 SXM5 80GB"


def text(case: str, devices: int = 1_000) -> str:
    return filled(template(case, devices, H100), PARTIES, START, START + 30 * DAY)


STOP, IDLE, SERVE = text("full-stop"), text("idle-stop"), text("inference-only")


def found(changed: str) -> list[tuple[str, str]]:
    """The code and the text of each hole."""
    return [(hole.code, hole.text) for hole in lint(parse_agreement(changed.encode()))]


SCALE = '\n[[phase.term]]\nkind = "scale-cap"\ndevices = 8\n'


def without(whole: str, kind: str) -> str:
    """The text without the terms of a kind."""
    return re.sub(rf'\[\[phase\.term\]\]\nkind = "{kind}".*?(?=\n\[\[|\n#|\Z)', "", whole, flags=re.DOTALL)


def put(whole: str, *pairs: tuple[str, str]) -> str:
    for old, new in pairs:
        assert old in whole, old
        whole = whole.replace(old, new)
    return whole


CAP = re.search(r'\[\[phase\.term\]\]\nkind = "compute-cap".*?\n\n', STOP, re.DOTALL)
assert CAP is not None
BLIND = CAP[0]
METER = 'error = "1 %"\nclock = "2 s"\n'
WINDOW = re.compile(r'window = "1 d".*\n')
GAUGE = "integrates = false   # readings are means over their step, or a register"
SECOND_PHASE = """
[[phase]]
name = "later"
start = 2026-12-10T00:00:00Z
end = 2026-12-20T00:00:00Z

[[phase.term]]
kind = "power-off"
assurance = "L4"

[[phase.term]]
kind = "coverage"
share = "99 %"
"""

HOLES = {
    "no pin": (
        re.sub(r"\[\[pin\]\].*?\n\n", "", STOP, flags=re.DOTALL),
        "lint/no-pin",
        "no model is pinned: the program's defaults bound some, and any other leaves every term unproven",
    ),
    "a pin below the hardware": (
        put(STOP, ('efficiency = "5.65 TFLOP/J"', 'efficiency = "1.41 TFLOP/J"'), ('floor = "60 W"', 'floor = "80 W"')),
        "lint/pin-tight",
        f"{H100}: efficiency, floor bound it more tightly than what is known of the hardware",
    ),
    "no cap at all": (
        without(without(STOP, "power-off"), "compute-cap"),
        "lint/no-cap",
        "pause: no cap on compute of any label, nor power-off, binds acme-dc1, borealis-dc1",
    ),
    "no cap on one site": (
        put(
            without(STOP, "power-off"),
            (BLIND, BLIND.replace('window = "1 d"', 'sites = ["acme-dc1"]\nwindow = "1 d"')),
        ),
        "lint/no-cap",
        "pause: no cap on compute of any label, nor power-off, binds borealis-dc1",
    ),
    "a label alone": (
        put(
            without(STOP, "power-off"),
            (BLIND, '[[phase.term]]\nkind = "compute-cap"\nlabel = "training"\nlimit = "1e24 FLOP"\n\n'),
        ),
        "lint/label-only",
        "pause, compute-cap: labels are the lab's word, and no cap on all compute binds acme-dc1",
    ),
    "a cap that nothing proves": (
        put(STOP, ('limit = "9.6e19 FLOP"', 'limit = "9.6e15 FLOP"')),
        "lint/cap-unprovable",
        "pause, everything, by the day, by meters: 9.6e+15 FLOP in 1 d at acme is never shown by evidence of L4, which"
        " leaves 7.6e+19 FLOP possible at best",
    ),
    "a cap below the batteries": (
        put(without(STOP, "power-off"), (METER, METER + 'storage = "10 MWh"\n')),
        "lint/cap-unprovable",
        "pause, everything, by the day, by meters: 9.6e+19 FLOP in 1 d at acme is never shown by evidence of L4, which"
        " leaves 1.9e+23 FLOP possible at best",
    ),
    "all must cosign": (
        put(STOP, ("group three-of-four 3", "group three-of-four 4")),
        "lint/quorum-denied",
        "acme: the silence of any of w1.witness.example, w2.witness.example, w3.witness.example, w4.witness.example"
        " leaves everything unproven",
    ),
    "a party's own witness": (
        put(STOP, ('name = "acme"\nthreshold = 2', 'name = "acme"\nthreshold = 2\naffiliated = ["w4"]')),
        "lint/quorum-denied",
        "acme without w4: the silence of any of w1.witness.example, w2.witness.example, w3.witness.example leaves"
        " everything unproven",
    ),
    "one witness can fork": (
        put(
            STOP,
            ("tolerates = 1", "tolerates = 0"),
            ("group three-of-four 3 w1 w2 w3 w4", "group three-of-four 2 w1 w2 w3"),
        ),
        "lint/quorum-forks",
        "acme: any of w1.witness.example, w2.witness.example, w3.witness.example alone can show two histories of its"
        " log",
    ),
    "no independent meter": (
        re.sub(r"\[\[party\.meter\]\].*?\n\n", "", IDLE, flags=re.DOTALL),
        "lint/no-meter",
        "pause, everything, by the day, by meters: asks for L4, but no integrating meter of the agreement is at"
        " acme-dc1",
    ),
    "device evidence": (
        re.sub(r"\[\[party\.meter\]\].*?\n\n", "", put(SERVE, ('level = "L1"', 'level = "L3"')), flags=re.DOTALL),
        "lint/no-meter",
        "pause, assurance: asks for L3, but no integrating meter of the agreement is at acme-dc1, and device evidence"
        " (L2, L3) is not read yet",
    ),
    "a gauge": (
        put(SERVE, ("integrates = true    # readings are means over their step, or a register", GAUGE)),
        "lint/meter-gauge",
        f"{PARTIES[0].meter} is a gauge: between two readings anything can happen, so that it bounds nothing",
    ),
    "off by a meter without a clock": (
        put(STOP, (METER, 'error = "1 %"\n')),
        "lint/meter-clock",
        f"pause, power-off: nothing is known of the clock of {PARTIES[0].meter}, so that it bounds the whole phase"
        " alone",
    ),
    "power by a clock that is an hour off": (
        put(SERVE, (METER, 'error = "1 %"\nclock = "1 h"\n'))
        + '\n[[phase.term]]\nkind = "power-cap"\nlimit = "1 MW"\nassurance = "L4"\n',
        "lint/meter-clock",
        f"pause, power-cap: the clock of {PARTIES[0].meter} may be wrong by 1 h, a bucket is 1 h",
    ),
    "power by a clock that is two minutes off": (
        put(SERVE, (METER, 'error = "1 %"\nclock = "2 min"\n'))
        + '\n[[phase.term]]\nkind = "power-cap"\nlimit = "1 MW"\nassurance = "L4"\n',
        "lint/meter-clock",
        f"pause, power-cap: the clock of {PARTIES[0].meter} may be wrong by 2 min, and so much of the power beside it"
        " counts at each end of a bucket of 1 h",
    ),
    "a window by a clock that is a day off": (
        put(IDLE, (METER, 'error = "1 %"\nclock = "1 d"\n')),
        "lint/window-clock",
        f"pause, everything, by the day, by meters: the clock of {PARTIES[0].meter} may be wrong by 1 d, the window is"
        " 1 d",
    ),
    "batteries before the outlet": (
        put(STOP, (METER, METER + 'storage = "10 Wh"\n')),
        "lint/meter-storage",
        f"pause, power-off: 36 kJ can come from behind {PARTIES[0].meter} in 1 h, half of a boot is 36 kJ: nothing at"
        " acme-dc1 is ever shown to be off",
    ),
    "generators before the outlet": (
        put(STOP, (METER, METER + 'generation = "100 W"\n')),
        "lint/meter-storage",
        f"pause, power-off: 360 kJ can come from behind {PARTIES[0].meter} in 1 h, half of a boot is 36 kJ: nothing at"
        " acme-dc1 is ever shown to be off",
    ),
    "buckets too short to be off in": (
        put(STOP, ('bucket = "1 h"', 'bucket = "1 min"')),
        "lint/bucket-short",
        "pause, power-off: half of a boot of 72000000 mJ is no less than 60 s of an idle circuit at 300000 mW: an idle"
        " circuit would count as off",
    ),
    "activity by meters": (
        put(IDLE, ('activity = "1 %"    # of the time with tensor cycles\nassurance = "L1"', 'activity = "1 %"')),
        "lint/idle-activity",
        "pause, idle: asks for activity at L3, and a meter sees no tensor cycles",
    ),
    "a fabric by meters": (
        SERVE + SCALE + 'fabric = "500 TiB"\nwindow = "1 d"\nassurance = "L4"\n',
        "lint/fabric-level",
        "pause, scale-cap: asks for the fabric at L4, and no meter sees what is moved",
    ),
    "a fabric below an interval": (
        SERVE + SCALE + 'fabric = "200 TiB"\nwindow = "1 d"\nassurance = "L1"\n',
        "lint/fabric-short",
        "pause, scale-cap: one lost record of 60 s is charged 234375 GiB of fabric, and 200 TiB is allowed",
    ),
    "no coverage": (
        without(STOP, "coverage"),
        "lint/no-coverage",
        "pause: nothing demands records of acme-dc1, borealis-dc1: whoever says nothing there is never in breach",
    ),
    "no inventory": (
        put(without(SERVE, "inventory"), ("devices = 1000\n", "")),
        "lint/no-inventory",
        "pause: nothing says how many accelerators acme-dc1, borealis-dc1 must declare: an inventory of one would do",
    ),
    "time between phases": (
        STOP + SECOND_PHASE,
        "lint/phase-gap",
        "for 1 d, from 2026-12-09T00:00:00Z to 2026-12-10T00:00:00Z, no term binds anybody",
    ),
    "a lag below an hour": (
        put(STOP, ('max_lag = "6 h"', 'max_lag = "59 min"')),
        "lint/lag-short",
        "max_lag is 59 min, and a log keeps one cosigned head an hour: nothing would be timely",
    ),
    "timeliness below an hour": (
        put(STOP, ('kind = "timeliness"\n', 'kind = "timeliness"\nmax_lag = "30 min"\n')),
        "lint/lag-short",
        "pause, timeliness: max_lag is 30 min, and a log keeps one cosigned head an hour",
    ),
    "a lag as long as the phase": (
        put(STOP, ('max_lag = "6 h"', 'max_lag = "30 d"')),
        "lint/lag-long",
        "pause lasts 30 d and max_lag is 30 d: all that is said of it may be written before it begins or after it ends",
    ),
    "a grace as long as the phase": (
        put(STOP, ('grace = "2 d"', 'grace = "30 d"')),
        "lint/grace-long",
        "pause lasts 30 d and grace is 30 d: while it lasts, no duty can be missed",
    ),
    "a gap below an interval": (
        put(STOP, ('longest = "3 h"', 'longest = "59 s"')),
        "lint/gap-short",
        "pause, gap: one lost record is a gap of 60 s, and 59 s is allowed",
    ),
}

# What the same change opens as well.
ALSO = {
    "no independent meter": ["lint/cap-unprovable"],
    "off by a meter without a clock": ["lint/window-clock"],
    "batteries before the outlet": ["lint/cap-unprovable"],
    "generators before the outlet": ["lint/cap-unprovable"],
}


@pytest.mark.parametrize("name", list(HOLES))
def test_a_hole_is_found_and_nothing_else(name: str) -> None:
    changed, code, what = HOLES[name]
    holes = found(changed)
    assert (code, what) in holes
    assert {each for each, _ in holes} == {code, *ALSO.get(name, ())}


def test_a_whole_text_has_none() -> None:
    assert [found(whole) for whole in (STOP, IDLE, SERVE)] == [[], [], []]


@pytest.mark.parametrize(
    ("budget", "site", "holes"),
    [(95_999_999, "acme-dc1", 0), (96_000_000, "acme-dc1", 1), (96_000_000, "borealis-dc1", 0)],
)
def test_an_exemption_as_large_as_the_cap_is_a_hole(budget: int, site: str, holes: int) -> None:
    """The stop allows each party 9.6e19 FLOP a day, and 96,000,000 TFLOP are as much."""
    agreement = parse_agreement(STOP.encode())
    places = Allowance((Place(site, None),), budget)
    act = EventAct(Deed.EXEMPTION, agreement.digest, PARTIES[0].iss, "pause", 1, START, START + DAY, places)
    found = lint(agreement, [act])
    assert [(hole.code, hole.text) for hole in found] == holes * [
        (
            "lint/exemption",
            "pause, everything, by the day, by meters: exemption 1 has a budget of 9.6e19 FLOP for acme, and the cap is"
            " 9.6e19 FLOP: nothing that is admitted there would break it",
        )
    ]
    assert lint(agreement, [act._replace(deed=Deed.OUTAGE, allowance=places._replace(budget=None))]) == []


def test_a_hole_is_at_its_line() -> None:
    changed = put(STOP, ('longest = "3 h"', 'longest = "1 s"'))
    (hole,) = lint(parse_agreement(changed.encode()))
    assert changed.splitlines()[hole.line - 1 : hole.line + 1] == ["[[phase.term]]", 'kind = "gap"']
    changed = put(STOP, ('max_lag = "6 h"', 'max_lag = "1 min"'))
    (hole,) = lint(parse_agreement(changed.encode()))
    assert changed.splitlines()[hole.line - 1].startswith("max_lag")


def test_the_table_is_that_of_the_site() -> None:
    first, second = tables(parse_agreement(STOP.encode()))
    assert (first.site, first.devices, first.model) == ("acme-dc1", 1_000, H100)
    assert [f"{row.flop:.1e}" for row in first.rows] == [
        "7.6e+20", "1.3e+23", "3.5e+23", "3.9e+24", "6.4e+23", "1.8e+24", "5.5e+24",
    ]  # fmt: skip
    assert second.rows == first.rows


def test_without_a_number_of_accelerators_there_is_no_table() -> None:
    bare = put(without(SERVE, "inventory"), ("devices = 1000\n", ""))
    assert [table.rows for table in tables(parse_agreement(bare.encode()))] == [(), ()]
    assert "what can be proven at acme, acme-dc1: nothing says how many accelerators it has" in lines(
        parse_agreement(bare.encode())
    )


def test_a_cap_is_told_what_proves_it() -> None:
    (cap, *_) = caps(Text(parse_agreement(STOP.encode())))
    assert cap.proven == ("off, an energy register a node",)
    wide = put(STOP, ('limit = "9.6e19 FLOP"', 'limit = "1e25 FLOP"'))
    (cap, *_) = caps(Text(parse_agreement(wide.encode())))
    assert cap.proven[-1] == "any, presence alone"


def test_numbers_are_in_what_is_printed() -> None:
    printed = list(lines(parse_agreement(HOLES["a cap below the batteries"][0].encode())))
    assert printed[0].startswith("line ")
    assert printed[1].startswith("  to do  a limit of 1.9e+23 FLOP or more")
    assert "2 holes" in printed


def test_a_phase_that_an_event_begins_leaves_no_gap() -> None:
    """It begins no earlier than the phase before it, or never."""
    holder = '[[adjudicators.holder]]\nname = "Uma"\nkeys = ["ed25519:hcp6QZhts8AzXpxab7whN90bQLW4EyTd6N5HI8yGQh8="]\n'
    adjudicators = f"[adjudicators]\nthreshold = 1\n\n{holder}\n"
    later = SECOND_PHASE.replace("start = 2026-12-10T00:00:00Z", 'on = "trigger"')
    whole = put(STOP, ("[[phase]]\n", adjudicators + "[[phase]]\n")) + later
    assert found(whole) == []
