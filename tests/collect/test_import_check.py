"""What is imported into a witnessed log is what `check` then finds there: no fault, every interval, the energy."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from attest.agreement import verify_agreement
from attest.check import examine
from attest.cli.main import main
from attest.evaluate import SiteEvidence
from attest.facts import Cell, Gap, Metered, Work
from attest.format.opening import lineage_number, owner_number
from attest.format.vocabulary import Label
from attest.sign.notes import sign_note
from attest.simulate.cast import Identity, Witnesses
from attest.simulate.lab import Lab
from attest.simulate.pact import Pact, Phase
from attest.simulate.site import Plan, Site
from attest.simulate.telemetry import devices_of
from attest.store.directory import DirectoryBundle
from attest.store.salts import new_salts, open_salts
from attest.store.writer import LogWriter
from attest.usage import CLASS_STEP

START, HOURS = 1_763_424_000, 3
END = START + HOURS * 3_600
ACME = Identity("acme")
WATTS = 600


def run(*words: object) -> int:
    with pytest.raises(SystemExit) as info:
        main(["import", *map(str, words)])
    return int(info.value.code or 0)


def key_file(path: Path, signer: Any) -> Path:
    path.touch(0o600)
    path.write_bytes(signer._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return path


def history(uids: tuple[str, ...], missing: range) -> str:
    """A scrape a minute of devices that draw WATTS, with timestamps, as Prometheus hands out its history."""
    lines = []
    for number, uid in enumerate(uids):
        for minute in range(HOURS * 60 + 1):
            if minute in missing:
                continue
            labels = f'{{device="nvidia{number}",UUID="{uid}",modelName="NVIDIA H100 80GB HBM3",hostname="n0"}}'
            energy = 10**12 + minute * WATTS * 60_000
            lines.append(f"DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{labels} {energy} {(START + minute * 60) * 1000}")
    return "\n".join(lines) + "\n"


@pytest.fixture
def evidence(tmp_path: Path) -> SiteEvidence:
    """A simulated lab's log as it stands when it opens, then two imports, a checkpoint and its cosignatures."""
    site = Site(Plan("import", nodes=1, start=START, end=END))
    lab = Lab(ACME, site, site_meter=False)
    lab.save(tmp_path / "acme")
    host_key = key_file(tmp_path / "host.key", ACME.key(ACME.host(0)))
    meter_key = key_file(tmp_path / "meter.key", ACME.key("meter"))
    scrapes, power = tmp_path / "n0.prom", tmp_path / "power.csv"
    scrapes.write_text(history(devices_of(site, 0), range(70, 75)))
    rows = [f"{START + second},pdu,7000" for second in range(0, END - START + 1, 5)]
    power.write_text("\n".join(["time,node,watts", *rows]))
    log = ("--log", tmp_path / "acme")
    (tmp_path / "runs.csv").write_text(
        "run,label,start,end,host,devices,owner,parent\n"
        f"a,training,{START},{START + 3_600},n0,,lab,\n"
        f"b,training,{START + 3_600},{START + 7_200},n0,0-3,lab,a\n"
        f"c,inference,{START + 3_600},{START + 5_400},n0,4,lab,\n"
    )
    new_salts(tmp_path / "lab.salts")
    naming = ("--workloads", tmp_path / "runs.csv", "--salts", tmp_path / "lab.salts")
    assert run("dcgm", scrapes, *log, "--key", host_key, *naming) == 0
    feed = ("--feed", f"pdu={lab.feed(0)}", "--clock-uncertainty", "1")
    meter = ("--source", ACME.meter, "--issuer", ACME.meter_iss)
    assert run("power", power, *log, "--key", meter_key, *meter, *feed) == 0
    with LogWriter.open(tmp_path / "acme") as writer:
        note = writer.seal(lambda text: sign_note(text, ACME.origin, ACME.log_keys()))
        writer.cosign(Witnesses().cosign(note, END + 60))
    signed = verify_agreement(
        Pact((ACME,), (Phase("pause", START, END, ({"kind": "coverage", "share": "90 %"},)),)).signed()
    )
    return examine(DirectoryBundle(tmp_path / "acme"), signed)


def test_check_finds_what_was_imported(evidence: SiteEvidence) -> None:
    assert evidence.faults == ()
    assert evidence.facts is not None
    cells, gaps, metered = evidence.facts.cells, evidence.facts.gaps, evidence.facts.metered
    device_s = 8 * HOURS * 3_600
    assert cells[:, Cell.MISSING].sum() == 8 * 6 * 60  # five scrapes missed are six intervals unknown
    assert cells[:, Cell.SAMPLED].sum() == device_s - 8 * 6 * 60
    assert cells[:, Cell.ENERGY].sum() == (device_s - 8 * 6 * 60) * WATTS * 1_000
    assert gaps[:, Gap.ENERGY].tolist() == [6 * 60 * WATTS * 1_000] * 8
    assert np.unique(gaps[:, Gap.BEFORE]).tolist() == [10**12]
    assert metered[:, Metered.HIGH].sum() == (END - START) * 7_000 * 1_000
    assert metered[:, Metered.GAP].sum() == 0


def test_check_finds_the_runs_that_files_told_of(evidence: SiteEvidence, tmp_path: Path) -> None:
    assert evidence.facts is not None
    work = evidence.facts.work
    with open_salts(tmp_path / "lab.salts", read_only=True) as salts:
        numbers = [lineage_number(salts.secret, name) for name in ("a", "c")]
        owner = owner_number(salts.secret, "lab")
    lineages = work[:, Work.LINEAGE].astype(np.uint64)
    assert set(lineages.tolist()) == set(numbers)
    assert set(work[:, Work.OWNER].astype(np.uint64).tolist()) == {owner}
    missed = 6 * 60  # in the second hour, of each device
    seconds = [int(work[lineages == number, Work.SECONDS].sum()) for number in numbers]
    assert seconds == [8 * 3_600 + 4 * (3_600 - missed), 1_800 - missed]
    labels = [set((work[lineages == number, Work.CLASS] // CLASS_STEP).tolist()) for number in numbers]
    assert labels == [{Label.TRAINING}, {Label.INFERENCE}]
