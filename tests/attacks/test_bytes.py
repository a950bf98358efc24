"""Whatever happens to the files of an honest bundle, it does not hold any more, and nobody but the copy is blamed.

Every file is walked, byte by byte where it is small, at places drawn from a seed where it is large.
"""

import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from random import Random

import pytest

from attest.agreement import SignedAgreement, verify_agreement
from attest.check import check
from attest.cli.main import main
from attest.errors import Scope
from attest.simulate.lab import Lab
from attest.simulate.memory import MemoryBundle
from attest.store.directory import DirectoryBundle
from attest.trust.pins import Trust, parse_trust
from attest.verdict import Outcome, Verdict, utc
from tests.attacks.vectors import INVALID, findings
from tests.check.world import ACME, END, HOUR, LATER, PACT, honest, site

SMALL = 900  # bytes: files up to this are walked whole
SAMPLE = 60  # places in each larger one


@cache
def given() -> tuple[SignedAgreement, Trust]:
    return verify_agreement(PACT.signed()), parse_trust(PACT.trust())


@cache
def files() -> dict[str, bytes]:
    """An honest bundle of one tile."""
    return honest().bundle().files


@cache
def large() -> dict[str, bytes]:
    """An honest bundle of several tiles on two levels."""
    made = Lab(ACME, site(), window_s=HOUR // 2, head_s=HOUR // 6)
    made.run()
    return made.bundle().files


def judged(changed: dict[str, bytes]) -> Verdict:
    return check([MemoryBundle("changed", changed)], given()[0], given()[1], at=LATER)


def require_blameless(verdict: Verdict, what: str) -> None:
    """Not exit 0, nothing breached, and nobody accused by what a bad copy says."""
    assert verdict.exit_code not in (0, 3), what
    assert verdict.outcome is not Outcome.HOLDS or verdict.missing, what
    scopes = {f.scope for f in findings(verdict) if f.outcome is INVALID}
    assert scopes <= {Scope.COPY}, (what, scopes)


def places(size: int, random: Random) -> Iterator[int]:
    yield from range(size) if size <= SMALL else sorted({0, size - 1, *(random.randrange(size) for _ in range(SAMPLE))})


@pytest.mark.parametrize("path", sorted(files()))
def test_one_byte_of_any_file(path: str) -> None:
    random = Random(path)
    data = files()[path]
    for place in places(len(data), random):
        other = bytes([data[place] ^ random.randrange(1, 256)])
        changed = files() | {path: data[:place] + other + data[place + 1 :]}
        require_blameless(judged(changed), f"{path} byte {place} {data[place]:#x} -> {other.hex()}")


def test_one_bit_of_each_file_of_a_large_log() -> None:
    random = Random("large")
    for path, data in sorted(large().items()):
        for place in {0, len(data) - 1, *(random.randrange(len(data)) for _ in range(2))}:
            changed = large() | {
                path: data[:place] + bytes([data[place] ^ 1 << random.randrange(8)]) + data[place + 1 :]
            }
            require_blameless(judged(changed), f"{path} byte {place}")


@pytest.mark.parametrize("whole", [files, large], ids=["small", "large"])
def test_any_file_gone_cut_or_longer(whole: object) -> None:
    assert callable(whole)
    for path, data in whole().items():
        gone = dict(whole())
        del gone[path]
        require_blameless(judged(gone), f"{path} gone")
        for changed in (b"", data[:1], data[: len(data) // 2], data[:-1], data + b"\0", data + b"\n", data + data):
            if changed != data:
                require_blameless(judged(whole() | {path: changed}), f"{path} with {len(changed)} of {len(data)} bytes")


@pytest.mark.parametrize("whole", [files, large], ids=["small", "large"])
def test_any_two_files_swapped(whole: object) -> None:
    assert callable(whole)
    paths = sorted(whole())
    random = Random("swapped")
    pairs = [(a, b) for a in paths for b in paths if a < b]
    for left, right in pairs if len(pairs) < 40 else random.sample(pairs, 40):
        changed = whole() | {left: whole()[right], right: whole()[left]}
        require_blameless(judged(changed), f"{left} and {right}")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An honest log in a directory, with its agreement and trust file."""
    path = tmp_path_factory.mktemp("bytes")
    honest().save(path / "log")
    (path / "pact.agreement").write_bytes(PACT.signed())
    (path / "trust.toml").write_bytes(PACT.trust())
    return path


def run(folder: Path, bundle: Path) -> int:
    """`attest check` of a directory, in this process."""
    options = ["--agreement", str(folder / "pact.agreement"), "--trust", str(folder / "trust.toml"), "--at", utc(LATER)]
    with pytest.raises(SystemExit) as ended:
        main(["check", str(bundle), *options])
    return int(str(ended.value.code))


def test_a_directory_through_the_command_line(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(folder, folder / "log") == 0
    names = [p.relative_to(folder / "log") for p in sorted((folder / "log").rglob("*")) if p.is_file()]
    names = [name for name in names if not name.name.startswith(".")]
    assert len(names) >= 4
    random = Random("directory")
    for name in names:
        copy = shutil.copytree(folder / "log", tmp_path / "copy", dirs_exist_ok=True)
        data = (copy / name).read_bytes()
        place = random.randrange(len(data))
        (copy / name).write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        assert run(folder, copy) in (4, 5), f"{name} byte {place}"
        for changed in (b"", data[:-1], data + b"x"):
            (copy / name).write_bytes(changed)
            assert run(folder, copy) in (4, 5, 6), f"{name} with {len(changed)} bytes"
        (copy / name).unlink()
        assert run(folder, copy) in (4, 6), f"{name} gone"
        (copy / name).mkdir()
        assert run(folder, copy) in (4, 6), f"{name} a directory"
        shutil.rmtree(copy)
    assert "crashed" not in capsys.readouterr().err


def test_a_directory_that_is_checked_is_the_same_as_one_in_memory(folder: Path) -> None:
    bundle = DirectoryBundle(folder / "log")
    assert check([bundle], given()[0], given()[1], at=LATER).outcome is Outcome.HOLDS
    assert LATER > END
