"""`attest explain CODE`: what a code means, why it matters, what to do."""

import click

from attest.cli.verb import Verb
from attest.report import explain as book


@click.command(
    cls=Verb,
    example="attest explain log/equivocation\nattest explain",
)
@click.argument("code", required=False)
def explain(code: str | None) -> None:
    """Say what CODE means, why it matters and what to do about it; without CODE, list them all."""
    if code is None:
        for known in book.explanations().values():
            click.echo(f"{known.code:<32}{known.means}")
        return
    found = book.explanations().get(code)
    if found is None:
        near = book.nearest(code)
        raise click.UsageError(
            f"no such code: {code}" + (f"; near: {', '.join(near)}" if near else ""),
            click.get_current_context(),
        )
    click.echo(found.text())
