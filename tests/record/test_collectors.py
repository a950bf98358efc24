"""Every kind of collector can be configured, with a host's name and a password, and records what it cannot have."""

import base64
import json
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from attest.collect.nvml import Nvml
from attest.collect.prometheus import Prometheus
from attest.errors import AgreementError, AttestError, CollectError, KeyFileError, MissingError
from attest.record.collectors import KINDS, open_collector, require_kind
from attest.record.config import CollectorConfig, parse_config
from tests.collect.hostile import Chunks, reply, serve
from tests.collect.test_fetch import make_certificate
from tests.collect.test_import import Site, site

__all__ = ["site"]  # a fixture

T = 1_745_514_000_000
PASSWORD = "påss word:'1"
POWER = "/redfish/v1/Chassis/1/Power"


@pytest.mark.parametrize("kind", KINDS)
def test_a_collector_of_every_kind_answers(kind: str) -> None:
    pytest.importorskip("httpx")
    url = None if kind == "nvml" else "http://127.0.0.1:1/"
    collector = open_collector(CollectorConfig(kind, "one", url, None), 0.5)
    assert collector.name == "one"
    sample = collector.collect(T)
    if kind == "nvml" and sample.scrapes:
        pytest.skip("there is a GPU here")
    assert sample.empty
    assert {(r.collector, r.time_ms) for r in sample.refusals} == {("one", T)}
    assert sample.refusals[0].code == ("collect/driver" if kind == "nvml" else "collect/connect")


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"nvml"}))
def test_what_is_asked_needs_a_url(kind: str) -> None:
    with pytest.raises(MissingError) as info:
        open_collector(CollectorConfig(kind, "one", None, None), 0.5)
    assert info.value.code == "record/url"
    for url in ("n1:9400/metrics", "http://[::1/"):
        with pytest.raises(CollectError) as wrong:
            open_collector(CollectorConfig(kind, "one", url, None), 0.5)
        assert wrong.value.code == "collect/url"


@pytest.mark.parametrize("more", [{"url": "http://127.0.0.1:1/"}, {"ca": "a.pem"}, {"user": "u", "password_file": "p"}])
def test_what_asks_this_machine_has_no_endpoint(more: dict[str, str]) -> None:
    config = CollectorConfig("nvml", "one", None, None)
    with pytest.raises(MissingError) as info:
        open_collector(config._replace(**more), 0.5)
    assert info.value.code == "record/url"


# -- the host's name


def test_nvml_calls_its_gpus_by_the_hosts_name_in_the_configuration() -> None:
    pytest.importorskip("pynvml")
    named = open_collector(CollectorConfig("nvml", "one", None, None), 0.5, "dc1-n7")
    assert isinstance(named, Nvml) and named.host == "dc1-n7"


def test_prometheus_is_asked_for_the_host_alone() -> None:
    pytest.importorskip("httpx")
    collector = open_collector(CollectorConfig("prometheus", "one", "http://127.0.0.1:1/", None), 0.5, "dc1-n7")
    assert isinstance(collector, Prometheus) and collector.host == "dc1-n7"


@pytest.mark.parametrize("kind", KINDS)
def test_a_meters_recorder_takes_meters_alone_and_a_hosts_none(kind: str) -> None:
    config, reads_meters = CollectorConfig(kind, "one", None, None), kind == "redfish"
    require_kind(config, reads_meters)
    with pytest.raises(MissingError) as info:
        require_kind(config, not reads_meters)
    assert info.value.code == "record/kind"


METER = 'log = "log"\nkeys = ["m.key"]\nspool = "s"\n[meter]\n[[collect]]\nkind = "redfish"\nurl = "https://bmc/"\n'


@pytest.mark.parametrize(
    ("old", "new", "line", "key"),
    [
        ("[meter]", 'host = "n1"\n[meter]', 4, "host"),
        ("[[collect]]", '[workloads]\nsalts = "s"\n[[collect]]', 5, "workloads"),
    ],
)
def test_what_speaks_of_hosts_has_no_meaning_for_a_meter(old: str, new: str, line: int, key: str) -> None:
    parse_config(METER, Path("/etc"))
    with pytest.raises(AgreementError) as info:
        parse_config(METER.replace(old, new), Path("/etc"))
    assert (info.value.code, info.value.line, info.value.key) == ("record/meter", line, key)


# -- passwords


@pytest.fixture
def bmc(tmp_path: Path) -> tuple[ssl.SSLContext, CollectorConfig]:
    """A BMC's certificate, and the configuration of a collector that trusts it and has its password."""
    pytest.importorskip("httpx")
    key, certificate, password = tmp_path / "key.pem", tmp_path / "bmc.pem", tmp_path / "bmc.password"
    make_certificate(key, certificate)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    password.touch(0o600)
    password.write_text(f"{PASSWORD}\nand a comment\n")
    return tls, CollectorConfig("redfish", "bmc", None, str(certificate), "attest", str(password))


