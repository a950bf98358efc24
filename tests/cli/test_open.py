"""`attest open`: what is there, decoded; nothing is judged, and what cannot be decoded is said to be that."""

import json
import shutil
from hashlib import sha256, sha512
from pathlib import Path

import jsonschema
import pytest

from attest.format.cose import Sign1, format_sign1
from attest.log.merkle import leaf_hash
from attest.report.contents import find
from attest.store.directory import DirectoryBundle
from tests.cli.sandbox import HOST, ISS, ROOT, log_id, run
from tests.schemas.example import custody_entry

Captured = pytest.CaptureFixture[str]
pytestmark = pytest.mark.usefixtures("no_network")
SCHEMA = json.loads((ROOT / "schemas" / "open.schema.json").read_text("utf-8"))


def opened(command: str, capsys: Captured) -> dict[str, object]:
    """The JSON of a command, valid by its schema."""
    capsys.readouterr()
    assert run(f"open {command} --format json") == 0
    data: dict[str, object] = json.loads(capsys.readouterr().out)
    jsonschema.validate(data, SCHEMA)
    return data


@pytest.fixture
def sealed(here: Path, capsys: Captured) -> Path:
    """The log with the host's statements under its checkpoint."""
    run("log append log n1-0.cose n1-1.cose")
    run("log seal log --key log.key --key log-pq.key")
    run("log cosign log --name witness.example/w1 --key witness.key --at 2026-11-09T01:00:00Z")
    capsys.readouterr()
    return here / "log"


def test_a_log_is_summed_up(sealed: Path, capsys: Captured) -> None:
    data = opened("log", capsys)
    assert (data["origin"], data["size"]) == ("acme.example/dc1", 5)
    assert data["kinds"] == {"genesis": 1, "inventory": 1, "keys": 1, "usage": 2}
    assert data["blocks"] == {"present": 1, "absent": 0}
    signatures = data["signatures"]
    assert isinstance(signatures, list)
    assert [(s["name"], s["time"]) for s in signatures] == [
        ("acme.example/dc1", None),
        ("acme.example/dc1", None),
        ("witness.example/w1", "2026-11-09T01:00:00Z"),
    ]
    assert data["sources"] == [
        {
            "source": HOST,
            "first_seq": 0,
            "last_seq": 1,
            "from": "2026-11-09T00:00:00Z",
            "until": "2026-11-09T00:02:00Z",
            "kinds": {"usage": 2},
        },
        {
            "source": f"{ISS}/dc1/office",
            "first_seq": 0,
            "last_seq": 2,
            "from": "2026-11-09T00:00:00Z",
            "until": "2026-11-09T00:00:00Z",
            "kinds": {"genesis": 1, "inventory": 1, "keys": 1},
        },
    ]
    assert run("open log") == 0
    text = capsys.readouterr().out
    assert text.startswith("# log log, decoded and not verified\norigin      acme.example/dc1\nsize        5\n")
    assert "signed by   witness.example/w1, key id " in text


@pytest.mark.usefixtures("sealed")
def test_an_absent_block_is_counted(here: Path, capsys: Captured) -> None:
    shutil.rmtree(here / "log" / "blocks")
    assert opened("log", capsys)["blocks"] == {"present": 0, "absent": 1}
    assert opened("log 1", capsys)["block"] == "absent"


@pytest.mark.usefixtures("sealed")
def test_an_entry_is_named_in_three_ways(here: Path, capsys: Captured) -> None:
    entry = (here / "n1-1.cose").read_bytes()
    by_index = opened("log 4", capsys)
    assert by_index["leaf"] == leaf_hash(entry).hex()
    assert opened(f"log {by_index['leaf']}", capsys) == by_index
    assert opened(f"log {HOST}:1", capsys) == by_index
    assert find(DirectoryBundle("log"), "4").entry == entry


@pytest.mark.usefixtures("sealed")
def test_a_usage_statement_is_decoded_with_names(capsys: Captured) -> None:
    data = opened("log 3", capsys)
    value = data["value"]
    assert isinstance(value, dict)
    assert value["protected"]["claims"] == {"iss": ISS, "sub": HOST}
    payload = value["payload"]
    assert (payload["kind"], payload["from"], payload["body"]["devices"]) == ("usage", "2026-11-09T00:00:00Z", 2)
    assert payload["body"]["spans"] == [
        {"from": 0, "state": "missing", "run": None},
        {"from": 1, "state": "missing", "run": None},
    ]
    assert run("open log 3") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["# entry 3", f"# statement, {data['bytes']} bytes, decoded and not verified"]
    assert any(line.endswith("# kind: usage") for line in lines)
    assert any(line.strip() == "#   from 1, state missing, run none" for line in lines)


