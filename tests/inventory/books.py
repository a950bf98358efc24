"""A log whose inventory is kept by `attest inventory`, and how tests ask and read it."""

import json
from pathlib import Path
from typing import Any

import pytest

from attest.cli.main import main
from attest.format.bodies import UsageBody
from attest.format.roster import Roster
from attest.format.statement import Statement
from attest.format.vocabulary import Kind
from attest.inventory.declared import inventories, roster_of
from attest.inventory.ledger import path_of
from attest.inventory.site import Site as Books
from attest.record.chain import genesis_leaf, key_record, keyring, outbox_of, place
from attest.report.style import utc
from attest.sign.statements import header_for, payload_to_sign, sign_statement
from attest.store.writer import LogWriter
from tests.collect.test_import import HOST, ISS, START, Site, signer, site

__all__ = ["HOST", "START", "Site", "site"]

H100 = "NVIDIA H100 SXM5 80GB"
OTHER = f"{HOST}-b"
HOUR = 3_600
NO_SIGN = ("scan", "power-off", "power-on")


def act(site: Site, verb: str, *words: object, log: Path | None = None) -> tuple[int, str, str]:
    """Runs `attest inventory VERB LOG WORDS`, with the office's key where it signs."""
    key = () if verb in NO_SIGN else ("--key", site.key("office"))
    with pytest.raises(SystemExit) as info:
        main(["inventory", verb, str(log or site.log), *map(str, (*words, *key))])
    out, err = site.capsys.readouterr()
    return int(info.value.code or 0), out, err


def done(site: Site, verb: str, *words: object, log: Path | None = None) -> str:
    """The same, which must succeed."""
    code, out, err = act(site, verb, *words, log=log)
    assert code == 0, err
    return out


def refused(site: Site, code: str, verb: str, *words: object, log: Path | None = None) -> str:
    """The same, which must be refused with this code, and change neither log nor ledger."""
    before = kept(log or site.log)
    exit_code, out, err = act(site, verb, *words, log=log)
    assert (exit_code, out) == (6, ""), (out, err)
    assert err.startswith(f"attest: error: {code}: "), err
    assert kept(log or site.log) == before
    return err


def kept(log: Path) -> tuple[bytes, int]:
    """The ledger's bytes and the number of entries."""
    path = path_of(log)
    with LogWriter.open(log, read_only=True) as writer:
        return path.read_bytes() if path.exists() else b"", writer.size + writer.pending


def lines(log: Path) -> list[dict[str, Any]]:
    """What the ledger says."""
    return [json.loads(line) for line in path_of(log).read_text().splitlines()]


def newest(log: Path) -> tuple[int, Roster]:
    """When the newest inventory comes into force, and its roster."""
    with LogWriter.open(log, read_only=True) as writer:
        last = inventories(writer)[-1]
        return last.start, roster_of(writer, last)


def placed(log: Path) -> dict[str, list[str]]:
    """By host its devices."""
    return {host.sub: [device.uid for device in host.devices] for host in newest(log)[1].hosts}


def books(log: Path) -> Books:
    with LogWriter.open(log, read_only=True) as writer:
        return Books.of(writer)


def at(hours: int, seconds: int = 0) -> tuple[str, str]:
    """`--at` so long after START."""
    return "--at", utc(START + hours * HOUR + seconds)


def second_log(site: Site) -> Path:
    """Another log of the same office, without an inventory yet."""
    keys = ["--office-key", site.key("office"), "--root-key", site.key("root")]
    path = site.path / "dc2"
    with pytest.raises(SystemExit) as info:
        main(list(map(str, ["log", "init", path, "--origin", "acme.example/dc2", "--iss", ISS, *keys, *at(0)])))
    assert info.value.code == 0
    site.capsys.readouterr()
    return path


def says_nothing(site: Site, until: int, interval: int = 60, *, into_log: bool = True) -> None:
    """The host's next usage statement, of a time in which nobody read anything; to the log, or to its outbox only."""
    host = signer("host")
    spans = b"".join(device.to_bytes(4, "little") + b"\1\0\xff\xff" for device in range(2))
    body = UsageBody(interval, bytes(32), 2, None, (), (), spans, ())
    with LogWriter.open(site.log) as log:
        source = key_record(log, keyring(log), host.public_key()).source
        seq, prev, before = place(log, source)
        statement = Statement(Kind.USAGE, genesis_leaf(log), seq, prev, before or START, until, None, body)
        header = header_for(host, source.iss, source.sub)
        if into_log:
            log.append(sign_statement(header, statement, host))
            return
        with outbox_of(log, source) as box:
            box.propose((payload_to_sign(header, statement, host), None))


def roster_text(site: Site, devices: str, feed: str = "node_0") -> str:
    text = f'[[feed]]\nname = "node_0"\n[[feed]]\nname = "node_1"\n[[host]]\nsource = "{HOST}"\n{devices}'
    return site.file("roster.toml", text.replace("FEED", feed))


def listed(*uids: str, model: str = H100) -> str:
    return f'feed = "FEED"\nmodel = "{model}"\ndevices = {list(uids)}\n'.replace("'", '"')
