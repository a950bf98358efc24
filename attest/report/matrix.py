"""Party by term: what became of each term of an agreement for each party, from the verdict's JSON data.

    full stop     compute-cap  power-off   coverage
      acme        ✔ holds      ✔ holds     ✔ holds
      borealis    ✘ breached   ✘ breached  ✔ holds
      castor      ? unproven   ? unproven  -
    decided by      borealis: compute-cap, power-off

One table a phase. A term that does not bind a party is a dash. Where a phase has more terms than a line has room for,
the table goes on below with the others; names that are too long are cut. Below it stands who makes the outcome of the
whole what it is, and by what.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from attest.report.style import Style

Data = dict[str, Any]

WIDTH: Final = 100  # characters of a line
MOST_PARTIES: Final = 40  # of a table; JSON has all
_NAME: Final = 20  # characters of a party's name, of a term's and of a phase's
_REASON: Final = 40  # of a reason
_DECIDED: Final = "  decided by      "
_GAP: Final = "  "
_SERIOUS: Final = ("invalid", "breached", "unproven", "holds")


def matrix(data: Data, style: Style) -> Iterator[str]:
    """The tables, and who decides."""
    parties = data["parties"]
    shown = sorted(parties, key=lambda party: _SERIOUS.index(party["outcome"]))[:MOST_PARTIES]
    rows = [party for party in parties if party in shown]
    for phase in dict.fromkeys(term["phase"] for party in parties for term in party["terms"]):
        terms = list(dict.fromkeys(t["term"] for party in parties for t in party["terms"] if t["phase"] == phase))
        cells = [{t["term"]: t["outcome"] for t in party["terms"] if t["phase"] == phase} for party in rows]
        names = [_cut(party["name"], style) for party in rows]
        yield from _table(_cut(phase, style), terms, names, cells, style)
    if len(parties) > len(rows):
        yield f"  and {len(parties) - len(rows):,} more parties: --format json has them all"
    yield from _decided(data, rows, style)


def _table(
    phase: str, terms: Sequence[str], names: Sequence[str], cells: Sequence[dict[str, str]], style: Style
) -> Iterator[str]:
    first = max(len(phase), *(len(name) + 2 for name in names))
    columns: list[tuple[str, int]] = []
    for term in terms:
        title = _cut(term, style)
        width = max(len(title), *(len(_cell(row.get(term), style)) for row in cells))
        columns.append((term, width))
    while columns:
        taken, room = 0, WIDTH - first - len(_GAP)
        while taken < len(columns) and (room := room - columns[taken][1] - len(_GAP)) >= 0:
            taken += 1
        bank, columns = columns[:taken], columns[taken:]
        yield _line([(phase, "", first), *((_cut(term, style), "", width) for term, width in bank)], style)
        for name, row in zip(names, cells, strict=True):
            outcomes = ((row.get(term), width) for term, width in bank)
            line = [(f"  {name}", "", first), *((_cell(o, style), o or "", width) for o, width in outcomes)]
            yield _line(line, style)


def _line(cells: Sequence[tuple[str, str, int]], style: Style) -> str:
    """Cells of (text, outcome or nothing, width); colour takes no room."""
    shown = ((style.paint(text, state) if state else text) + " " * (width - len(text)) for text, state, width in cells)
    return _GAP + _GAP.join(shown).rstrip()


def _cell(outcome: str | None, style: Style) -> str:
    return "-" if outcome is None else f"{style.mark(outcome)} {outcome}"


def _cut(name: str, style: Style, most: int = _NAME) -> str:
    end = ".." if style.ascii else "…"
    return name if len(name) <= most else name[: most - len(end)] + end


def _decided(data: Data, shown: Sequence[Data], style: Style) -> Iterator[str]:
    """Whose outcome is that of the whole, and by which terms or findings of it."""
    outcome = data["outcome"]
    if outcome == "holds":
        yield f"{_DECIDED}every party"
        return
    for party in shown:
        if party["iss"] in data["decided_by"]:
            reasons = [t["term"] for t in party["terms"] if t["outcome"] == outcome]
            reasons += [f["code"] for f in party["findings"] if f["outcome"] == outcome]
            yield _few(f"{_DECIDED}{_cut(party['name'], style)}: ", reasons, style)
    reasons = [f["code"] for f in data["findings"] if f["outcome"] == outcome]
    if reasons:
        yield _few(f"{_DECIDED}no party: ", reasons, style)


def _few(line: str, reasons: Sequence[str], style: Style) -> str:
    """As many of the reasons as a line has room for, one at least, and how many there are more."""
    named = [_cut(reason, style, _REASON) for reason in dict.fromkeys(reasons)]
    for count in range(len(named), 0, -1):
        more = f" and {len(named) - count} more" if count < len(named) else ""
        full = line + ", ".join(named[:count]) + more
        if len(full) <= WIDTH or count == 1:
            return full
    return line
