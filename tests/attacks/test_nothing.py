"""Nothing passes on nothing: each input empty, missing or about nothing, through the command line, and never exit 0.

Four well-known verifiers had exactly this bug (../shared/cli.md).
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from attest.agreement.signed import CONTENT_TYPE
from attest.cli.main import main
from attest.sign.documents import sign_document
from attest.simulate.archive import Archive
from attest.simulate.lab import Lab
from attest.simulate.ledger import Ledger
from attest.simulate.pact import Pact
from attest.verdict import utc
from tests.attacks.test_heads import empty_log
from tests.attacks.test_rosters import declaring, nothing
from tests.attacks.vectors import MORNING, ran
from tests.check.keeping import FOUR, NOW, keeping, kept
from tests.check.world import ACME, CAP, HOUR, LATER, PACT, START, TRAINING, honest, lab, replace, under

NOBODY = PACT.text().replace(b"quorum enough", b"quorum none")
WITHOUT = PACT.text().split(b"[[phase]]")[0]
TERMLESS = WITHOUT + PACT.text()[len(WITHOUT) :].split(b"[[phase.term]]")[0]


@dataclass(frozen=True)
class Row:
    """What is given, by what it is called in `files`, and the exit code that it must have."""

    name: str
    code: int
    bundles: tuple[str, ...] = ("honest",)
    agreement: str = "pact.agreement"
    trust: str = "trust.toml"
    at: int = LATER


def genesis_only() -> Lab:
    """A log that was opened and never used."""
    made = lab()
    del made.entries[1:]
    return made


def no_usage() -> Lab:
    """Keys and an inventory, and not one statement of what the devices did."""
    made = lab()
    made.run(mute=lambda sub, start, end: True)
    return made


def no_cosignature() -> Lab:
    made = lab()
    made.witnesses = replace(made.witnesses, count=0)
    made.run(until=MORNING)
    return made


def opened_archive() -> Archive:
    """An archive's log that was opened and never used."""
    made = kept()
    del made.entries[1:]
    return made


