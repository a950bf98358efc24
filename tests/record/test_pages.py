"""The page and the example of the recorder say what it takes."""

import re
from pathlib import Path

from attest.record.collectors import require_kind
from attest.record.config import parse_config
from attest.record.metrics import Metrics

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "schemas" / "record.md").read_text("utf-8")
EXAMPLE = ROOT / "examples" / "systemd"


def test_the_page_shows_the_example() -> None:
    shown = re.search(r"```toml record\.toml\n(.*?)```", PAGE, re.DOTALL)
    assert shown is not None
    text = (EXAMPLE / "record.toml").read_text("utf-8")
    assert text.endswith(shown[1])
    config = parse_config(text, Path("/etc/attest"))
    assert config.keys == ("/etc/attest/host.key",)
    assert (config.interval, config.window, config.seal, config.timeout) == (60, 21_600, 3_600, 5)


def test_the_page_shows_a_meter_with_a_password() -> None:
    shown = re.search(r"```toml bmc\.toml\n(.*?)```", PAGE, re.DOTALL)
    assert shown is not None
    text = (EXAMPLE / "record.toml").read_text("utf-8")
    (config,) = parse_config(f"{text.partition('[[collect]]')[0]}[meter]\n{shown[1]}", Path("/etc/attest")).collect
    assert (config.user, config.password_file) == ("attest", "/etc/attest/bmc7.password")
    require_kind(config, True)


def test_the_page_names_every_metric() -> None:
    names = {sample.name for metric in Metrics().registry.collect() for sample in metric.samples}
    names |= {f"{metric.name}_total" for metric in Metrics().registry.collect() if metric.type == "counter"}
    assert {name for name in names if not name.endswith("_created")} == set(re.findall(r"attest_\w+", PAGE))


def test_the_unit_runs_the_recorder_and_keeps_it_in() -> None:
    unit = (EXAMPLE / "attest-record.service").read_text("utf-8")
    lines = dict(line.split("=", 1) for line in unit.splitlines() if "=" in line and not line.startswith("#"))
    assert lines["ExecStart"].endswith("attest record --config /etc/attest/record.toml")
    assert lines["ProtectSystem"] == "strict" and lines["NoNewPrivileges"] == "yes"
    assert lines["CapabilityBoundingSet"] == ""
