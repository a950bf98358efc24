"""The ledger on the disk: torn, damaged, killed at every step, written by two at once, and large."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from attest.errors import LogError
from attest.inventory.ledger import FOREVER, Act, Ledger, Line, Named, counted, format_line, off_ranges, path_of
from attest.inventory.site import Place
from attest.store import disk
from attest.store.outbox import Outbox
from attest.store.writer import LogWriter
from tests.inventory.books import H100, HOST, OTHER, Site, act, at, books, done, kept, lines, placed, site

__all__ = ["site"]  # a fixture

NEW = ("--model", H100)
GPU = Named("GPU-1", None, H100)


class Stopped(BaseException):
    """The process is killed here."""


def test_a_torn_line_was_never_accepted(tmp_path: Path) -> None:
    log = tmp_path / "log"
    first, second = (Line(Act.ADD, 5, (GPU,), entry, "aa") for entry in (1, 2))
    Ledger(log).append(first)
    whole = path_of(log).read_bytes()
    data = format_line(second)
    for cut in range(len(data) - 1):
        zeros = bytes(len(data) - 1 - cut)
        for tail in (data[:cut], data[:cut] + zeros, data[:cut] + zeros + b"\n", zeros + data[-cut - 1 :]):
            path_of(log).write_bytes(whole + tail)
            ledger = Ledger(log)
            assert ledger.lines == [first]
            ledger.append(second)
            assert path_of(log).read_bytes() == whole + data
            assert Ledger(log).lines == [first, second]


@pytest.mark.parametrize(
    "damage",
    [
        b"{}\n",
        b"[]\n",
        b"null\n",
        b"\xff\n",
        b'{"act": "add"}\n',
        b'{"act": "steal", "at": 1, "entry": 1}\n',
        b'{"act": "add", "at": 1.5, "entry": 1}\n',
        b'{"act": "add", "at": true, "entry": 1}\n',
        b'{"act": "add", "at": 1, "entry": 1, "devices": [["GPU-1"]]}\n',
        b'{"act": "add", "at": 1, "entry": 1, "devices": [[null, null, "x"]]}\n',
        b'{"act": "add", "at": 1, "entry": 1, "host": 5}\n',
        b'{"act": "add", "at": 1, "entry": 1, "more": 5}\n',
        b'{"act": "add", "at": ' + b"9" * 5_000 + b', "entry": 1}\n',
        b"[" * 100_000 + b"\n",
        b"\0\0\0\n",
    ],
)
def test_a_bad_line_that_others_follow_is_damage(site: Site, damage: bytes) -> None:
    done(site, "add", "GPU-9", *NEW, *at(1))
    path_of(site.log).write_bytes(damage + path_of(site.log).read_bytes())
    before = kept(site.log)
    for words in (("add", "GPU-8", *NEW), ("power-off", "GPU-0"), ("retire", "GPU-0")):
        code, _, err = act(site, *words)
        assert code == 6 and err.startswith("attest: error: inventory/ledger: ")
        assert "log.inventory.jsonl:1" in err
    assert kept(site.log) == before


def test_a_ledger_of_another_kind_of_file_is_refused(site: Site) -> None:
    path_of(site.log).mkdir()
    assert act(site, "add", "GPU-9", *NEW)[0] == 6


def test_when_a_device_is_off() -> None:
    def line(act: Act, at: int) -> Line:
        return Line(act, at, (GPU,), 1)

    off, on, end = Act.POWER_OFF, Act.POWER_ON, Act.RETIRE
    assert off_ranges([]) == {}
    assert off_ranges([line(off, 5)]) == {"GPU-1": [(5, FOREVER)]}
    assert off_ranges([line(off, 5), line(on, 9), line(off, 20), line(Act.MOVE, 25), line(end, 30)]) == {
        "GPU-1": [(5, 9), (20, 30)]
    }


# -- killed


class Changes:
    """Counts changes of the disk, and dies before one of them or in the middle of what it writes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, deadly: int, *, half: bool = False) -> None:
        self.count, self.deadly, self.half = 0, deadly, half
        for name in ("write", "sync", "sync_directory", "truncate", "rename", "unlink", "create"):
            monkeypatch.setattr(disk, name, self.counted(name, getattr(disk, name)))

    def counted(self, name: str, change: Any) -> Any:
        def wrapped(*args: Any) -> Any:
            self.count += 1
            if self.count == self.deadly:
                if self.half and name == "write":
                    change(args[0], args[1][: len(args[1]) // 2])
                raise Stopped
            return change(*args)

        return wrapped


def life(site: Site) -> bool:
    """Every act once, each of which may have been done before; False if it was killed."""
    for hours, words in enumerate(
        [
            ("add", "GPU-9=S9", *NEW, "--to", HOST, "--feed", "node_0"),
            ("move", "GPU-9", "--from", HOST, "--to", OTHER, "--feed", "node_1"),
            ("power-off", "GPU-9"),
            ("retire", "GPU-9"),
        ],
        1,
    ):
        code, _, err = act(site, *words, *at(hours))
        if "Stopped" in err:
            return False
        again = ("inventory/already", "inventory/not-there", "inventory/power", "inventory/retired")
        said = err.removeprefix("attest: hint: 1 statement that the office began to sign before a crash came first\n")
        assert code == 0 or said.startswith(tuple(f"attest: error: {each}" for each in again)), err
    return True


@pytest.mark.parametrize("half", [False, True])
def test_killed_anywhere_and_done_again(site: Site, half: bool) -> None:
    fresh = shutil.copytree(site.log, site.path / "fresh")
    with pytest.MonkeyPatch.context() as patch:
        changes = Changes(patch, 0)
        assert life(site)
    wanted = [inventory.digest for inventory in books(site.log).inventories]
    assert len(wanted) == 4
    for deadly in range(1, changes.count + 1):
        shutil.rmtree(site.log)
        path_of(site.log).unlink(missing_ok=True)
        shutil.copytree(fresh, site.log)
        with pytest.MonkeyPatch.context() as patch:
            Changes(patch, deadly, half=half)
            assert not life(site)
        assert not books(site.log).strays
        assert life(site)
        now = books(site.log)
        assert (now.get("S9").place, now.off, now.strays) == (Place.RETIRED, {}, frozenset())
        assert [inventory.digest for inventory in now.inventories] == wanted
        acts = [line.act for line in counted(now.ledger.lines, {i.entry: i.digest.hex() for i in now.inventories})]
        assert acts == ["begin", "add", "move", "power-off", "retire"]


def test_of_two_lines_for_one_entry_the_last_was_carried_out(site: Site) -> None:
    """The serial was mistyped, the process died before the statement was begun, and the act was given again."""
    words = (*NEW, "--to", HOST, "--feed", "node_0", *at(1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Outbox, "propose", dying)
        assert "Stopped" in act(site, "add", "GPU-9=S8", *words)[2]
    assert [line["act"] for line in lines(site.log)] == ["begin", "add"]
    assert books(site.log).find("GPU-9") is None
    done(site, "add", "GPU-9=S9", *words)
    assert books(site.log).get("GPU-9").named.serial == "S9"
    done(site, "add", "GPU-8=S8", *NEW, *at(1))


def test_what_was_begun_before_a_crash_is_in_the_log_before_the_next_act(site: Site) -> None:
    words = (*NEW, "--to", HOST, "--feed", "node_0", *at(1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LogWriter, "extend", dying)
        assert "Stopped" in act(site, "add", "GPU-9", *words)[2]
    assert placed(site.log) == {HOST: ["GPU-0", "GPU-1"]}
    code, out, err = act(site, "add", "GPU-8", *words)
    assert code == 0 and out.startswith("entry 4 declares 4 accelerators") and "came first" in err
    assert placed(site.log) == {HOST: ["GPU-0", "GPU-1", "GPU-9", "GPU-8"]}
    assert books(site.log).strays == frozenset()


def dying(*_: object) -> None:
    raise Stopped


# -- two at once, and many


def spawn(site: Site, uid: str) -> subprocess.Popen[str]:
    words = ["inventory", "add", str(site.log), uid, *NEW, "--to", HOST, "--feed", "node_0", *at(1)]
    command = [sys.executable, "-m", "attest", *words, "--key", str(site.key("office"))]
    return subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_of_two_at_once_one_waits_for_nothing_and_is_refused(site: Site) -> None:
    site.key("office")
    with LogWriter.open(site.log):
        process = spawn(site, "GPU-9")
        assert "log/locked" in process.communicate(timeout=60)[1]
        assert process.returncode == 6
    assert not path_of(site.log).exists()


def test_one_device_added_by_many_at_once_arrives_once(site: Site) -> None:
    site.key("office")
    processes = [spawn(site, "GPU-9") for _ in range(6)]
    errors = [process.communicate(timeout=120)[1] for process in processes]
    codes = [process.returncode for process in processes]
    assert codes.count(0) == 1 and set(codes) == {0, 6}
    assert {error.split(":")[2].strip() for error in errors if error} <= {"log/locked", "inventory/already"}
    assert placed(site.log) == {HOST: ["GPU-0", "GPU-1", "GPU-9"]}
    assert [line["act"] for line in lines(site.log)] == ["begin", "add"]


def test_a_hundred_thousand_devices(site: Site, tmp_path: Path) -> None:
    count, each = 100_000, 8
    hosts = [
        f'[[host]]\nsource = "https://acme.example/dc1/h{n}"\nfeed = "node_0"\nmodel = "{H100}"\ndevices = '
        + str([f"GPU-{n:05}-{k}" for k in range(each)]).replace("'", '"')
        for n in range(count // each)
    ]
    feeds = '[[feed]]\nname = "node_0"\n'
    text = site.file("large.toml", "\n".join([feeds, *hosts]))
    for uid in ("GPU-0", "GPU-1"):
        done(site, "retire", uid, *at(1))
    done(site, "declare", text, "--again", "the hall was filled before there were books", *at(1))
    h7 = "https://acme.example/dc1/h7"
    done(site, "move", "GPU-00007-3", "--from", h7, "--to", OTHER, "--feed", "node_0", *at(2))
    now = books(site.log)
    assert len(now.hosts) == count
    assert [uid for uid, host in now.hosts.items() if host == h7] == [f"GPU-00007-{k}" for k in range(each) if k != 3]
    assert now.get("GPU-00007-3").host == OTHER


def test_a_ledger_has_its_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("attest.inventory.ledger.MAX_LEDGER", 200)
    ledger = Ledger(tmp_path / "log")
    ledger.append(Line(Act.ADD, 5, (GPU,), 1))
    with pytest.raises(LogError, match="inventory/ledger"):
        ledger.append(Line(Act.ADD, 5, (GPU,) * 9, 1))
    assert len(Ledger(tmp_path / "log").lines) == 1
    path_of(tmp_path / "log").write_bytes(b" " * 201)
    with pytest.raises(LogError, match="inventory/ledger"):
        Ledger(tmp_path / "log")
