"""`attest agreement`, as transcripts: what is printed where, and the exit code."""

import re
import shutil
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from attest.agreement import parse_agreement, verify_agreement
from attest.agreement.cases import CASES
from attest.cli.agreement import CASES as NAMES
from attest.cli.main import main
from attest.sign.files import new_key
from attest.trust.keys import Alg, format_key

PAGE = Path(__file__).resolve().parents[2] / "schemas" / "agreement.md"
HOLDERS = ("ada", "bob", "cleo", "dan")


@pytest.fixture(scope="module")
def pact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with keys of its own and an agreement that names them."""
    folder = tmp_path_factory.mktemp("pact")
    found = re.search(r"```toml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert found
    text = found[1]
    published = re.findall(r'\[\[party.holder\]\]\nname = "[^"]*"\nkeys = \["([^"]*)"\]', text)
    for name, old in zip(HOLDERS, published, strict=True):
        key = new_key(folder / f"{name}.key", Alg.ML_DSA_65 if name == "dan" else Alg.ED25519)
        text = text.replace(old, format_key(key.public_key()))
    new_key(folder / "mallory.key")
    (folder / "pact.toml").write_text(text, "utf-8")
    return folder


@pytest.fixture
def here(pact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = shutil.copytree(pact, tmp_path / "work")
    monkeypatch.chdir(folder)
    return folder


def run(capsys: pytest.CaptureFixture[str], command: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(command.split())
    out, err = capsys.readouterr()
    return int(str(ended.value.code)), out, err


def test_parties_sign_on_different_machines(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "agreement sign pact.toml --key ada.key -o pact.agreement") == (
        0,
        "",
        "signed as Ada, chief executive of Acme\nnot yet bound: https://acme.example\n"
        "not yet bound: https://borealis.example\n",
    )
    assert run(capsys, "agreement sign pact.agreement --key dan.key --key bob.key -o pact.agreement") == (
        0,
        "",
        "signed as Dan, president of Borealis\nsigned as Bob, head of infrastructure of Acme\n",
    )
    found = verify_agreement(Path("pact.agreement").read_bytes())
    assert found.unbound == ()
    assert found.agreement.text == Path("pact.toml").read_bytes()
    assert {path.name for path in here.iterdir()} == {
        "pact.toml", "pact.agreement", "mallory.key", *(f"{n}.key" for n in HOLDERS),
    }  # fmt: skip


def test_show_says_who_signed_and_what(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "agreement sign pact.toml --key ada.key --key cleo.key -o pact.agreement")
    code, out, err = run(capsys, "agreement show pact.agreement")
    digest = parse_agreement(Path("pact.toml").read_bytes()).digest.hex()
    assert (code, err) == (0, "")
    assert out.startswith(f"Two-party pause, version 1\n  digest     {digest}\n")
    assert "  signed     Ada, chief executive; Cleo, works council (bound; 2 of 3 bind)\n" in out
    assert "  not signed Bob, head of infrastructure\n" in out
    assert "  signed     nobody (not bound, 1 more must sign; 1 of 1 bind)\n" in out
    assert "  compute-cap: at most 2e25 FLOP of any kind over the phase, shown at L4 or better\n" in out


def test_a_text_is_shown_as_signed_by_nobody(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "agreement show pact.toml")
    assert code == 0
    assert out.count("  signed     nobody (not bound") == 2


def test_a_key_of_nobody_does_not_sign(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "agreement sign pact.toml --key ada.key --key mallory.key -o pact.agreement")
    assert (code, out) == (6, "")
    assert err.startswith("attest: error: agreement/stranger: mallory.key is the key of no root holder in pact.toml\n")
    assert not Path("pact.agreement").exists()


def test_a_faulty_text_is_refused_with_its_line(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = Path("pact.toml").read_text("utf-8").replace('limit = "2e25 FLOP"', 'limit = "2e25 FLOPS"')
    Path("pact.toml").write_text(text, "utf-8")
    line = text[: text.index("FLOPS")].count("\n") + 1
    code, out, err = run(capsys, "agreement sign pact.toml --key ada.key -o pact.agreement")
    assert (code, out) == (6, "")
    assert err == (
        f"attest: error: quantity/unit: FLOPS is no unit of compute (line {line}, phase.term.limit), in pact.toml\n"
        "attest: hint: its units are FLOP, kFLOP, MFLOP, GFLOP, TFLOP, PFLOP, EFLOP, ZFLOP, YFLOP\n"
    )


def test_others_signatures_are_not_overwritten(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "agreement sign pact.toml --key ada.key -o pact.agreement")
    before = Path("pact.agreement").read_bytes()
    code, _, err = run(capsys, "agreement sign pact.toml --key bob.key -o pact.agreement")
    assert code == 2
    assert "pact.agreement exists; to add to" in err
    assert Path("pact.agreement").read_bytes() == before


def test_a_text_is_never_replaced_by_its_signed_form(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "agreement sign pact.toml --key ada.key -o pact.toml")
    assert code == 2
    assert "pact.toml exists" in err


def test_a_changed_signed_file_is_not_signed_further(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "agreement sign pact.toml --key ada.key -o pact.agreement")
    data = Path("pact.agreement").read_bytes()
    Path("pact.agreement").write_bytes(data.replace(b"2e25", b"9e25"))
    code, _, err = run(capsys, "agreement sign pact.agreement --key bob.key -o pact.agreement")
    assert code == 6
    assert err.startswith("attest: error: ")


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("agreement sign nothing.toml --key ada.key -o x", 6),
        ("agreement sign pact.toml --key nothing.key -o x", 6),
        ("agreement sign pact.toml -o x", 2),
        ("agreement sign pact.toml --key ada.key", 2),
        ("agreement sign pact.toml --key ada.key -o nowhere/x", 6),
        ("agreement show nothing", 6),
        ("agreement show ada.key", 6),
        ("agreement show", 2),
        ("agreement burn", 2),
    ],
)
def test_wrong_usage_and_missing_files(here: Path, capsys: pytest.CaptureFixture[str], command: str, code: int) -> None:
    found, out, err = run(capsys, command)
    assert (found, out) == (code, "")
    assert err.startswith("attest: error: ")


def test_a_key_with_a_passphrase_signs(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("ada.key").unlink()
    key = new_key("ada.key", passphrase=b"open sesame")
    text = Path("pact.toml").read_text("utf-8")
    old = re.search(r'Ada, chief executive"\nkeys = \["([^"]*)"', text)
    assert old
    Path("pact.toml").write_text(text.replace(old[1], format_key(key.public_key())), "utf-8")
    Path("secret").write_text("open sesame\n")
    assert run(capsys, "agreement sign pact.toml --key ada.key -o x")[0] == 6
    assert run(capsys, "agreement sign pact.toml --key ada.key --passphrase-file secret -o x")[0] == 0


def test_a_key_that_others_can_read_does_not_sign(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    Path("open.key").write_bytes(pem)
    Path("open.key").chmod(0o644)
    code, _, err = run(capsys, "agreement sign pact.toml --key open.key -o x")
    assert code == 6
    assert "others than its owner" in err


def test_a_template_is_written_and_refused_until_it_is_filled(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "agreement new full-stop --accelerators 2048 -o new.toml")
    assert (code, out, err) == (0, "", "fill its blanks, then: attest agreement lint new.toml\n")
    line = (
        Path("new.toml")
        .read_text("utf-8")
        .splitlines()
        .index('name = "<fill 1: what the agreement is called, such as Full stop in winter>"')
        + 1
    )
    for command in ("agreement lint new.toml", "agreement show new.toml", "agreement sign new.toml --key ada.key -o x"):
        assert run(capsys, command) == (
            6,
            "",
            "attest: error: agreement/blank: blank 1 is not filled, and 34 more: what the agreement is called, such as"
            f" Full stop in winter (line {line}, name), in new.toml\n"
            "attest: hint: fill blanks in the order of their numbers\n",
        )
    assert run(capsys, "agreement new full-stop -o -")[1].startswith("# Full stop: ")


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("agreement new full-stop -o pact.toml", "pact.toml exists"),
        ("agreement new full-stop -o new.toml --model Abacus", "invalid value for --model: no accelerator 'Abacus' in"),
        ("agreement new full-stop -o new.toml --accelerators 0", "invalid value for '--accelerators': 0 is not in"),
        ("agreement new half-stop -o new.toml", "invalid value for '"),
    ],
)
def test_a_template_that_cannot_be(here: Path, capsys: pytest.CaptureFixture[str], command: str, message: str) -> None:
    before = Path("pact.toml").read_bytes()
    code, out, err = run(capsys, command)
    assert (code, out) == (2, "")
    assert err.startswith(f"attest: error: {message}")
    assert not Path("new.toml").exists()
    assert Path("pact.toml").read_bytes() == before


def test_lint_prints_holes_and_is_no_verdict(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "agreement lint pact.toml")
    assert (code, err) == (6, "")
    assert out.startswith("line 12: lint/quorum-denied  Acme without acme-own: ")
    run(capsys, "agreement sign pact.toml --key ada.key -o pact.agreement")
    assert run(capsys, "agreement lint pact.agreement") == (code, out, err)


def test_cases_are_those_that_have_a_template() -> None:
    assert tuple(CASES) == NAMES
