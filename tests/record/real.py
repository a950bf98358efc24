"""A log, keys and a configuration for a recorder that runs as a process beside an exporter. All keys are test keys."""

from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from attest.format.act import CONTENT_TYPE, GenesisAct, format_act, possession
from attest.format.block import commit
from attest.format.bodies import GenesisBody, InventoryBody
from attest.format.key_acts import Enrol, KeysBody
from attest.format.roster import Device, Feed, Host, Roster, format_roster
from attest.format.statement import Statement
from attest.format.vocabulary import Kind, Role
from attest.log.merkle import leaf_hash
from attest.record.chain import sign_next
from attest.sign.documents import sign_document
from attest.sign.seeded import seeded_key
from attest.sign.statements import header_for, sign_statement
from attest.store.writer import LogWriter
from tests.record.exporter import Exporter

ORIGIN, ISS = "acme.example/dc1", "https://acme.example"
OFFICE, HOST = f"{ISS}/office", f"{ISS}/dc1/n1"
BEGAN = 1_700_000_000


def make_site(path: Path, uids: tuple[str, ...]) -> None:
    """A log whose office has enrolled a host and declared its devices, and the key files beside it."""
    office, root, host = (seeded_key(f"record {name}") for name in ("office", "root", "host"))
    for name in ("host", "log"):
        key: Any = seeded_key(f"record {name}")
        (path / f"{name}.key").touch(0o600)
        private = key._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (path / f"{name}.key").write_bytes(private)
    public = office.public_key()
    act = format_act(GenesisAct(ORIGIN, ISS, OFFICE, int(public.alg), public.raw, None))
    body = GenesisBody(sign_document(act, CONTENT_TYPE, [root]))
    genesis = Statement(Kind.GENESIS, None, 0, None, BEGAN, BEGAN, None, body)
    entry = sign_statement(header_for(office, ISS, OFFICE), genesis, office)
    with LogWriter.create(path / "log", ORIGIN) as log:
        log.append(entry)
        key = host.public_key()
        proof = host.sign(possession(leaf_hash(entry), HOST, Role.HOST, int(key.alg), key.raw))
        enrolment = Enrol(HOST, Role.HOST, int(key.alg), key.raw, proof)
        sign_next(log, office, Kind.KEYS, KeysBody((enrolment,)), BEGAN)
        devices = tuple(Device(uid, "NVIDIA H100 SXM5 80GB", 0) for uid in uids)
        roster = Roster((Feed("dc1", None, None),), (Host(HOST, devices),))
        block = format_roster(roster)
        sign_next(log, office, Kind.INVENTORY, InventoryBody(commit(block), roster.count()), BEGAN, block)


def configured(path: Path, exporter: Exporter, window: str, seal: str, more: str = "") -> Path:
    """A configuration that samples every second."""
    config = path / "record.toml"
    config.write_text(
        f'log = "log"\nkeys = ["host.key"]\nlog_keys = ["log.key"]\nspool = "spool"\n'
        f'interval = "1 s"\nwindow = "{window}"\nseal = "{seal}"\n{more}\n'
        f'[[collect]]\nkind = "dcgm"\nurl = "{exporter.url}"\n'
    )
    return config
