"""The catch table: what a cheat tries, family by family, and what comes of it; and honest sites, of which none is
accused.

    python tests/bench/catch.py               all of it, some twenty minutes on two cores
    python tests/bench/catch.py --quick       a sample, under a minute
    python tests/bench/catch.py --passed      and what held all the same, line by line

Families are those of design section 5, generated in `tests/bench/families`. An attempt is one log under one agreement
that the truth breaks, since the simulator knows the truth, by a hair: a cap one FLOP below what was executed. It is
*caught* if the verdict is breached or invalid, *unproven* if it accuses nobody and passes nothing, and *passed* if it
holds.

Counted apart are attempts under terms that take the lab's word for its own telemetry (L1, against a lie that is
consistent), and under those whose page says that they do not see this (what a clock moves out of a power-cap's hour).
Exits with 1 if a family that logs can catch has passed otherwise, or an honest site was accused.
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.bench.families import edges, keys, meters, numbers, places, real, records, telemetry  # noqa: E402
from tests.bench.families.attempt import Result, judge  # noqa: E402
from tests.bench.families.common import Build, Cases  # noqa: E402
from tests.bench.families.honest import Week, honest  # noqa: E402

WEEKS: Final = 1_200
BATCH: Final = 20  # jobs that a process is handed at a time
QUICK: Final = 25  # one in so many
PROCESSES: Final = 2


class Family(NamedTuple):
    """A row of the table. `by_logs`: whether logs can catch it; where they cannot, what passes is said openly."""

    number: int
    title: str
    cases: tuple[Callable[[], Cases], ...]
    by_logs: bool = True


FAMILIES: Final = (
    Family(1, "records made up from day one", (telemetry.fabricated,), by_logs=False),
    Family(2, "chips never declared", (places.undeclared,), by_logs=False),
    Family(3, "intervals, tails, sources dropped", (records.dropped, real.dropped)),
    Family(4, "training under other labels", (telemetry.labelled, real.labelled)),
    Family(5, "one run as many, over sites", (places.split,)),
    Family(6, "two histories", (keys.forked,)),
    Family(7, "backdated, in advance, rewritten", (records.untimely,)),
    Family(8, "stolen, shared, disowned keys", (keys.stolen,)),
    Family(9, "telemetry replayed", (telemetry.replayed,)),
    Family(10, "power past the meters", (meters.bypassed, meters.mistaken), by_logs=False),
    Family(11, "inside what is tolerated", (meters.tolerated, real.tolerated)),
    Family(12, "work inside declared jobs", (telemetry.inside, real.inside)),
    Family(13, "tricks with numbers", (numbers.tricks,)),
    Family(14, "edges of phases, false outages", (edges.gamed,)),
    Family(15, "work moved elsewhere", (places.elsewhere,), by_logs=False),
)


@lru_cache
def cases(number: int) -> Sequence[tuple[str, Build]]:
    """The logs of a family, in their order."""
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
    print(honest_lines(honest_weeks))
    if "--passed" in options:
        print(
            "\n".join(f"{r.family}\t{r.agreement}\t{r.attempt}" for r in found if r.outcome == "holds" and not r.apart)
        )
    return int(any(undue(found)) or any(week.accused for week in honest_weeks))


def undue(found: Iterable[Result]) -> Iterator[Result]:
    """What passed of the families that logs can catch."""
    by_logs = {family.number for family in FAMILIES if family.by_logs}
    return (r for r in found if r.family in by_logs and r.outcome == "holds" and not r.apart)


def table(found: Sequence[Result], step: int) -> str:
    """The table, as Markdown."""
    lines = [
        "| | a cheat's | logs | attempts | caught | unproven | passed | L1: held on its word | L4: held, not claimed |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for family in FAMILIES:
        mine = [r for r in found if r.family == family.number]
        counted = Counter(r.outcome for r in mine if not r.apart)
        logs = -(-len(cases(family.number)) // step)
        caught = counted["breached"] + counted["invalid"]
        passed = f"{counted['holds']:,}" if family.by_logs else f"{counted['holds']:,} (not by logs alone)"
        numbers = (logs, sum(counted.values()), caught, counted["unproven"])
        cells = (str(family.number), family.title, *(f"{n:,}" for n in numbers), passed)
        lines.append("| " + " | ".join((*cells, *(_apart(mine, why) for why in ("word", "page")))) + " |")
    return "\n".join(lines)


def _apart(mine: Iterable[Result], why: str) -> str:
    outcomes = [r.outcome for r in mine if r.apart == why]
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
