"""The verifier packs itself, and what it packs can be installed and run; the specification goes with it."""

import base64
import csv
import hashlib
import io
import json
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Mapping
from email import message_from_bytes
from pathlib import Path

import pytest

import attest
from attest.archive import wheel
from attest.archive.wheel import own_wheel, specification
from attest.errors import MissingError

ROOT = Path(__file__).resolve().parents[2]
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]


def members(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        assert file.testzip() is None
        return {name: file.read(name) for name in file.namelist()}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, bytes]:
    """The wheel that the build backend makes of this checkout."""
    target = tmp_path_factory.mktemp("built")
    command = [*PIP, "wheel", "-q", "--no-index", "--no-deps", "--no-build-isolation", "-w", str(target), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    (found,) = target.glob("*.whl")
    return members(found.read_bytes())


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that has our wheel, and of everything else what this one has."""
    folder = tmp_path_factory.mktemp("fresh")
    venv.create(folder / "env", system_site_packages=True, with_pip=False, symlinks=True)
    found = folder / "env/bin/python"
    name, data = own_wheel()
    (folder / name).write_bytes(data)
    pip = [*PIP, "--python", str(found), "install", "-q", "--no-index", "--no-deps", str(folder / name)]
    subprocess.run(pip, check=True, capture_output=True)
    (site,) = folder.glob("env/lib/python*/site-packages")
    (site / "others.pth").write_text(sysconfig.get_path("purelib"))  # a venv of a venv sees only the system's
    return found


def run(python: Path, *words: str) -> str:
    done = subprocess.run([python, *words], check=True, capture_output=True, text=True, cwd=python.parent)
    return done.stdout


def test_it_is_the_same_each_time() -> None:
    assert own_wheel() == own_wheel()


def test_it_holds_what_the_build_backend_packs(built: Mapping[str, bytes]) -> None:
    name, data = own_wheel()
    assert name == f"compute_attest-{attest.__version__}-py3-none-any.whl"
    own = members(data)
    folder = f"compute_attest-{attest.__version__}.dist-info"
    # METADATA holds the README as it was when this environment was made.
    made = {f"{folder}/{part}" for part in ("METADATA", "RECORD", "WHEEL")}
    assert own.keys() == built.keys()
    assert {path for path in own if own[path] != built[path]} <= made
    says = [message_from_bytes(files[f"{folder}/METADATA"]) for files in (own, built)]
    assert says[0]["Name"] == says[1]["Name"] == "compute-attest"
    assert says[0]["Version"] == says[1]["Version"] == attest.__version__


def test_a_built_wheel_has_the_specification(built: Mapping[str, bytes]) -> None:
    texts = {path.removeprefix("attest/schemas/"): d for path, d in built.items() if path.startswith("attest/schemas/")}
    assert texts == dict(specification())


def test_the_specification_is_all_of_schemas() -> None:
    found = list(specification())
    assert found == sorted(found)
    texts = ROOT / "schemas"
    assert dict(found) == {p.relative_to(texts).as_posix(): p.read_bytes() for p in texts.rglob("*") if p.is_file()}
    assert {"archive.md", "verification.md", "statement.cddl", "decisions/0001-reserved-kinds.md"} <= dict(found).keys()


def test_its_record_has_every_file_and_its_hash() -> None:
    files = members(own_wheel()[1])
    (record,) = [path for path in files if path.endswith(".dist-info/RECORD")]
    rows = {path: (digest, size) for path, digest, size in csv.reader(files[record].decode().splitlines())}
    assert rows.keys() == files.keys()
    for path, data in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        assert rows[path] == (("", "") if path == record else (f"sha256={digest}", str(len(data))))


def test_it_is_installed_and_runs(python: Path) -> None:
    assert run(python.with_name("attest"), "--version") == f"attest, version {attest.__version__}\n"
    assert Path(run(python, "-c", "import attest; print(attest.__file__)").strip()).is_relative_to(python.parents[1])


def test_the_installed_one_packs_the_same(python: Path) -> None:
    program = (
        "import hashlib, json\n"
        "from attest.archive.wheel import own_wheel, specification\n"
        "name, data = own_wheel()\n"
        "texts = {path: hashlib.sha256(text).hexdigest() for path, text in specification()}\n"
        "print(json.dumps([name, hashlib.sha256(data).hexdigest(), texts]))"
    )
    name, data = own_wheel()
    texts = {path: hashlib.sha256(text).hexdigest() for path, text in specification()}
    assert json.loads(run(python, "-c", program)) == [name, hashlib.sha256(data).hexdigest(), texts]


def test_what_tools_leave_behind_is_not_packed() -> None:
    names = members(own_wheel()[1]).keys()
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc") or "/." in name]


def test_one_that_was_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wheel, "PROJECT", "compute-attest-that-is-not-there")
    with pytest.raises(MissingError, match=r"archive/verifier.*not installed"):
        own_wheel()


def test_one_that_was_installed_as_another_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wheel, "__version__", "9.9")
    with pytest.raises(MissingError, match=r"archive/verifier.*9\.9 runs"):
        own_wheel()


def test_one_without_the_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wheel, "_PACKAGE", tmp_path / "attest")
    with pytest.raises(MissingError, match=r"archive/verifier.*no schemas"):
        list(specification())
