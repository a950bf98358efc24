"""From files to a report: read, compare clocks, draft, sign and append. The steps of `attest import`, in order."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import click

from attest.cli.imported import Data, MeterReport, UsageReport, envelope
from attest.cli.verb import console
from attest.cli.workloads import Asked, files_of, rules_of, salts_of
from attest.collect.clock import Session, Shift, find_shift, irregularity, read_session, session_of_mark
from attest.collect.dcgm import Scrape
from attest.collect.devices import Host, gather_series
from attest.collect.files import lines, whole
from attest.collect.irregular import Irregularity, Kind
from attest.collect.meter_statements import MeterOptions, meter_drafts
from attest.collect.power import Options, read_power
from attest.collect.readings import MeterLog
from attest.collect.statements import Draft
from attest.collect.usage_statements import Naming, Roster, UsageOptions, usage_drafts
from attest.collect.workloads import Workload
from attest.errors import ImportDataError
from attest.format.bodies import MAX_DEVICES
from attest.format.vocabulary import Quantity, Role
from attest.inventory.site import planned_off
from attest.record.chain import outbox_of, signer_of
from attest.record.naming import Committing, Told, host_workloads
from attest.record.target import Target, imagined, require_distinct, salt
from attest.report.style import count
from attest.store.outbox import Outbox
from attest.store.writer import LogWriter


class Where(NamedTuple):
    """The log to append to, and as whom."""

    log: str | None
    key: str | None
    passphrase_file: str | None
    source: str | None
    dry_run: bool
    issuer: str | None = None


class Meter(NamedTuple):
    """What is said of a meter's record beyond how to read it."""

    feed: Mapping[str, str]
    quantity: Quantity
    clock_offset: int
    clock_uncertainty: int | None
    session: str | None


class Clock(NamedTuple):
    """One comparison of the meter's clock with a record of its session."""

    session: Session
    shift: Shift
    found: Irregularity | None


def import_power(files: Sequence[str], options: Options, meter: Meter, where: Where) -> Data:
    """`attest import power`: the report, after appending what was not appended before."""
    return import_readings(read_power([(name, lines(name)) for name in files], options), [], meter, where)


def import_readings(log: MeterLog, others: Sequence[Irregularity], meter: Meter, where: Where) -> Data:
    """The report on the record of a meter, whatever it was read from, after appending what was not appended before;
    `others` are irregularities of nodes that are not in it."""
    clocks = _clocks(log, meter)
    found = log.irregularities + [clock.found for clock in clocks if clock.found is not None]
    with _target(where, Role.METER) as (target, box):
        feed_of = _feeds(log, meter.feed, target)
        of_feeds = [i._replace(who=feed_of[i.who]) for i in log.irregularities]
        decisive = clocks[-1:]  # a session's file says more than the mark of its beginning
        doubts = [clock.found for clock in decisive if clock.found is not None]
        drafting = MeterOptions(
            meter.quantity,
            meter.clock_offset,
            meter.clock_uncertainty,
            opening=target.opening(meter.quantity) if target else {},
        )
        chain = target.chain if target else imagined(where.source)
        report = MeterReport(chain)
        series = {feed_of[node]: series for node, series in log.nodes.items()}
        late: list[Irregularity] = []
        drafts = report.watch(meter_drafts(series, [*of_feeds, *doubts], chain, drafting, salt, late))
        windows, appended = _append(drafts, target, box)
    part = {"clock": [_clock(clock) for clock in clocks], **report.data(log.nodes, feed_of)}
    return envelope(chain.sub, windows, appended, [*found, *others, *late], part)


def import_scrapes(
    scrapes: Iterable[Scrape],
    found: list[Irregularity],
    host_name: str | None,
    interval: int,
    where: Where,
    asked: Asked,
) -> Data:
    """The report on the scrapes of one host, whatever they were read from, after appending what was not appended
    before. `found` may grow while `scrapes` are read."""
    host = _host(gather_series(scrapes, found), host_name)
    runs, told = _workloads(asked, host)
    with salts_of(asked, read_only=where.dry_run) as salts, _target(where, Role.HOST) as (target, box):
        committing = Committing(salts, keep=not where.dry_run)
        chain = target.chain if target else imagined(where.source)
        rosters = target.host_rosters() if target else [Roster(0, bytes(32), tuple(host.devices)[:MAX_DEVICES])]
        options = UsageOptions(interval, naming=Naming(runs, committing.name))
        if target is not None:
            options = options._replace(last=target.last_counters(), off=planned_off(target.log))
        report = UsageReport(chain, {roster.digest: roster.uids for roster in rosters})
        drafts = report.watch(usage_drafts(host, rosters, chain, options, salt, found))
        windows, appended = _append(drafts, target, box)
    kept = {*host.devices, host.name}
    others = [i for i in found if i.who in kept or i.who in report.states or i.kind is Kind.PARTIAL]
    part = report.data(host)
    if asked.any:
        part |= report.named(committing.named)
    return envelope(chain.sub, windows, appended, others + told, part)