def power(target: str) -> Chunks:
    control = {"@odata.type": "#Power.v1_5_0.Power", "@odata.id": target, "PowerControl": [{"PowerConsumedWatts": 429}]}
    return reply(json.dumps(control).encode(), "application/json")


def basic(user: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def test_a_bmc_that_asks_for_a_password_is_read_over_verified_tls(bmc: tuple[ssl.SSLContext, CollectorConfig]) -> None:
    tls, config = bmc
    with serve(power, tls, basic("attest", PASSWORD)) as url:
        sample = open_collector(config._replace(url=url + POWER), 5).collect(T)
        assert ([r.value for r in sample.readings], sample.refusals) == ([429_000], ())
        stranger = open_collector(config._replace(url=url + POWER, ca=None), 5).collect(T)
        assert (stranger.empty, stranger.refusals[0].code) == (True, "collect/connect")
        nobody = open_collector(config._replace(url=url + POWER, user=None, password_file=None), 5).collect(T)
        assert "status 401" in nobody.refusals[0].cause


def test_a_password_that_is_refused_is_a_record_and_nowhere_to_be_read(
    bmc: tuple[ssl.SSLContext, CollectorConfig],
) -> None:
    tls, config = bmc
    with serve(power, tls, basic("attest", "another")) as url:
        collector = open_collector(config._replace(url=url + POWER), 5)
        for _ in range(2):
            sample = collector.collect(T)
            assert sample.empty
            assert "status 401" in sample.refusals[0].cause
            assert PASSWORD not in repr((sample, config))
            assert basic("attest", PASSWORD)[6:] not in repr((sample, config))


@pytest.mark.parametrize("known", [True, False])
def test_a_recorder_asks_a_bmc_for_its_meter_and_says_no_password(
    bmc: tuple[ssl.SSLContext, CollectorConfig], site: Site, known: bool
) -> None:
    tls, config = bmc
    site.key("meter")
    text = (
        'log = "log"\nkeys = ["meter.key"]\nspool = "spool"\n[meter]\n[[collect]]\nkind = "redfish"\nuser = "attest"\n'
    )
    with serve(power, tls, basic("attest", PASSWORD if known else "another")) as url:
        text += f'url = "{url}{POWER}"\nca = "{config.ca}"\npassword_file = "{config.password_file}"\n'
        words = [sys.executable, "-m", "attest", "-v", "record", "--once", "--config", site.file("record.toml", text)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    frames = b"".join(path.read_bytes() for path in (site.path / "spool").rglob("*") if path.is_file())
    assert (b"429000" in frames, "status 401" in done.stderr) == (known, not known)
    for secret in (PASSWORD, basic("attest", PASSWORD)[6:]):
        assert secret not in done.stdout + done.stderr and secret.encode() not in frames


@pytest.mark.parametrize(
    ("content", "mode", "code"),
    [
        ("secret\n", 0o640, "key/exposed"),
        ("secret\n", 0o604, "key/exposed"),
        ("\nsecret\n", 0o600, "record/password"),
        ("", 0o600, "record/password"),
        ("se\0cret\n", 0o600, "record/password"),
        ("x" * 1_025, 0o600, "record/password"),
        ("se\udcffcret\n", 0o600, "record/password"),
        (None, 0o600, "key/unreadable"),
    ],
)
def test_a_file_that_holds_no_password_or_lets_others_in_is_refused(
    bmc: tuple[ssl.SSLContext, CollectorConfig], tmp_path: Path, content: str | None, mode: int, code: str
) -> None:
    file = tmp_path / "bmc.password"
    file.unlink()
    if content is not None:
        file.touch(0o600)
        file.write_text(content, errors="surrogateescape")
        file.chmod(mode)
    with pytest.raises((KeyFileError, MissingError)) as info:
        open_collector(bmc[1]._replace(url="https://127.0.0.1:1/"), 0.5)
    assert info.value.code == code
    assert "secret" not in f"{info.value} {info.value.hint}"


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"url": "http://127.0.0.1:1/"}, "record/password"),
        ({"url": "https://root:calvin@127.0.0.1:1/"}, "record/url"),
        ({"url": "https://root@127.0.0.1:1/"}, "record/url"),
        ({"url": "https://127.0.0.1:1/", "user": "a:b"}, "record/password"),
    ],
)
def test_a_password_is_not_shown_on_its_way(
    bmc: tuple[ssl.SSLContext, CollectorConfig], more: dict[str, str], code: str
) -> None:
    with pytest.raises(AttestError) as info:
        open_collector(bmc[1]._replace(**more), 0.5)
    assert info.value.code == code
    assert "calvin" not in f"{info.value} {info.value.hint}"


@pytest.mark.parametrize("key", ["user", "password_file"])
def test_a_user_and_a_password_come_together(key: str) -> None:
    with pytest.raises(AgreementError) as info:
        parse_config(f'{METER}{key} = "one"\n', Path("/etc"))
    assert (info.value.code, info.value.line) == ("record/password", 5)
