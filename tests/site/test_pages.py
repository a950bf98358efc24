"""The page and the examples of a site say what it takes."""

import re
from pathlib import Path

import pytest

from attest.errors import AgreementError
from attest.record.config import parse_config as parse_record
from attest.site.app import STATUS
from attest.site.config import parse_config
from attest.site.metrics import SiteMetrics

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "schemas" / "site.md").read_text("utf-8")
EXAMPLE = ROOT / "examples" / "systemd"


def shown(name: str) -> str:
    found = re.search(rf"```toml {re.escape(name)}\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    return found[1]


def test_the_page_shows_the_examples() -> None:
    site = (EXAMPLE / "site.toml").read_text("utf-8")
    assert site.endswith(shown("site.toml"))
    config = parse_config(site, Path("/etc/attest"))
    assert (config.seal, config.metrics, config.drop) == (600, 9465, None)
    assert config.listen is not None and config.listen.clients == "/etc/attest/hosts-ca.pem"
    host = (EXAMPLE / "record-site.toml").read_text("utf-8")
    assert shown("record.toml") in host
    recorded = parse_record(host, Path("/etc/attest"))
    assert recorded.log is None and recorded.site is not None
    assert recorded.site.cert == "/etc/attest/n1.pem"


def test_the_page_names_every_metric_and_every_code_of_the_server() -> None:
    names = {sample.name for metric in SiteMetrics().registry.collect() for sample in metric.samples}
    names |= {f"{metric.name}_total" for metric in SiteMetrics().registry.collect() if metric.type == "counter"}
    assert {name for name in names if not name.endswith("_created")} == set(re.findall(r"attest_\w+", PAGE))
    assert set(STATUS) == set(re.findall(r"`(upload/[a-z-]+)`", PAGE))


def test_the_unit_runs_the_server_and_keeps_it_in() -> None:
    unit = (EXAMPLE / "attest-site.service").read_text("utf-8")
    lines = dict(line.split("=", 1) for line in unit.splitlines() if "=" in line and not line.startswith("#"))
    assert lines["ExecStart"].endswith("attest site serve --config /etc/attest/site.toml")
    assert lines["ProtectSystem"] == "strict" and lines["NoNewPrivileges"] == "yes"


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ('address = "10.0.0.5:8443"', 'address = "8443"', "serve/address"),
        ('address = "10.0.0.5:8443"', 'address = "10.0.0.5:99999"', "serve/address"),
        ('seal = "10 min"', 'seal = "2 h"', "quantity/range"),
        ("[listen]", "[peer]\nmib = 0\n[listen]", "toml"),
        ("metrics = 9465", "matrics = 9465", "toml"),
        ('log_keys = ["log.key"]', "log_keys = []", "toml/empty"),
    ],
)
def test_a_faulty_configuration_of_a_site_is_refused(old: str, new: str, code: str) -> None:
    text = shown("site.toml")
    assert old in text
    with pytest.raises(AgreementError, match=code):
        parse_config(text.replace(old, new), Path("/etc/attest"))


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("[site]", 'log = "log"\n[site]', "record/log"),
        ("[site]", 'log_keys = ["log.key"]\n[site]', "record/log"),
        ('url = "https://10.0.0.5:8443"', 'url = "http://10.0.0.5:8443"', "record/site"),
        ('url = "https://10.0.0.5:8443"', "", "record/site"),
        ('url = "https://10.0.0.5:8443"', 'url = "https://10.0.0.5:8443"\nfolder = "/mnt"', "record/site"),
        ("acme.example/dc1+c871e3d3", "acme.example/dc1+c871e3d4", "vkey/malformed"),
    ],
)
def test_a_faulty_configuration_of_a_host_is_refused(old: str, new: str, code: str) -> None:
    text = (EXAMPLE / "record-site.toml").read_text("utf-8")
    assert old in text
    with pytest.raises(AgreementError, match=code):
        parse_record(text.replace(old, new), Path("/etc/attest"))
