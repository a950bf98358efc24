"""What a host handed to its site is what `check` then finds in the site's log: no fault, every interval, the energy."""

from contextlib import closing
from pathlib import Path

import pytest

from attest.agreement import verify_agreement
from attest.check import examine
from attest.collect.collector import Sample
from attest.collect.dcgm import Scrape
from attest.collect.dcgm_fields import Field
from attest.errors import AttestError
from attest.facts import Cell
from attest.record.clock import Moment
from attest.record.closing import Window
from attest.record.frames import of_sample
from attest.record.kept import Kept
from attest.record.meeting import Meeting
from attest.record.remote import SiteLog
from attest.record.site_folder import FolderSite
from attest.record.spool import Spool
from attest.sign.notes import sign_note
from attest.simulate.cast import Identity, Witnesses
from attest.simulate.lab import Lab
from attest.simulate.pact import Pact, Phase
from attest.simulate.site import Plan, Site
from attest.simulate.telemetry import devices_of
from attest.site.config import PEER, SOURCE
from attest.site.desk import Desk
from attest.site.drop import Drop
from attest.site.metrics import SiteMetrics
from attest.store.directory import DirectoryBundle
from attest.store.writer import LogWriter
from attest.trust.notes import log_vkey

START, HOURS, WATTS = 1_763_424_000, 3, 600
END = START + HOURS * 3_600
ACME = Identity("acme")


def test_check_finds_what_was_handed_on(tmp_path: Path) -> None:
    made = Site(Plan("import", nodes=1, start=START, end=END))
    Lab(ACME, made, site_meter=False).save(tmp_path / "acme")
    drop, keys = tmp_path / "drop", ACME.log_keys()
    drop.mkdir()

    def collect() -> None:
        desk = Desk(tmp_path / "acme", keys, SOURCE)
        Drop(drop, desk, PEER, SiteMetrics()).collect()
        desk.seal()
        desk.close()

    source, vkeys = ACME.host(0), tuple(log_vkey(ACME.origin, key.public_key()) for key in keys)
    site = FolderSite(drop, source, vkeys)
    meeting = Meeting(site, source, vkeys, [lambda: ACME.key(source)], Kept(tmp_path / "site"))
    with closing(Spool(tmp_path / "spool", 1 << 24)) as spool:
        log = SiteLog(meeting, spool, Window(60, 3_600, 86_400), tmp_path / "causes.jsonl")
        for minute in range(HOURS * 60 + 1):
            energy = 10**12 + minute * WATTS * 60_000
            at = (START + minute * 60) * 1000
            scrapes = [
                Scrape(0, at, "n0", "n0", uid, "", "NVIDIA H100 80GB HBM3", {Field.ENERGY: energy})
                for uid in devices_of(made, 0)
            ]
            if not 70 <= minute < 75:
                spool.append(of_sample("dcgm", Moment(at, 0, ""), Sample(scrapes=tuple(scrapes))))
        collect()
        with pytest.raises(AttestError, match="remote/unreachable"):
            log.close(END * 1000 + 60_000, [])
        collect()
        while log.close(END * 1000 + 60_000, []).more:
            collect()
        collect()
        log.close(END * 1000 + 60_000, [])
    with LogWriter.open(tmp_path / "acme") as writer:
        writer.cosign(Witnesses().cosign(writer.seal(lambda text: sign_note(text, ACME.origin, keys)), END + 60))
    signed = verify_agreement(
        Pact((ACME,), (Phase("pause", START, END, ({"kind": "coverage", "share": "90 %"},)),)).signed()
    )
    evidence = examine(DirectoryBundle(tmp_path / "acme"), signed)
    assert evidence.faults == ()
    assert evidence.facts is not None
    cells, devices = evidence.facts.cells, len(devices_of(made, 0))
    assert cells[:, Cell.MISSING].sum() == devices * 6 * 60
    assert cells[:, Cell.SAMPLED].sum() == devices * (HOURS * 60 - 6) * 60
    assert cells[:, Cell.ENERGY].sum() == devices * (HOURS * 60 - 6) * 60 * WATTS * 1_000
