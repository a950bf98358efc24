"""The worked example of schemas/bounds.md, and that the page names every figure of a pin."""

import doctest
from pathlib import Path

from attest.compute.pins import FIGURES

PAGE = Path(__file__).resolve().parents[2] / "schemas" / "bounds.md"


def test_the_worked_example() -> None:
    result = doctest.testfile(str(PAGE), module_relative=False)
    assert result.attempted > 10
    assert result.failed == 0


def test_every_figure_is_on_the_page() -> None:
    text = PAGE.read_text()
    clocks = {"reference_clock_mhz", "max_clock_mhz", "tdp_mw", "operations_per_cycle_bf16"}
    assert [name for name in FIGURES if name not in clocks and f"`{name}`" not in text] == []
