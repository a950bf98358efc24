"""`attest check`: judge bundles against an agreement. The verdict is all that goes to stdout.

With `--sign` the same verdict also goes into a file, signed; with `--verdict` such a file is checked by judging again.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from multiprocessing import get_context
from typing import Any, Final

import click

from attest import __version__
from attest.acts import Paper, read_event
from attest.agreement import SignedAgreement, together, verify_agreement
from attest.bundle import Bundle
from attest.check import Map
from attest.check import check as judge_bundles
from attest.cli.errors import complain
from attest.cli.params import PASSPHRASE, TIME, about, parsed, read, write
from attest.cli.verb import Verb, console
from attest.errors import AttestError, MalformedError, MissingError, UnsupportedError
from attest.record.chain import signer_of
from attest.report.verdict import as_json, as_lines, as_text
from attest.sign.verdicts import sign_verdict
from attest.store.directory import DirectoryBundle
from attest.trust.keys import PublicKey, parse_key
from attest.trust.pins import Trust, parse_trust
from attest.trust.signed_verdict import SignedVerdict, require_inputs, require_same, verify_verdict
from attest.verdict import EXIT_MISSING, as_data

MAX_JOBS: Final = 256
AHEAD: Final = 4  # ranges that wait for each process


@click.command(
    cls=Verb,
    example=(
        "attest check demo/honest --agreement demo/pact.agreement --trust demo/trust.toml --at 2026-11-17\n"
        "attest check demo/honest --agreement demo/pact.agreement --trust demo/trust.toml --at 2026-11-17"
        " --sign ada.key -o honest.verdict\n"
        "attest check demo/honest --agreement demo/pact.agreement --trust demo/trust.toml --verdict honest.verdict"
        " --signer $(attest key show ada.key | awk '$1 == \"key\" {print $2}')"
    ),
)
@click.argument("bundles", nargs=-1, required=True, metavar="BUNDLE...")
@click.option("--agreement", required=True, metavar="FILE", help="The signed agreement, the only root of trust.")
@click.option(
    "--other-agreement",
    "others",
    multiple=True,
    metavar="FILE",
    help="The agreement as another party has it: signatures of the same text count together, and whom another text "
    "binds is named; repeatable.",
)
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
    help="A signed event of the agreement, found beside the bundles; repeatable.",
)
@click.option("--at", type=TIME, help="The time of judgement, echoed in the verdict; the default is now.")
@click.option(
    "--format", "form", type=click.Choice(["text", "json", "lines"]), default="text", help="How the verdict is shown."
)
@click.option("--sign", "key_path", metavar="KEY", help="Private key that signs the verdict, into the file of -o.")
@PASSPHRASE
@click.option("-o", "--output", metavar="FILE", help="Where the signed verdict goes.")
@click.option(
    "--verdict",
    "claimed",
    metavar="FILE",
    help="A signed verdict: judge again, at its time, and compare; exit 5 if something else comes of it.",
)
@click.option(
    "--signer",
    metavar="PUBLIC",
    help="The public key that is said to have signed it; without it, one of the agreement's root holders'.",
)
@click.option(
    "--jobs",
    type=click.IntRange(1, MAX_JOBS),
    default=1,
    metavar="N",
    help="Processes that share the work on a large log; the verdict is the same.",
)
@click.option(
    "--anomalies",
    is_flag=True,
    help="Read every block once more, for what single devices show from interval to interval. Changes no outcome.",
)
def check(
    bundles: Sequence[str],
    agreement: str,
    others: Sequence[str],
    trust: str | None,
    events: Sequence[str],
    at: int | None,
    form: str,
    key_path: str | None,
    passphrase_file: str | None,
    output: str | None,
    claimed: str | None,
    signer: str | None,
    jobs: int,
    anomalies: bool,
) -> int:
    """Judge each BUNDLE, a copy of a site's log, against an agreement: holds, breached, unproven or invalid.

    The bundles of all parties are judged together, and a party without one is unproven. A signed verdict is checked by
    whoever has the same bundles, agreement and trust file: --verdict judges again and compares byte for byte.
    """
    _require_usage(key_path, output, claimed, signer, at)
    signed = _agreement(agreement, others)
    pins = None if trust is None else parsed(trust, parse_trust)
    key = None if key_path is None else signer_of(key_path, passphrase_file)
    said = None if claimed is None else _claimed(claimed, signer, signed, pins)
    papers = [Paper(parsed(path, _paper)) for path in events]
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
    time_ = said.claims.at if said is not None else int(time.time()) if at is None else at
    series = anomalies if said is None else said.claims.series
    with workers(jobs) as map_:
        verdict = judge_bundles(opened, signed, pins, at=time_, map=map_, papers=papers, anomalies=series)
    for text in verdict.missing:
        complain(text, "get another copy of the bundle")
    verdict = replace(verdict, missing=(*missing, *verdict.missing))
    data = as_data(verdict)
    if form == "json":
        click.echo(as_json(data), nl=False)
    elif form == "lines":
        click.echo(as_lines(data), nl=False)
    else:
        copies = {site.origin: site.bundle for party in verdict.parties for site in party.sites}
        click.echo(as_text(data, console().style, copies), nl=False)
    if verdict.missing and (key is not None or said is not None):
        detail = "files could not be read, so this verdict is of nothing that anybody else could judge again"
        raise AttestError("verdict/missing", detail, hint="get another copy of the bundle")
    if said is not None:
        require_same(said, as_json(data).encode())
        console().say(f"{claimed} was signed by {said.signer}, and judging again gives the same bytes")
    if key is not None and output is not None:
        write(output, sign_verdict(as_json(data).encode(), key))
    return verdict.exit_code


def _require_usage(
    key: str | None, output: str | None, claimed: str | None, signer: str | None, at: int | None
) -> None:
    ctx = click.get_current_context()
    if (key is None) != (output is None) or output == "-":
        raise click.UsageError("--sign KEY and -o FILE go together, and the verdict itself goes to stdout", ctx)
    if signer is not None and claimed is None:
        raise click.UsageError("--signer is for --verdict", ctx)
    if at is not None and claimed is not None:
        raise click.UsageError("--verdict is judged again at the time that it names; leave out --at", ctx)


def _agreement(path: str, others: Sequence[str]) -> SignedAgreement:
    signed = parsed(path, verify_agreement)
    for other in others:
        data = read(other)
        with about(other):
            signed = together(signed, [data])
    return signed


def _claimed(path: str, signer: str | None, agreement: SignedAgreement, trust: Trust | None) -> SignedVerdict:
    """A signed verdict that judging again can give."""
    keys: dict[bytes, tuple[str, PublicKey]] = {
        key.thumbprint: (f"{holder.name} of {party.name}", key)
        for party in agreement.agreement.parties
        for holder in party.holders.holders
        for key in holder.keys
    }
    if signer is not None:
        known = parse_key(signer)
        keys = {known.thumbprint: (keys[known.thumbprint][0] if known.thumbprint in keys else signer, known)}
    data = read(path)
    with about(path):
        found = verify_verdict(data, keys)
        digest = None if trust is None else trust.digest
        require_inputs(found.claims, version=__version__, agreement=agreement.agreement.digest, trust=digest)
    return found


def _paper(data: bytes) -> bytes:
    """A file that a verifier gives for an event: one that was damaged on the way must not pass for none."""
    try:
        with suppress(UnsupportedError):  # what that makes of the verdict depends on who signed it
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