LOGS: dict[str, Callable[[], Ledger]] = {
    "honest": honest,
    "breaking": lambda: honest((TRAINING,)),
    "silent": ran,
    "genesis": genesis_only,
    "no-usage": no_usage,
    "no-devices": lambda: declaring(nothing),
    "unwitnessed": no_cosignature,
    "archive": kept,
    "archive-witnessed": lambda: kept(witnesses=FOUR),
    "archive-genesis": opened_archive,
}
ROWS = (
    Row("everything is there", 0),
    # the bundle
    Row("no bundle", 2, ()),
    Row("a bundle that is not there", 6, ("nowhere",)),
    Row("an empty directory", 6, ("empty",)),
    Row("a directory of something else", 6, ("junk",)),
    Row("a file in a bundle's place", 6, ("trust.toml",)),
    Row("an empty file in a bundle's place", 6, ("nothing",)),
    Row("a checkpoint and nothing else", 6, ("checkpoint-only",)),
    Row("a checkpoint of zero entries", 5, ("zero",)),
    Row("an empty checkpoint", 5, ("blank",)),
    Row("a log without its entries", 6, ("no-entries",)),
    Row("a log without its hashes", 6, ("no-hashes",)),
    Row("a log without its blocks", 4, ("no-blocks",)),
    Row("a log of a genesis", 4, ("genesis",)),
    Row("zero usage statements", 4, ("no-usage",)),
    Row("zero devices", 4, ("no-devices",)),
    Row("zero devices, and nothing but a cap", 4, ("no-devices",), "cap.agreement", "cap.toml"),
    Row("zero witnesses where three are required", 4, ("unwitnessed",)),
    # an archive has no device: that is enough for custody, and for nothing else
    Row("zero devices, and nothing but custody", 0, ("archive",), "custody.agreement", "custody.toml", NOW),
    Row("zero acts of custody", 4, ("archive-genesis",), "custody.agreement", "custody.toml", NOW),
    Row("zero custody logs", 6, ("empty",), "custody.agreement", "custody.toml", NOW),
    Row("zero devices in an archive, and a cap", 4, ("archive-witnessed",), "acap.agreement", "acap.toml", NOW),
    Row("zero devices of an archive, and a head", 4, ("archive-witnessed",), "fresh.agreement", "fresh.toml", NOW),
    Row("zero witnesses of an archive where three are required", 4, ("archive",), "fresh.agreement", "fresh.toml", NOW),
    # the agreement
    Row("an agreement that is not there", 6, agreement="nowhere"),
    Row("an agreement that is empty", 6, agreement="nothing"),
    Row("an agreement that is a directory", 6, agreement="empty"),
    Row("an agreement that nobody signed", 6, agreement="pact.toml"),
    Row("an agreement that too few signed", 4, agreement="one.agreement"),
    Row("an agreement with zero terms", 6, agreement="termless.agreement"),
    Row("an agreement with zero phases", 6, agreement="phaseless.agreement"),
    Row("an agreement with zero witnesses", 6, agreement="nobody.agreement"),
    # trust
    Row("no trust file", 4, trust=""),
    Row("a trust file that is not there", 6, trust="nowhere"),
    Row("a trust file that is empty", 6, trust="nothing"),
    Row("a trust file that pins something else", 4, trust="cap.toml"),
    # time
    Row("a time before everything", 4, at=START - HOUR),
    Row("a time at the very beginning", 4, at=START),
    # several, and the most serious wins
    Row("a bundle and one that is not there", 6, ("honest", "nowhere")),
    Row("a breach and a bundle that is not there", 3, ("breaking", "nowhere")),
    Row("a forgery and a bundle that is not there", 5, ("zero", "nowhere")),
    Row("an unproven one and a bundle that is not there", 6, ("silent", "nowhere")),
)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every input that a row names."""
    path = tmp_path_factory.mktemp("nothing")
    for name, story in LOGS.items():
        story().bundle().save(path / name)
    for name, gone in (("no-entries", "tile/entries"), ("no-hashes", "tile/0"), ("no-blocks", "blocks")):
        bundle = honest().bundle()
        bundle.files = {p: data for p, data in bundle.files.items() if not p.startswith(gone)}
        bundle.save(path / name)
    empty_log().save(path / "zero")
    for name, data in (("checkpoint-only", honest().note or b""), ("blank", b"")):
        (path / name).mkdir()
        (path / name / "checkpoint").write_bytes(data)
    (path / "empty").mkdir()
    (path / "junk").mkdir()
    (path / "junk" / "readme.txt").write_text("nothing here")
    (path / "nothing").write_bytes(b"")
    cap: Pact = under(CAP)
    of_archive = {
        "custody": keeping(),
        "acap": keeping({**CAP, "assurance": "L1"}, witnesses=FOUR),
        "fresh": keeping({"kind": "freshness", "max_age": "1 d"}, witnesses=FOUR),
    }
    for name, pact in of_archive.items():
        (path / f"{name}.agreement").write_bytes(pact.signed())
        (path / f"{name}.toml").write_bytes(pact.trust())
    holders = ACME.holder_keys()
    for name, data in (
        ("pact.agreement", PACT.signed()),
        ("pact.toml", PACT.text()),
        ("cap.agreement", cap.signed()),
        ("one.agreement", PACT.signed(holders[:1])),
        ("termless.agreement", _signed(TERMLESS)),
        ("phaseless.agreement", _signed(WITHOUT)),
        ("nobody.agreement", _signed(NOBODY)),
        ("trust.toml", PACT.trust()),
        ("cap.toml", cap.trust()),
    ):
        (path / name).write_bytes(data)
    return path


def _signed(text: bytes) -> bytes:
    return sign_document(text, CONTENT_TYPE, ACME.holder_keys())


def run(files: Path, row: Row) -> int:
    words = ["check", *(str(files / bundle) for bundle in row.bundles), "--agreement", str(files / row.agreement)]
    words += ["--trust", str(files / row.trust)] if row.trust else []
    with pytest.raises(SystemExit) as ended:
        main([*words, "--at", utc(row.at)])
    return int(str(ended.value.code))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_nothing_passes_on_nothing(row: Row, files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = run(files, row)
    said = capsys.readouterr()
    assert code == row.code, said.err + said.out
    if code == 6:
        assert said.err.startswith("attest: error: ")
    elif code:
        assert "HOLDS" not in said.out.partition("\n")[0]


def test_no_agreement_at_all(files: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["check", str(files / "honest")])
    assert ended.value.code == 2