@pytest.mark.usefixtures("sealed")
def test_the_notation_is_diagnostic_notation(capsys: Captured) -> None:
    """Every line of the notation is balanced; comments aside it is what RFC 8949 section 8 has."""
    assert run("-v open log 0") == 0
    text = "\n".join(line.split("  #")[0].split(" # ")[0] for line in capsys.readouterr().out.splitlines())
    text = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    assert text.startswith("18([")
    assert text.count("<<") == text.count(">>") > 3
    for left, right in ("()", "[]", "{}"):
        assert text.count(left) == text.count(right)
    assert "..." not in text  # nothing is elided under -v


@pytest.mark.usefixtures("sealed")
def test_a_roster_is_shown_with_its_inventory(capsys: Captured) -> None:
    contents = opened("log 1", capsys)["contents"]
    assert isinstance(contents, dict)
    assert [host["source"] for host in contents["hosts"]] == [HOST]
    assert run("open log 1") == 0
    assert '"GPU-2", ' in capsys.readouterr().out


def test_an_act_of_custody_is_shown_with_its_objects(here: Path, capsys: Captured) -> None:
    (here / "act.cose").write_bytes(custody_entry())
    value = opened("act.cose", capsys)["value"]
    assert isinstance(value, dict)
    body = value["payload"]["body"]
    assert (value["payload"]["kind"], body["action"], body["actor"]) == ("custody", "put", "ines@desk-2")
    manifest = b"the example's manifest"
    assert body["objects"] == [
        {
            "role": "manifest",
            "sha256": sha256(manifest).hexdigest(),
            "sha512": sha512(manifest).hexdigest(),
            "size": len(manifest),
        }
    ]
    assert body["details"] == {"origin": "acme.example/dc1", "delivery": body["objects"][0]["sha256"], "size": 7}
    assert run("open act.cose") == 0
    assert "# size: 22 bytes" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("file", "what"),
    [
        ("log/checkpoint", "note"),
        ("n1-0.cose", "statement"),
        ("genesis.act", "document"),
        ("pact.agreement", "agreement"),
    ],
)
def test_single_files_are_recognised(file: str, what: str, here: Path, capsys: Captured) -> None:
    assert opened(file, capsys)["what"] == what
    assert run(f"open {file}") == 0
    assert capsys.readouterr().out.startswith(f"# {what}, ")


def test_a_block_by_itself_shows_what_it_is_bound_to(here: Path, capsys: Captured) -> None:
    (here / "x.block").write_bytes(b"\x80" * 96 + (7).to_bytes(8, "little") + b"\1\2\3\4")
    value = opened("x.block", capsys)["value"]
    assert isinstance(value, dict)
    assert (value["seq"], value["columns"]) == (7, 4)


def test_stdin_is_a_dash(here: Path) -> None:
    from tests.cli.transcript import Step, play

    play(Step("attest open - < n1-0.cose > shown.txt", "", 0), here)


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("nope", "input/missing"),
        ("roster.toml", "open/unknown"),
        ("office.key", "open/unknown"),
        ("log 3", "open/no-entry"),
        ("log 99999999999999999999999", "open/no-entry"),
        (f"log {HOST}:7", "open/no-entry"),
        ("log " + "0" * 64, "open/no-entry"),
        ("log x", "open/no-entry"),
        ("empty", "bundle/missing"),
        ("junk.cose", "cbor/"),
    ],
)
def test_what_cannot_be_opened_is_6_and_no_forgery(command: str, code: str, here: Path, capsys: Captured) -> None:
    (here / "empty").mkdir()
    (here / "junk.cose").write_bytes(b"\xd2\x84junk")
    assert run(f"open {command}") == 6
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"attest: error: {code}"), err


def test_a_file_has_no_entries(here: Path) -> None:
    assert run("open n1-0.cose 3") == 2


@pytest.mark.usefixtures("here")
def test_a_forged_statement_is_shown_like_any_other(capsys: Captured) -> None:
    entry = Path("n1-0.cose").read_bytes()
    Path("forged.cose").write_bytes(entry[:-1] + bytes([entry[-1] ^ 1]))
    assert opened("forged.cose", capsys)["what"] == "statement"


@pytest.mark.usefixtures("here")
def test_bytes_in_a_text_cannot_move_the_cursor(capsys: Captured) -> None:
    from attest.format.cbor import encode

    sneaky = format_sign1(Sign1(encode({1: "\x1b[2J\u202e"}), b"\xa0", encode({0: "\n"}), b"s"))
    Path("sneaky.cose").write_bytes(sneaky)
    assert run("open sneaky.cose") == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert '"\\u001b[2J\\u202e"' in out


def test_the_id_of_a_log_is_its_first_leaf(here: Path, capsys: Captured) -> None:
    assert opened("log 0", capsys)["leaf"] == log_id(here / "log").hex()
