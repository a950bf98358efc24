"""What one piece of work costs beside a long log, as a multiple of what it costs beside a short one.

    python tests/bench/log_length.py [SHORT LONG]         the default is 10,000 and 200,000 entries

The log is one of a site with real keys; most of its entries are statements of other hosts, whose signatures nobody
looks at here. Each piece of work is done a few times, each time on what the one before it left, and the least
processor time counts. Commands are run inside this process, so that starting Python does not count. A ratio near 1
says that the work does not grow with the log.
"""

import contextlib
import io
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from attest.cli.main import main as command  # noqa: E402
from attest.record.closing import Window  # noqa: E402
from attest.record.frames import of_sample  # noqa: E402
from attest.record.local import LocalLog  # noqa: E402
from attest.record.site import source_id  # noqa: E402
from attest.record.spool import Spool  # noqa: E402
from attest.site.budget import Limit, Limits  # noqa: E402
from attest.site.desk import Desk  # noqa: E402
from attest.store.writer import LogWriter  # noqa: E402
from tests.cli.sandbox import write_key  # noqa: E402
from tests.collect.test_import import START  # noqa: E402
from tests.record.long_log import fill, sign, statements  # noqa: E402
from tests.record.rig import Devices, PlayedClock  # noqa: E402
from tests.site.rig import Lab, Teller, signer, sub  # noqa: E402

HOUR: Final = 3_600
TIMES: Final = 5
UNBOUNDED: Final = Limits(Limit(1 << 40, 1 << 40), Limit(1 << 40, 1 << 40))


class Bench:
    """A site's log, and who works on it."""

    def __init__(self, path: Path) -> None:
        self.lab = Lab(path, ("recorder", "agent", "carried", "imported"))
        self.lab.make()
        self.log = self.lab.log
        for name in ("office", "log", "imported"):
            write_key(path / f"{name}.key", f"import {name}")
        self.others = statements()
        self.agent, self.carried = Teller(self.lab, "agent"), Teller(self.lab, "carried")
        self.spool = Spool(path / "spool", 1 << 24)
        self.closed = self.scraped = START
        self.clock = PlayedClock(START * 1000, 0)
        self.devices = Devices(self.clock, uids=("recorder-GPU-0", "recorder-GPU-1"))
        window = Window(60, HOUR, 1 << 40)
        self.recorder = LocalLog(self.log, [lambda: signer("recorder")], self.spool, window, path, sign)
        self.seal()

    def seal(self) -> None:
        with LogWriter.open(self.log) as log:
            log.seal(sign)

    # -- pieces of work

    def open(self) -> None:
        LogWriter.open(self.log).close()

    def sampled(self) -> int:
        """An hour of samples into the spool; the time at which its window is due, ms."""
        end = self.closed + HOUR
        while self.scraped <= end:
            self.clock.true_ms = self.scraped * 1000
            self.spool.append(of_sample("dcgm", self.clock.true_ms, self.devices.collect(self.clock.true_ms)))
            self.scraped += 60
        self.closed = end
        return (end + 60) * 1000

    @staticmethod
    def run(*words: str, ends: int = 0) -> None:
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            try:
                command([*words])
            except SystemExit as end:
                if end.code != ends:
                    raise AssertionError(said.getvalue()) from end

    def given(self) -> str:
        """A statement that was signed elsewhere, as a file."""
        path = self.lab.path / "carried.cose"
        path.write_bytes(self.carried.next()[0])
        return str(path)

    def exposition(self, start: int) -> str:
        """An hour of one device, as an exporter's history."""
        name, labels = (
            "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION",
            'gpu="0",UUID="imported-GPU-0",modelName="H100",Hostname="n"',
        )
        rows = [f"{name}{{{labels}}} {s * 500_000} {(start + s) * 1000}" for s in range(0, HOUR + 1, 60)]
        path = self.lab.path / "history.prom"
        path.write_text(f"# TYPE {name} counter\n" + "\n".join(rows) + "\n")
        return str(path)


def seconds(prepare: Callable[[], object], work: Callable[[object], object]) -> float:
    """The least processor time of a few."""
    took = []
    for _ in range(TIMES):
        given = prepare()
        begun = time.process_time()
        work(given)
        took.append(time.process_time() - begun)
    return min(took)


def measure(bench: Bench, imported: int) -> dict[str, float]:
    """Seconds of each piece of work beside the log as it is; imports go on at this hour."""
    hours = iter(range(imported, imported + TIMES))
    log, keys = str(bench.log), bench.lab.path
    found = {
        "open the log": seconds(lambda: None, lambda _: bench.open()),
        "close a recorder's window": seconds(
            bench.sampled,
            lambda now: bench.recorder.close(now, ()),  # type: ignore[arg-type]
        ),
        "seal it": seconds(lambda: bench.closed, lambda _: bench.recorder.seal()),
        "attest log append": seconds(bench.given, lambda path: bench.run("log", "append", log, str(path))),
        "attest import": seconds(
            lambda: bench.exposition(START + next(hours) * HOUR),
            lambda path: bench.run("import", "dcgm", str(path), "--log", log, "--key", str(keys / "imported.key")),
        ),
        "attest log seal": seconds(
            lambda: None, lambda _: bench.run("log", "seal", log, "--key", str(keys / "log.key"))
        ),
        "attest log head": seconds(
            lambda: None, lambda _: bench.run("log", "head", log, "--key", str(keys / "office.key"))
        ),
        "attest inventory scan": seconds(
            lambda: bench.exposition(START),
            lambda path: bench.run("inventory", "scan", log, str(path), "--source", sub("imported"), ends=6),
        ),
    }
    bench.seal()
    began = time.process_time()
    desk = Desk(bench.log, [signer("log")], UNBOUNDED)
    found["begin a site's server"] = time.process_time() - began
    try:
        agent = source_id(sub("agent"))
        found["admit a statement"] = seconds(
            lambda: bench.agent.next(),
            lambda item: _taken(desk.admit(agent, [item], 0.0)),  # type: ignore[list-item]
        )
        found["seal what was admitted"] = seconds(
            lambda: desk.admit(agent, [bench.agent.next()], 0.0), lambda _: desk.seal()
        )
        found["tell where a chain stands"] = seconds(lambda: None, lambda _: desk.state(sub("agent")))
        found["give a receipt"] = seconds(lambda: None, lambda _: desk.receipt(sub("agent"), 0))
    finally:
        desk.close()
    return found


def _taken(answer: object) -> None:
    if getattr(answer, "code", ""):
        raise AssertionError(answer)


def main(short: int, long: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        fill(bench.log, short, bench.others)
        before = measure(bench, 0)
        fill(bench.log, long, bench.others)
        after = measure(bench, TIMES)
    print(f"{'':28}{short:>12,}{long:>12,} entries")
    for what, took in before.items():
        print(f"{what:28}{took * 1000:>9.1f} ms{after[what] * 1000:>9.1f} ms   {after[what] / took:>8.1f} x")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3])) if len(sys.argv) == 3 else main(10_000, 200_000)
