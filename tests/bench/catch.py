"""The catch table: what a cheat tries, family by family and term by term, and what comes of it; and honest sites, of
which none is accused.

    python tests/bench/catch.py               all of it, half an hour on two cores
    python tests/bench/catch.py --quick       a sample, one or two minutes
    python tests/bench/catch.py --passed      and what held all the same, line by line

Families are those of design section 5, generated in `tests/bench/families`. An attempt is one log under one agreement
that the truth breaks, since the simulator knows the truth, by a hair: a cap one FLOP below what was executed. It is
*caught* if the verdict is breached or invalid, *unproven* if it accuses nobody and passes nothing, and *passed* if it
holds.

Three kinds of attempts are counted apart, in columns of their own and by what was said of them before they were judged
(`families.attempt`): what is beyond logs, what is the lab's word, and what a term's page does not claim. Exits with 1
if anything else has passed, or an honest site was accused.
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Final, NamedTuple, get_args

ROOT: Final = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from attest.agreement import Term  # noqa: E402
from tests.bench.families import acts, edges, keys, meters, notices, numbers, places, real, records, telemetry  # noqa: E402
from tests.bench.families.attempt import Apart, Result, judge  # noqa: E402
from tests.bench.families.common import Build, Cases  # noqa: E402
from tests.bench.families.honest import Week, honest  # noqa: E402

WEEKS: Final = 1_000
BATCH: Final = 20  # jobs that a process is handed at a time
QUICK: Final = 23  # one in so many, and no multiple of how many stories a family has
PROCESSES: Final = 2


class Family(NamedTuple):
    """A row of the table."""

    number: int
    title: str
    cases: tuple[Callable[[], Cases], ...]


FAMILIES: Final = (
    Family(1, "records made up from day one", (telemetry.fabricated,)),
    Family(2, "chips never declared", (places.undeclared,)),
    Family(3, "intervals, tails, sources dropped", (records.dropped, notices.left_out, real.dropped)),
    Family(4, "training under other labels", (telemetry.labelled, real.labelled)),
    Family(5, "one run as many, over sites", (places.split,)),
    Family(6, "two histories", (keys.forked,)),
    Family(7, "backdated, in advance, rewritten", (records.untimely, notices.untimely)),
    Family(8, "stolen, shared, disowned keys", (keys.stolen,)),
    Family(9, "telemetry replayed", (telemetry.replayed,)),
    Family(10, "power past the meters", (meters.bypassed,)),
    Family(11, "inside what is tolerated", (meters.tolerated, real.tolerated)),
    Family(12, "work inside declared jobs", (telemetry.inside, real.inside)),
    Family(13, "tricks with numbers", (numbers.tricks, numbers.of_meters)),
    Family(14, "edges of phases, false outages", (edges.gamed, acts.acted)),
    Family(15, "work moved elsewhere", (places.elsewhere,)),
)


# A lab's; that of archives has attacks of its own (tests/attacks/test_custody.py).
KINDS: Final[tuple[str, ...]] = tuple(term.kind for term in get_args(Term) if term.kind != "custody")


@lru_cache(maxsize=1)
def cases(number: int) -> Sequence[tuple[str, Build]]:
    """The logs of a family, in their order. Of one family at a time, since sites remember what happened at them."""
    (family,) = (family for family in FAMILIES if family.number == number)
    return [case for generator in family.cases for case in generator()]


def attempts(number: int, chosen: Iterable[int]) -> list[Result]:
    """What comes of some logs of a family."""
    results: list[Result] = []
    for place in chosen:
        name, build = cases(number)[place]
        results += judge(number, name, build())
    return results


def weeks(chosen: Iterable[int]) -> list[Week]:
    """Some honest site-weeks."""
    return [honest(number) for number in chosen]


def main(options: Sequence[str]) -> int:
    """Everything, as one table."""
    step = QUICK if "--quick" in options else 1
    found: list[Result] = []
    honest_weeks: list[Week] = []
    with ProcessPoolExecutor(PROCESSES, get_context("spawn")) as pool:
        attempted = [
            pool.submit(attempts, family.number, batch)
            for family in FAMILIES
            for batch in _batches(range(0, len(cases(family.number)), step))
        ]
        weekly = [pool.submit(weeks, batch) for batch in _batches(range(0, WEEKS, step))]
        for future in attempted:
            found += future.result()
        for done in weekly:
            honest_weeks += done.result()
    print(table(found, step))
    print("\n" + by_kind(found))
    print(honest_lines(honest_weeks))
    if "--passed" in options:
        print(
            "\n".join(f"{r.family}\t{r.agreement}\t{r.attempt}\t{r.apart or ''}" for r in found if r.outcome == "holds")
        )
    return int(any(undue(found)) or any(week.accused for week in honest_weeks))


def undue(found: Iterable[Result]) -> Iterator[Result]:
    """What passed and should not have."""
    return (r for r in found if r.outcome == "holds" and r.apart is None)


def table(found: Sequence[Result], step: int) -> str:
    """Family by family, as Markdown."""
    lines = [
        "| | a cheat's | logs | attempts | caught | unproven | passed | beyond logs: held | L1, its word: held"
        " | not claimed: held |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for family in FAMILIES:
        mine = [r for r in found if r.family == family.number]
        logs = -(-len(cases(family.number)) // step)
        apart = (_apart(mine, why) for why in Apart)
        lines.append(_line(str(family.number), family.title, f"{logs:,}", *_outcomes(mine), *apart))
    return "\n".join(lines)


def by_kind(found: Sequence[Result]) -> str:
    """Term by term, as Markdown."""
    lines = [
        "| term | attempts | caught | unproven | passed | beyond logs: held | L1, its word: held | not claimed: held |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for kind in KINDS:
        mine = [r for r in found if r.kind == kind]
        lines.append(_line(kind, *_outcomes(mine), *(_apart(mine, why) for why in Apart)))
    return "\n".join(lines)


def _line(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def _outcomes(mine: Iterable[Result]) -> list[str]:
    counted = Counter(r.outcome for r in mine if r.apart is None)
    numbers = (sum(counted.values()), counted["breached"] + counted["invalid"], counted["unproven"], counted["holds"])
    return [f"{number:,}" for number in numbers]


def _apart(mine: Iterable[Result], why: Apart) -> str:
    outcomes = [r.outcome for r in mine if r.apart is why]
    return f"{outcomes.count('holds'):,} of {len(outcomes):,}" if outcomes else ""


def honest_lines(found: Sequence[Week]) -> str:
    """Honest sites: how they fared and why."""
    outcomes = Counter(week.outcome for week in found)
    accused = [week for week in found if week.accused]
    lines = [
        f"\nhonest site-weeks {len(found):,}: {outcomes['holds']:,} hold, {outcomes['unproven']:,} unproven,"
        f" {len(accused):,} accused"
    ]
    lines += [f"  accused: site-week {w.number} {w.kind} {w.outcome} {w.codes} {w.troubles}" for w in accused]
    codes = Counter(code for week in found if week.outcome == "unproven" for code in week.codes)
    lines.append("  unproven with " + ", ".join(f"{code} {n:,}" for code, n in codes.most_common()))
    troubles = Counter(trouble for week in found for trouble in week.troubles)
    lines.append("  weeks in which " + ", ".join(f"{trouble} {n:,}" for trouble, n in troubles.most_common()))
    return "\n".join(lines)


def _batches(places: Iterable[int]) -> Iterator[list[int]]:
    rest = iter(places)
    while batch := list(islice(rest, BATCH)):
        yield batch


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
