"""The command `attest`: which verbs there are and where they live; nothing else is imported to print help."""

import os
import sys
from pathlib import Path
from typing import Final

import click
from click.shell_completion import shell_complete

import attest
from attest.cli.errors import report
from attest.cli.streams import named_streams
from attest.cli.verb import COMPLETE, Entry, Verbs, read_config

VERBS: Final = {
    "check": Entry("attest.cli.check:check", "Judge bundles against an agreement: the verdict."),
    "open": Entry("attest.cli.open:open_", "Decode what is there, without judging it."),
    "explain": Entry("attest.cli.explain:explain", "Say what a code means and what to do about it."),
    "key": Entry("attest.cli.key:key", "Make keys, show them, and enrol, rotate or revoke them in a log."),
    "log": Entry("attest.cli.log:log", "Keep a site's log: begin it, append to it, seal it."),
    "inventory": Entry("attest.cli.inventory:inventory", "Declare accelerators, move, retire, compare with hosts."),
    "import": Entry("attest.cli.import_:import_", "Turn telemetry files into signed statements of a log."),
    "record": Entry("attest.cli.record:record", "Sample, sign and seal beside a cluster, for as long as it runs."),
    "reveal": Entry("attest.cli.reveal:reveal", "Open one run that statements name by a commitment."),
    "site": Entry("attest.cli.site:site", "Keep the log of a site that many hosts hand their statements to."),
    "agreement": Entry("attest.cli.agreement:agreement", "Begin, lint, sign and show agreements."),
    "event": Entry("attest.cli.event:event", "Sign what happens in the life of an agreement, and show it."),
    "archive": Entry("attest.cli.archive:archive", "Keep what labs deliver, judge it, show that nothing was lost."),
    "demo": Entry("attest.cli.demo:demo", "Make four labs, one honest, and tell them apart."),
    "completion": Entry("attest.cli.completion:completion", "Print a shell completion script or the manual page."),
}


@click.group(
    "attest",
    cls=Verbs,
    lazy=VERBS,
    example="attest explain log/equivocation",
    context_settings={
        "auto_envvar_prefix": "ATTEST",
        "max_content_width": 100,
        "help_option_names": ["-h", "--help"],
    },
)
@click.version_option(attest.__version__, prog_name="attest")
@click.option(
    "--config",
    is_eager=True,
    expose_value=False,
    callback=read_config,
    metavar="FILE",
    help="TOML file with defaults, one table a verb.",
)
def root() -> None:
    """Evidence of what accelerators and power meters did: sign it, and check it offline.

    The verdict goes to stdout, everything else to stderr. Times are UTC. Every option can also be
    given as a variable (ATTEST_CHECK_TRUST for "attest check --trust") or in the file of --config;
    the command line wins.
    """


def main(args: list[str] | None = None) -> None:
    """Runs the command line and exits with one of `EXIT_CODES`; `args` default to those of the process."""
    words = sys.argv[1:] if args is None else args
    _require_streams()
    if asked := os.environ.get(COMPLETE):
        sys.exit(shell_complete(root, {}, "attest", COMPLETE, asked))
    with named_streams():
        code = _run(words)
    sys.exit(code if type(code) is int else 0)


def _run(words: list[str]) -> object:
    """What the verb returned, or the exit code of what went wrong."""
    verb = next((word for word in words if word in VERBS), "")
    try:
        # Not root.main(), which has exit codes of its own for what goes wrong.
        with root.make_context("attest", list(words)) as ctx:
            code: object = root.invoke(ctx)
        sys.stdout.flush()
    except click.exceptions.Exit as done:
        return done.exit_code
    except SystemExit:
        raise
    except BaseException as error:  # noqa: BLE001 - a crash must not look like a verdict
        return report(error, verb)
    return code


def _require_streams() -> None:
    """A stream that was closed before the program began is nowhere to read from or to write to."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - until the end
