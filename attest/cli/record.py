"""`attest record`: sample, sign and seal beside a cluster, for as long as it runs (schemas/record.md)."""

import logging
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Final

import click

from attest.cli.params import about, read
from attest.cli.verb import Verb, console
from attest.format.vocabulary import Role
from attest.record.access import Access, open_site
from attest.record.asking import Asking
from attest.record.chain import signer_of
from attest.record.clock import SystemClock
from attest.record.closing import Window
from attest.record.collectors import open_collector, require_kind
from attest.record.config import Config, parse_config
from attest.record.kept import Kept
from attest.record.lines import log_to
from attest.record.local import LocalLog, Opened
from attest.record.meeting import Meeting
from attest.record.metrics import Metrics
from attest.record.recorder import Closer, Recorder, Times
from attest.record.remote import SiteLog
from attest.record.site import source_id
from attest.record.spool import Spool
from attest.sign.notes import sign_note
from attest.store.writer import LogWriter

MAX_SPREAD: Final = 300  # s
STOPS: Final = (signal.SIGTERM, signal.SIGINT)


@click.command(cls=Verb, example="attest record --config record.toml --once")
@click.option("--config", "path", required=True, metavar="FILE", help="What is sampled, and where it goes.")
@click.option("--once", is_flag=True, help="Sample once, close and seal what is due, and end; for cron.")
def record(path: str, once: bool) -> None:
    """Sample at the interval's boundaries, sign a statement a window, seal the log.

    Samples are on the disk before anything else happens to them. What nobody sampled is stated as missing, and why is
    kept beside the spool. It ends at SIGTERM or SIGINT, and goes on where it was when it is begun again.
    """
    with about(path):
        config = parse_config(read(path), Path(path).resolve().parent)
    log_to(sys.stderr, logging.DEBUG if console().verbose else logging.INFO)
    clock = SystemClock()
    with _until_told(clock), closing(Spool(config.spool, config.spool_limit)) as spool:
        metrics = Metrics()
        if config.metrics is not None and not once:
            metrics.serve(config.metrics)
        recorder = Recorder(_times(config), clock, _asking(config), spool, _closer(config, spool), metrics)
        if once:
            recorder.once()
        else:
            with ThreadPoolExecutor(1, "close") as pool:
                recorder.run(pool)


@contextmanager
def _until_told(clock: SystemClock) -> Iterator[None]:
    """SIGTERM and SIGINT end the clock's waits, and nothing that is under way."""
    before = {name: signal.signal(name, lambda number, frame: clock.stop()) for name in STOPS}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


def _times(config: Config) -> Times:
    late = config.interval / 2 + config.timeout + 1
    if config.site is not None:  # not all hosts of a site at once
        late += int(source_id(config.site.source)[:8], 16) / 2**32 * min(MAX_SPREAD, config.window / 10)
    return Times(config.interval, config.timeout, config.window, config.seal, late)


def _asking(config: Config) -> Asking:
    for one in config.collect:
        require_kind(one, config.meter is not None)
    return Asking([open_collector(one, config.timeout, config.host) for one in config.collect])


def meeting(config: Config, access: Access) -> Meeting:
    """The host or meter and the log of its site. Raises AttestError."""
    site, kept = open_site(access), Kept(config.spool / "site")
    role = Role.HOST if config.meter is None else Role.METER
    return Meeting(site, access.source, access.vkeys, _keys(config), kept, role)


def _keys(config: Config) -> list[Opened]:
    return [partial(signer_of, key, config.passphrase_file) for key in config.keys]


def _closer(config: Config, spool: Spool) -> Closer:
    window = Window(config.interval, config.window, config.longest_gap, config.host, config.workloads)
    if config.site is not None:
        return SiteLog(meeting(config, config.site), spool, window, config.spool / "causes.jsonl", config.meter)
    assert config.log is not None
    with LogWriter.open(config.log, read_only=True) as log:
        origin = log.origin
    signers = [signer_of(key, config.passphrase_file) for key in config.log_keys]

    def sign(text: str) -> bytes:
        return sign_note(text, origin, signers)

    return LocalLog(config.log, _keys(config), spool, window, config.spool, sign if signers else None, config.meter)
