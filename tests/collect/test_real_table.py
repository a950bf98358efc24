"""The README's table of real files is what the importers find in them."""

from pathlib import Path

from tests.bench.real_files import DATA, ROOT, rows, table


def test_the_readmes_table_is_what_is_found(shared: Path) -> None:
    assert shared / "data" == DATA
    assert table() in (ROOT / "README.md").read_text("utf-8")


def test_no_telemetry_is_left_out(shared: Path) -> None:
    kinds = {".prom", ".xml"}
    listed = "\n".join(row.files for row in rows())
    found = [path for path in (shared / "data").rglob("*") if path.suffix in kinds or "bmc-pdu" in str(path)]
    missing = [path.name for path in found if path.is_file() and path.name not in listed and path.name != "SOURCE.md"]
    assert missing == []
