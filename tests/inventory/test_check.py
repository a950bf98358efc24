"""A verifier takes what the books make of a log: moves and switches in the middle of what hosts tell, and no fault.

It would not, were an inventory to come into force in what a host has spoken of: that is what the books refuse.
"""

from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from attest.agreement import verify_agreement
from attest.check import examine
from attest.cli.main import main
from attest.evaluate import SiteEvidence
from attest.facts import Cell
from attest.format.block import commit
from attest.format.bodies import InventoryBody
from attest.format.roster import format_roster
from attest.format.vocabulary import Kind
from attest.inventory.rosters import without
from attest.record.chain import sign_next
from attest.sign.notes import sign_note
from attest.simulate.cast import Identity, Witnesses
from attest.simulate.lab import Lab
from attest.simulate.pact import Pact, Phase
from attest.simulate.site import Plan, Site
from attest.simulate.telemetry import devices_of
from attest.store.directory import DirectoryBundle
from attest.store.writer import LogWriter
from tests.inventory.books import newest

START, HOURS = 1_763_424_000, 4
END = START + HOURS * 3_600
ACME = Identity("acme")
WATTS = 600


def run(*words: object) -> int:
    with pytest.raises(SystemExit) as info:
        main(list(map(str, words)))
    return int(info.value.code or 0)


class World:
    """A simulated lab's log of two nodes as it stands when it opens, and the keys of its office and hosts."""

    def __init__(self, path: Path) -> None:
        self.log, self.path = path / "acme", path
        site = Site(Plan("inventory", nodes=2, start=START, end=END))
        Lab(ACME, site, site_meter=False).save(self.log)
        self.uids = [devices_of(site, node) for node in (0, 1)]
        self.keys = [self._key(ACME.host(node)) for node in (0, 1)]
        self.office = self._key("office")

    def _key(self, role: str) -> Path:
        signer: Any = ACME.key(role)
        path = self.path / f"{role.rsplit('/', 1)[-1]}.key"
        path.touch(0o600)
        path.write_bytes(signer._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return path

    def tell(self, node: int, devices: dict[str, range]) -> int:
        """Imports a scrape a minute of each device, in these minutes."""
        lines = []
        for uid, minutes in devices.items():
            for minute in minutes:
                labels = f'{{UUID="{uid}",modelName="NVIDIA H100 80GB HBM3",hostname="n{node}"}}'
                energy = 10**12 + minute * WATTS * 60_000
                lines.append(f"DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{labels} {energy} {(START + minute * 60) * 1000}")
        scrapes = self.path / "scrapes.prom"
        scrapes.write_text("\n".join(lines) + "\n")
        return run("import", "dcgm", scrapes, "--log", self.log, "--key", self.keys[node])

    def act(self, verb: str, *words: object, hours: int) -> int:
        key = ("--key", self.office) if verb != "power-off" else ()
        return run("inventory", verb, self.log, *words, *key, "--at", f"2025-11-18T{hours:02}:00:00Z")

    def examined(self) -> SiteEvidence:
        with LogWriter.open(self.log) as writer:
            note = writer.seal(lambda text: sign_note(text, ACME.origin, ACME.log_keys()))
            writer.cosign(Witnesses().cosign(note, END + 60))
        terms = ({"kind": "coverage", "share": "90 %"},)
        signed = verify_agreement(Pact((ACME,), (Phase("pause", START, END, terms),)).signed())
        return examine(DirectoryBundle(self.log), signed)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_moves_and_switches_are_told_without_a_fault(world: World) -> None:
    here, there = world.uids
    hour = range(61)
    assert world.tell(0, dict.fromkeys(here, hour)) == 0
    assert world.act("move", here[3], "--from", ACME.host(0), "--to", ACME.host(1), hours=0) == 6  # spoken
    assert world.act("move", here[3], "--from", ACME.host(0), "--to", ACME.host(1), hours=2) == 0
    assert world.act("power-off", here[0], hours=3) == 0
    late = range(61, HOURS * 60 + 1)
    kept = {uid: late for uid in here if uid != here[3]}
    told = {**kept, here[3]: range(61, 121), here[0]: range(61, 181)}
    assert world.tell(0, told) == 0
    assert world.tell(1, {**dict.fromkeys(there, range(HOURS * 60 + 1)), here[3]: range(120, HOURS * 60 + 1)}) == 0
    evidence = world.examined()
    assert evidence.faults == ()
    assert evidence.facts is not None
    cells = evidence.facts.cells
    assert cells[:, Cell.OFF].sum() == 3_600
    assert cells[:, Cell.SAMPLED].sum() == 16 * HOURS * 3_600 - 3_600
    assert cells[:, Cell.MISSING].sum() == 0


def test_an_inventory_in_what_was_spoken_of_would_make_the_log_invalid(world: World) -> None:
    assert world.tell(0, dict.fromkeys(world.uids[0], range(HOURS * 60 + 1))) == 0
    assert world.act("retire", world.uids[1][0], hours=2) == 6
    _, roster = newest(world.log)
    body = format_roster(without(roster, {world.uids[1][0]}))
    with LogWriter.open(world.log) as log:
        said = InventoryBody(commit(body), roster.count() - 1)
        sign_next(log, ACME.key("office"), Kind.INVENTORY, said, START + 2 * 3_600, body)
    assert {fault.code for fault in world.examined().faults} == {"usage/roster"}
