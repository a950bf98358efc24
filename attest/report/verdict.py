"""A verdict as text, as JSON and as lines, each rendered from the same JSON data (attest.verdict.as_data).

Text is for people: for each party the outcome, the four lights, the terms that do not simply hold, and each finding
with its place and what would settle it. `lines` is for grep: code, place and text between tabs.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from attest.report.matrix import matrix
from attest.report.style import PLAIN, Style

Data = dict[str, Any]

_LIGHT_MARK: Final = {"pass": "holds", "fail": "breached", "not checked": "unproven"}
_SERIOUS: Final = ("invalid", "breached", "unproven", "holds")
_NONE: Final[Mapping[str, str]] = {}
MOST_FINDINGS: Final = 20  # of one party in text; JSON and lines have all


def as_json(data: Data) -> str:
    """The data itself."""
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def as_lines(data: Data) -> str:
    """One line a finding, and one for each outcome: code, where, text."""
    rows = [(f"outcome/{data['outcome']}", data["agreement"]["name"], f"exit {data['exit_code']}")]
    for party in data["parties"]:
        rows.append((f"outcome/{party['outcome']}", party["name"], ""))
        for term in party["terms"]:
            rows.append(
                (f"term/{term['kind']}", f"{party['name']} {term['phase']}", f"{term['outcome']}: {term['text']}")
            )
        rows += [(f["code"], _place(f) or party["name"], f["text"]) for f in _findings(party)]
    rows += [(f["code"], _place(f), f["text"]) for f in data["findings"]]
    return "".join("\t".join(_flat(cell) for cell in row) + "\n" for row in rows)


def as_text(data: Data, style: Style = PLAIN, copies: Mapping[str, str] = _NONE) -> str:
    """The verdict for people; `copies` says by origin where a copy of the log lies, so that it can be looked into."""
    return "\n".join(_lines(data, style, copies)) + "\n"


def _lines(data: Data, style: Style, copies: Mapping[str, str]) -> Iterator[str]:
    if len(data["parties"]) != 1 or data["findings"]:
        count = f"{len(data['parties'])} part{'y' if len(data['parties']) == 1 else 'ies'}"
        yield f"{_outcome(data['outcome'], style)} {data['agreement']['name']} · {count}"
    if len(data["parties"]) > 1:
        yield from matrix(data, style)
    for finding in data["findings"]:
        yield from _finding(finding, "")
    for party in data["parties"]:
        yield from _party(party, style, copies)
    for code, text in data["not_covered"].items():
        yield f"  not covered     {text} ({code})"
    agreement, trust = data["agreement"], data["trust"]
    yield f"  agreement       {agreement['name']} version {agreement['version']}, SHA-256 {agreement['sha256']}"
    yield f"  trust           {'nothing pinned' if trust is None else 'SHA-256 ' + trust['sha256']}"
    for event in data["events"]:
        yield f"  event           SHA-256 {event}"
    yield f"  judged at       {data['at']}, by attest {data['version']}"


def _party(party: Data, style: Style, copies: Mapping[str, str]) -> Iterator[str]:
    terms = party["terms"]
    phases = list(dict.fromkeys(term["phase"] for term in terms))
    span = ""
    if terms:
        first, last = min(t["from"] for t in terms), max(t["until"] for t in terms)
        span = f" · {_day(first)} to {_day(last)} UTC"
    of_log = {(site["origin"], site["devices"]) for site in party["sites"]}  # of which two copies may have been given
    logs = {origin for origin, _ in of_log}
    devices = sum(max(n for origin, n in of_log if origin == log) for log in logs)
    name = " · ".join([party["name"], *phases]) + span + (f" · {devices:,} accelerators" if devices else "")
    yield f"{_outcome(party['outcome'], style)} {name}"
    for light, shown in party["lights"].items():
        state = _LIGHT_MARK[shown["status"]]
        yield f"  {style.paint(style.mark(state), state)} {light:<13} {shown['text']}"
    for term in terms:
        if term["outcome"] != "holds" or len(terms) <= 12:
            name = f"{term['term']} ({term['phase']}, {term['assurance']})"
            yield f"  {style.mark(term['outcome'])} term          {name}: {term_text(term)}"
        if term["outcome"] != "holds":
            yield from (
                f"    high from  {value:.3g} FLOP {part}, meters aside"
                for part, value in term["parts"].items()
                if value
            )
    findings = sorted(_findings(party), key=lambda f: _SERIOUS.index(f["outcome"]))
    for finding in findings[:MOST_FINDINGS]:
        yield from _finding(finding, copies.get(next(iter(logs), ""), "") if len(logs) == 1 else "")
    if len(findings) > MOST_FINDINGS:
        yield f"  and {len(findings) - MOST_FINDINGS:,} more findings: --format lines shows them all"


def term_text(term: Data) -> str:
    """A term's outcome in numbers."""
    if term["unit"] == "FLOP" and term["high"] is not None:
        return (
            f"{term['text']}, low {term['low']:.3g}, high {term['high']:.3g}, limit {term['limit']:.3g} FLOP:"
            f" {term['outcome']}"
        )
    return f"{term['text']}: {term['outcome']}"


def _findings(party: Data) -> list[Data]:
    return [*party["findings"], *(f for term in party["terms"] for f in term["findings"])]


def _finding(finding: Data, bundle: str) -> Iterator[str]:
    scope = f" [{finding['scope']}]" if finding["scope"] else ""
    yield f"  {finding['code']}  {finding['text']}{scope}"
    where = finding["where"]
    if where:
        yield f"    where      {_place(finding)}"
    if finding["to_settle"]:
        yield f"    to settle  {finding['to_settle']}"
    if "index" in where and bundle:
        yield f"    look       attest open {bundle} {where['index']}"


def _place(finding: Data) -> str:
    where = finding["where"]
    parts = []
    if "index" in where:
        parts.append(f"statement {where['index']:,}")
    if "source" in where:
        parts.append(where["source"])
    if "seq" in where:
        parts.append(f"seq {where['seq']:,}")
    if "feed" in where:
        parts.append(f"feed {where['feed']}")
    if "from" in where:
        parts.append(f"{where['from']} to {where['until']}")
    return ", ".join(parts)


def _outcome(outcome: str, style: Style) -> str:
    return style.paint(f"{style.mark(outcome)} {outcome.upper()}", outcome) + " "


def _day(time: str) -> str:
    return time.removesuffix("T00:00:00Z").replace("T", " ").removesuffix(":00Z")


def _flat(text: str) -> str:
    return " ".join(text.split())
