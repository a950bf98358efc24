"""A directory with everything that the examples of the verbs name: keys, a log, a roster, an agreement, telemetry.

All keys are test keys and all times are given, so the log is the same, byte for byte, wherever it is made.
"""

import json
import re
import shutil
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from attest.cli.main import main
from attest.format.bodies import UsageBody
from attest.format.statement import Statement, peek
from attest.format.vocabulary import Kind
from attest.log.merkle import leaf_hash
from attest.sign.seeded import seeded_key
from attest.sign.statements import header_for, sign_statement
from attest.store.salts import new_salts
from attest.store.writer import LogWriter
from attest.trust.keys import Alg, format_key

ROOT = Path(__file__).resolve().parents[2]
START = 1_794_182_400  # 2026-11-09T00:00:00Z
ISS = "https://acme.example"
HOST = f"{ISS}/dc1/n1"
KEYS = {
    **dict.fromkeys(
        ("office", "root", "root2", "log", "witness", "n1", "n1-2", "n2", "ada", "bob", "cleo", "uma", "vic"),
        Alg.ED25519,
    ),
    "log-pq": Alg.ML_DSA_44,
    "dan": Alg.ML_DSA_65,
}

PAUSE = """\
kind = "trigger"
phase = "halt"
number = 1
from = 2026-11-16T00:00:00Z
until = 2026-12-01T00:00:00Z
"""
ROSTER = f"""\
[[feed]]
name = "dc1"
[[feed]]
name = "dc1-r1"
parent = "dc1"
[[host]]
source = "{HOST}"
feed = "dc1-r1"
model = "NVIDIA H100 SXM5 80GB"
devices = ["GPU-1", "GPU-2"]
"""


RECORD = """\
log = "log"
keys = ["n1.key"]
log_keys = ["log.key"]
spool = "spool"

[[collect]]
kind = "dcgm"
url = "http://127.0.0.1:1/metrics"
"""

SITE = """\
log = "log"
log_keys = ["log.key"]
drop = "drop"
"""


def run(command: str) -> int:
    """Runs a command line in this process; returns its exit code."""
    try:
        main(command.split())
    except SystemExit as ended:
        return int(str(ended.code))
    raise AssertionError("main returned")


def write_key(path: Path, name: str, alg: Alg = Alg.ED25519) -> None:
    """A test key as a private key file."""
    key = seeded_key(name, alg)._key
    path.touch(0o600)
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def fill(folder: Path) -> None:
    """Makes everything in `folder`, which is the working directory."""
    for name, alg in KEYS.items():
        write_key(folder / f"{name}.key", name, alg)
    (folder / "roster.toml").write_text(ROSTER, "utf-8")
    (folder / "record.toml").write_text(RECORD, "utf-8")
    (folder / "site.toml").write_text(SITE, "utf-8")
    (folder / "drop").mkdir()
    genesis = f"--origin acme.example/dc1 --iss {ISS} --office-key office.key --root-key root.key --at 2026-11-09"
    done(f"log init log {genesis}")
    done(f"log init draft {genesis} --draft genesis.act")
    done("inventory declare log roster.toml --key office.key --at 2026-11-09")
    log = log_id(folder / "log")
    done(f"key request n1.key --log {log.hex()} --source {HOST} -o n1.request")
    done(f"key request n2.key --log {log.hex()} --source {ISS}/dc1/n2 -o n2.request")
    done("key enrol log n1.request --key office.key --at 2026-11-09T00:00:00Z")
    done("log seal log --key log.key")
    for path, entry in zip(("n1-0.cose", "n1-1.cose"), usage(folder / "log"), strict=True):
        (folder / path).write_bytes(entry)
    _telemetry(folder)
    _agreement(folder)
    _runs(folder)
    done("demo demo")
    done("archive init regulator --origin regulator.example/archive")
    assert run("archive put regulator log --agreement pact.agreement") == 5  # whose keys are not this log's


def usage(path: Path) -> list[bytes]:
    """Two statements of the host, each a minute without a record, not appended yet."""
    signer = seeded_key("n1")
    with LogWriter.open(path, read_only=True) as log:
        first, enrolment = log_id(path), leaf_hash(log.entry(2))
        inventory = peek(log.entry(1)).block
    assert inventory is not None
    entries: list[bytes] = []
    for seq in range(2):
        prev = leaf_hash(entries[-1]) if entries else enrolment
        spans = b"".join(device.to_bytes(4, "little") + b"\1\0\xff\xff" for device in range(2))
        body = UsageBody(60, inventory.digest, 2, None, (), (), spans, ())
        start = START + 60 * seq
        statement = Statement(Kind.USAGE, first, seq, prev, start, start + 60, None, body)
        entries.append(sign_statement(header_for(signer, ISS, HOST), statement, signer))
    return entries


def log_id(path: Path) -> bytes:
    """The leaf hash of a log's genesis."""
    with LogWriter.open(path, read_only=True) as log:
        return leaf_hash(log.entry(0))


def done(command: str) -> None:
    """Runs a command line that must succeed."""
    assert run(command) == 0, command


