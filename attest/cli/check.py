"""`attest check`: judge bundles against an agreement. The verdict is all that goes to stdout."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing import get_context
from typing import Any, Final

import click

from attest.acts import Paper, read_event
from attest.agreement import verify_agreement
from attest.amendments import is_agreement
from attest.bundle import Bundle
from attest.check import Map
from attest.check import check as judge_bundles
from attest.cli.errors import complain
from attest.cli.params import TIME, parsed
from attest.cli.verb import Verb, console
from attest.errors import MalformedError, MissingError
from attest.report.verdict import as_json, as_lines, as_text
from attest.store.directory import DirectoryBundle
from attest.trust.pins import parse_trust
from attest.verdict import EXIT_MISSING, as_data

MAX_JOBS: Final = 256
AHEAD: Final = 4  # ranges that wait for each process


@click.command(
    cls=Verb,
    example="attest check demo/honest --agreement demo/pact.agreement --trust demo/trust.toml --at 2026-11-17",
)
@click.argument("bundles", nargs=-1, required=True, metavar="BUNDLE...")
@click.option("--agreement", required=True, metavar="FILE", help="The signed agreement, the only root of trust.")
@click.option(
    "--trust",
    metavar="FILE",
    help="What you know from elsewhere: the agreement's digest or the parties' root holders. "
    "Without it no outcome is better than unproven.",
)
@click.option(
    "--event",
    "events",
    multiple=True,
    metavar="FILE",
    help="A signed event or amendment of the agreement, found beside the bundles; repeatable.",
)
@click.option("--at", type=TIME, help="The time of judgement, echoed in the verdict; the default is now.")
@click.option(
    "--format", "form", type=click.Choice(["text", "json", "lines"]), default="text", help="How the verdict is shown."
)
@click.option(
    "--jobs",
    type=click.IntRange(1, MAX_JOBS),
    default=1,
    metavar="N",
    help="Processes that share the work on a large log; the verdict is the same.",
)
def check(
    bundles: Sequence[str],
    agreement: str,
    trust: str | None,
    events: Sequence[str],
    at: int | None,
    form: str,
    jobs: int,
) -> int:
    """Judge each BUNDLE, a copy of a site's log, against an agreement: holds, breached, unproven or invalid."""
    signed = parsed(agreement, verify_agreement)
    pins = None if trust is None else parsed(trust, parse_trust)
    papers = [Paper(parsed(path, _paper), path) for path in events]
    opened: list[Bundle] = []
    missing: list[str] = []
    for path in bundles:
        try:
            opened.append(DirectoryBundle(path))
        except MissingError as error:
            missing.append(str(error))
            complain(str(error), error.hint)
    if not opened:
        return EXIT_MISSING
    with workers(jobs) as map_:
        when = int(time.time()) if at is None else at
        verdict = judge_bundles(opened, signed, pins, at=when, map=map_, papers=papers)
    for text in verdict.missing:
        complain(text, "get another copy of the bundle")
    verdict = replace(verdict, missing=(*missing, *verdict.missing))
    data = as_data(verdict)
    if form == "json":
        click.echo(as_json(data), nl=False)
    elif form == "lines":
        click.echo(as_lines(data), nl=False)
    else:
        click.echo(as_text(data, console().style), nl=False)
    return verdict.exit_code


def _paper(data: bytes) -> bytes:
    """A file that a verifier gives for an event: one that was damaged on the way must not pass for none."""
    if not is_agreement(data):
        try:
            read_event(data)
        except MalformedError as error:
            raise MissingError(error.code, error.detail, hint="get another copy of the event") from error
    return data


@contextmanager
def workers(jobs: int) -> Iterator[Map]:
    """A map over so many processes, which are begun afresh: a fork would inherit the threads of numerical libraries."""
    if jobs == 1:
        yield map
        return
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:

        def map_(function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
            # Not pool.map, which takes all items at once: a head can state a size that no memory has room for.
            waiting: deque[Future[Any]] = deque()
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) > AHEAD * jobs:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()

        yield map_
