"""From when on an inventory may be in force, so that no statement ever has two rosters in its window.

A verifier takes no usage statement whose window another inventory came into force in (`usage/roster`): a lab that
declared for a time that its hosts have spoken of would make its own log invalid. So an inventory begins

- on a whole minute, and on an edge of the intervals of every host;
- not before the office's last statement, after which its next one begins;
- not before the end of the last statement of any host that the inventory before it has, or that such a host has begun
  to sign.

And since a source's windows have no holes, a host that was left without accelerators for any time has ended: another
source has to speak for what comes there.
"""

from typing import Final

from attest.collect.stamps import format_time
from attest.errors import LogError
from attest.format.bodies import UsageBody
from attest.format.roster import Roster
from attest.format.statement import Statement, parse_statement
from attest.inventory.declared import roster_of
from attest.inventory.site import Site
from attest.store.outbox import Outbox, box_path
from attest.store.writer import LogWriter

MINUTE: Final = 60
HOUR: Final = 3_600


def next_edge(now: int) -> int:
    """The next full hour, the edge of a bucket in most agreements, by which all who sign can know of it."""
    return (now // HOUR + 1) * HOUR


def require_edge(log: LogWriter, site: Site, roster: Roster, at: int) -> None:
    """Raises LogError unless `roster` can be in force from `at` on: `inventory/edge`, `inventory/past`,
    `inventory/spoken`, `inventory/host-ended`."""
    if at % MINUTE:
        raise LogError("inventory/edge", f"{_utc(at)} is not on a whole minute", hint="take a full hour")
    office = _last(log, parse_statement(log.entry(0)).header.sub)
    if office is not None and at < office.end:
        detail = f"the office has spoken until {_utc(office.end)}: from then on at the earliest"
        raise LogError("inventory/past", detail, hint=f"--at {_utc(next_edge(office.end - 1))}")
    before = {host.sub for host in site.roster.hosts} if site.roster else set()
    for sub in sorted(before, key=lambda sub: log.last(sub) or 0):  # as their statements lie, each tile read once
        _require_unspoken(log, sub, at)
    for sub in {host.sub for host in roster.hosts} - before:
        if _last(log, sub) is not None and not _had_until(log, site, sub, at):
            detail = f"{sub} has no accelerators up to {_utc(at)}, and its statements have no holes"
            hint = "enrol another source for the host: attest key request"
            raise LogError("inventory/host-ended", detail, hint=hint)


def _require_unspoken(log: LogWriter, sub: str, at: int) -> None:
    last = _last(log, sub)
    until = max(_begun_until(log, sub), 0 if last is None else last.end)
    if at < until:
        detail = f"{sub} has spoken until {_utc(until)}: from then on at the earliest"
        raise LogError("inventory/spoken", detail, hint=f"--at {_utc(next_edge(until - 1))}")
    if last is not None and isinstance(last.body, UsageBody) and at % last.body.interval:
        detail = f"{_utc(at)} is inside an interval of {last.body.interval} s of {sub}"
        raise LogError("inventory/edge", detail, hint="take a full hour")


def _begun_until(log: LogWriter, sub: str) -> int:
    """Until when a source has spoken in what it began to sign before a crash, and the log does not have yet."""
    path = box_path(log.path, sub)
    if not path.is_dir():
        return 0
    with Outbox(path) as box:
        return box.until() or 0


def _last(log: LogWriter, sub: str) -> Statement | None:
    index = log.last(sub)
    return None if index is None else parse_statement(log.entry(index)).statement


def _had_until(log: LogWriter, site: Site, sub: str, at: int) -> bool:
    """Whether the inventory that is in force until `at` has the host."""
    earlier = [inventory for inventory in site.inventories if inventory.start < at]
    return bool(earlier) and any(host.sub == sub for host in roster_of(log, earlier[-1]).hosts)


def _utc(seconds: int) -> str:
    return format_time(seconds * 1000)
