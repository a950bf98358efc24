"""What an import costs the disk: syncs and seconds by how many statements it signs.

    python tests/bench/import_syncs.py [DAYS ...]         the default is 1, 30 and 365 days, a statement each

A meter's hourly readings are imported into a new log, in this process, with a key in a file.
"""

import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from attest.cli.import_files import Meter, Where, import_power  # noqa: E402
from attest.collect.columns import Wanted  # noqa: E402
from attest.collect.power import Options  # noqa: E402
from attest.format.vocabulary import Quantity  # noqa: E402
from attest.store import disk  # noqa: E402
from tests.cli.sandbox import write_key  # noqa: E402
from tests.collect.test_import import csv, found  # noqa: E402

HOUR: Final = 3_600


def counted(done: Counter[str]) -> None:
    """Counts syncs from now on."""
    for name in ("sync", "sync_directory"):
        real: Callable[..., Any] = getattr(disk, name)

        def change(what: Any, name: str = name, real: Callable[..., Any] = real) -> None:
            done[name] += 1
            real(what)

        setattr(disk, name, change)


def main(spans: list[int]) -> None:
    done: Counter[str] = Counter()
    counted(done)
    print(f"{'statements':>12}{'syncs':>8}{'seconds':>10}")
    for days in spans:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder)
            found(path / "log")
            write_key(path / "meter.key", "import meter")
            (path / "power.csv").write_text(csv(0, days * 24 * HOUR, step=HOUR))
            meter = Meter({}, Quantity.MEAN_POWER, 0, None, None)
            where = Where(str(path / "log"), str(path / "meter.key"), None, None, dry_run=False)
            options = Options(Wanted(None, None, None, ()), None, None)
            done.clear()
            begun = time.perf_counter()
            data = import_power([str(path / "power.csv")], options, meter, where)
            print(f"{data['appended']:>12,}{done.total():>8,}{time.perf_counter() - begun:>10.2f}")


if __name__ == "__main__":
    main([int(days) for days in sys.argv[1:]] or [1, 30, 365])