def _workloads(asked: Asked, host: Host) -> tuple[list[Workload], list[Irregularity]]:
    """The runs that had anything of the host, and what is irregular about them; `attest import slurm` tells of all."""
    if not asked.any:
        return [], []
    found: list[Irregularity] = []
    rules = rules_of(asked)
    files = files_of(asked, rules, found)
    here: list[Irregularity] = []
    runs = host_workloads(Told(files.workloads, files.pods, rules, asked.cluster), host, here)
    names = {run.run for run in runs}
    return runs, [*(irregularity for irregularity in found if irregularity.who in names), *here]


@contextmanager
def _target(where: Where, role: Role) -> Iterator[tuple[Target | None, Outbox | None]]:
    """The source in its log, None for a dry run without one, and its outbox, None for a dry run."""
    if where.log is None and where.key is None and where.dry_run:
        yield None, None
        return
    if where.log is None or where.key is None:
        raise click.UsageError("--log and --key are needed, or --dry-run without them", click.get_current_context())
    signer = signer_of(where.key, where.passphrase_file)
    with LogWriter.open(Path(where.log)) as log:
        target = Target(log, signer, role, where.source, where.issuer)
        if where.dry_run:
            yield target, None
            return
        with outbox_of(log, target.source) as box:
            if begun := target.settle(box):
                console().say(f"attest: hint: first appended what was begun before: {count(len(begun), 'statement')}")
                target = Target(log, signer, role, where.source, where.issuer)
            yield target, box


def _append(drafts: Iterator[Draft], target: Target | None, box: Outbox | None) -> tuple[list[tuple[int, int]], int]:
    """The drafts' windows, and how many of them were signed and appended: all, or none in a dry run."""
    if target is None or box is None:
        return [(draft.start, draft.end) for draft in drafts], 0
    held = list(drafts)  # what cannot be drafted to its end is not begun
    target.append_once(held, box)
    return [(draft.start, draft.end) for draft in held], len(held)


def _feeds(log: MeterLog, said: Mapping[str, str], target: Target | None) -> dict[str, str]:
    """The feed of each node; in a dry run without a log as said, else of the node's own name."""
    unknown = sorted(said.keys() - log.nodes.keys())
    if unknown:
        raise ImportDataError("import/feed", f"no node is called {unknown[0]!r}: {', '.join(log.nodes)[:200]}")
    if target is not None:
        return target.feed_of(log.nodes, said)
    feeds = {node: said.get(node, node) for node in log.nodes}
    require_distinct(feeds)
    return feeds


def _clocks(log: MeterLog, meter: Meter) -> list[Clock]:
    """The meter's clock against its marks and, last and most decisive, the session's own file."""
    offset = meter.clock_offset * 1000
    who = next(iter(log.nodes))
    spans = [(session_of_mark(mark.text), mark.first_ms, mark.last_ms) for mark in log.marks]
    if meter.session is not None:
        first = min(int(series.time_ms[0]) for series in log.nodes.values())
        last = max(int(series.time_ms[-1]) for series in log.nodes.values())
        spans.append((read_session(whole(meter.session), meter.session), first, last))
    clocks = []
    for session, first, last in spans:
        if session is not None:
            shift = find_shift(first + offset, last + offset, session)
            clocks.append(Clock(session, shift, irregularity(shift, session, who, first)))
    return clocks


def _clock(clock: Clock) -> Data:
    """A comparison as the report has it."""
    shift = clock.shift
    fits = f"{shift.least_s:,} to {shift.most_s:,} s ahead"
    if shift.zone_s is None:
        said = f"no zone explains its stamps, {fits}"
    elif shift.zone_s == 0:
        said = "agrees"
    else:
        hours, rest = divmod(abs(shift.zone_s), 3600)
        said = f"{hours} h {rest // 60:02} min {'ahead' if shift.zone_s > 0 else 'behind'}, as of another zone ({fits})"
    return {"session": clock.session.name, **shift._asdict(), "text": f"{said}: session {clock.session.name}"}


def _host(hosts: Mapping[str, Host], name: str | None) -> Host:
    if name is None and len(hosts) == 1:
        return next(iter(hosts.values()))
    if name is None or name not in hosts:
        what = "several hosts" if name is None else f"no host {name!r}"
        hint = "name the one that the source speaks for with --host"
        raise ImportDataError("import/host", f"{what} in the files: {', '.join(hosts)[:200]}", hint=hint)
    return hosts[name]