def _telemetry(folder: Path) -> None:
    rows = "".join(f"{START + 10 * i},n1,{600 + i}\n" for i in range(12))
    (folder / "power.csv").write_text(f"time,node,watts\n{rows}", "utf-8")
    readings = (f"Time,11-09-2026 00:00:{i:02d}.000,Watts,{600 + i}.0,Volts,230.0,Amps,2.6,PF,0.99" for i in range(10))
    (folder / "spl.txt").write_text("".join(f"{r},Mark,x,Ch1,Watts,300.0,Volts,230.0\n" for r in readings), "utf-8")
    for i, time in enumerate((1_745_514_060, 1_745_514_120)):
        (folder / f"dcgm-{time}.prom").write_text(exposition(i), "utf-8")
    history = "".join(exposition(i, (1_745_514_060 + 30 * i) * 1_000) for i in range(4))
    (folder / "history.prom").write_text(history, "utf-8")
    (folder / "history.json").write_text(range_reply(), "utf-8")
    _asked(folder)


def _runs(folder: Path) -> None:
    """Files that tell of runs, and the log `named`, in which a statement names one that `lab.salts` opens."""
    (folder / "runs.csv").write_text(f"run,label,start,end,host\nllama-7,training,{START},{START + 120},n1\n", "utf-8")
    (folder / "labels.toml").write_text('[[rule]]\npartition = "train*"\nlabel = "training"\n', "utf-8")
    job: dict[str, object] = {
        "job_id": 7,
        "cluster": "hpc",
        "state": {"current": ["COMPLETED"]},
        "nodes": "n1",
        "partition": "train",
    }
    job["time"] = {"submission": START, "start": START, "end": START + 60, "elapsed": 60}
    (folder / "jobs.json").write_text(json.dumps({"jobs": [job]}), "utf-8")
    (folder / "named.prom").write_text("".join(exposition(i, (START + 60 * i) * 1000) for i in range(4)), "utf-8")
    new_salts(folder / "lab.salts")
    shutil.copytree(folder / "log", folder / "named")
    done("import dcgm named.prom --log named --key n1.key --salts lab.salts --workloads runs.csv")
    done("log seal named --key log.key")
    done("reveal llama-7 --salts lab.salts -o llama-7.opening")


def exposition(number: int, stamp: int | None = None) -> str:
    """What dcgm-exporter shows of one device at a scrape."""
    labels = 'gpu="0",UUID="GPU-1",device="nvidia0",modelName="NVIDIA H100 80GB HBM3",Hostname="n1"'
    energy = 1_000_000_000 + number * 21_000_000
    fields = {"DCGM_FI_DEV_POWER_USAGE": 700, "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION": energy}
    end = "" if stamp is None else f" {stamp}"
    return "".join(f"{name}{{{labels}}} {value}{end}\n" for name, value in fields.items())


def _asked(folder: Path) -> None:
    """What a BMC, nvidia-smi and rocm-smi answered at two moments."""
    for i, time in enumerate((1_745_514_060, 1_745_514_120)):
        power = {"@odata.type": "#Power.v1_5_0.Power", "@odata.id": "/redfish/v1/Chassis/1/Power"}
        power |= {"PowerControl": [{"PowerConsumedWatts": 5_900 + i}]}
        (folder / f"power-{time}.json").write_text(json.dumps(power), "utf-8")
        card = {"Unique ID": "0x79cc", "Accumulated Energy (uJ)": str(1_000_000_000_000 + 21_000_000_000 * i)}
        (folder / f"rocm-{time}.json").write_text(json.dumps({"card0": card}), "utf-8")
        smi = f"<timestamp>Thu Apr 24 17:0{1 + i}:00 2025</timestamp><attached_gpus>1</attached_gpus>"
        gpu = "<gpu><uuid>GPU-1</uuid><clocks><sm_clock>1980 MHz</sm_clock></clocks></gpu>"
        (folder / f"smi-{1 + i}.xml").write_text(f"<nvidia_smi_log>{smi}{gpu}</nvidia_smi_log>", "utf-8")


def range_reply() -> str:
    """What Prometheus answers of the same device to a query with a range."""
    labels = {"UUID": "GPU-1", "modelName": "NVIDIA H100 80GB HBM3", "Hostname": "n1", "instance": "n1:9400"}
    values = [[1_745_514_060 + 30 * i, str(1_000_000_000 + 21_000_000 * i)] for i in range(4)]
    series = {"metric": {"__name__": "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", **labels}, "values": values}
    return json.dumps({"status": "success", "data": {"resultType": "matrix", "result": [series]}})


def _agreement(folder: Path) -> None:
    """The examples of schemas/agreement.md, its life too, with the test keys of its holders, and an event."""
    page = (ROOT / "schemas" / "agreement.md").read_text("utf-8")
    text = "\n".join(re.findall(r"```toml\n(.*?)```", page, re.DOTALL))
    published = re.findall(r'\[\[party.holder\]\]\nname = "[^"]*"\nkeys = \["([^"]*)"\]', text)
    for name, old in zip(("ada", "bob", "cleo", "dan"), published, strict=True):
        text = text.replace(old, format_key(seeded_key(name, KEYS[name]).public_key()))
    (folder / "pact.toml").write_text(text, "utf-8")
    done("agreement sign pact.toml --key ada.key -o pact.agreement")
    (folder / "pause.toml").write_text(PAUSE, "utf-8")
    done("event sign pause.toml --agreement pact.agreement --key uma.key --key vic.key -o pause.event")
