"""Every kind of term has its section: what it means, by which evidence, an example, and what each outcome takes."""

import re
from pathlib import Path
from typing import get_args

import pytest

from attest.agreement.kinds import Term
from attest.compute.accelerators import default_pin

PAGE = (Path(__file__).resolve().parents[2] / "schemas" / "agreement.md").read_text("utf-8")
TERMS = PAGE[PAGE.index("\n## Terms\n") : PAGE.index("\n## Life\n")]
SECTIONS = {part.split("\n", 1)[0]: part for part in TERMS.split("\n### ")[1:]}
KINDS = [term.kind for term in get_args(Term)]


def test_there_is_a_section_for_each_kind_and_no_other() -> None:
    assert sorted(SECTIONS) == sorted(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_section_says_what_a_reader_needs(kind: str) -> None:
    words = " ".join(SECTIONS[kind].split())
    like = {"slowdown": "compute-cap", "ramp": "compute-cap"}.get(kind)
    assert re.search(r"[Bb]reach", words) or like
    assert "nproven" in words or like
    assert re.search(r"[Ee]xample|=|has a mean|is a cap of", words)
    assert like is None or like in words


def test_the_examples_add_up() -> None:
    """What can be worked out by hand is."""
    seconds = 64 * 10 * 3_600 + 32 * 5 * 3_600
    peak = default_pin("NVIDIA H100 SXM5 80GB").peak_flop_per_s
    assert f"{seconds:,} device-seconds" in SECTIONS["run-cap"] and f"{seconds * peak:.3g}"[:4] == "6.17"
    assert "93.75 %" in SECTIONS["coverage"] and (384 - 24) / 384 == 0.9375
    assert "a mean of 10 W" in SECTIONS["power-off"] and 36_000 / 3_600 == 10
    assert f"{16_384 * 86_400 * 2.2e15:.1e}" == "3.1e+24" and "3.1e24" in SECTIONS["compute-cap"]
    assert (28_800 + 7_200) / 3_600 == 10 and "is 10\naccelerators" in SECTIONS["scale-cap"]
