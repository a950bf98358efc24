"""The project installs from what it declares, and its repository speaks of the project alone."""

import re
import subprocess
import tomllib
from importlib.metadata import distribution
from importlib.resources import files
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
LOCK = (ROOT / ".ci" / "requirements.lock").read_text("utf-8")

BASE = {"cryptography", "pynacl", "cbor2", "click", "numpy"}
TOP = {
    ".ci", ".gitignore", "LICENSE", "README.md", "attest", "examples", "pyproject.toml", "schemas", "tests",
}  # fmt: skip


def test_the_base_install_is_five_packages() -> None:
    assert {Requirement(r).name for r in PROJECT["project"]["dependencies"]} == BASE


def test_the_command_and_the_package_are_named_attest() -> None:
    assert PROJECT["project"]["name"] == "compute-attest"
    assert PROJECT["project"]["scripts"] == {"attest": "attest.cli.main:main"}
    scripts = distribution("compute-attest").entry_points.select(group="console_scripts")
    assert {s.name: s.value for s in scripts} == PROJECT["project"]["scripts"]


@pytest.mark.parametrize("wanted", [*PROJECT["project"]["dependencies"], *PROJECT["dependency-groups"]["dev"]])
def test_the_lock_satisfies_what_is_declared(wanted: str) -> None:
    requirement = Requirement(wanted)
    locked = re.findall(rf"(?mi)^{re.escape(requirement.name)}==([^ ]+) ", LOCK)
    assert locked, f"{requirement.name} is not locked"
    assert all(Version(version) in requirement.specifier for version in locked)


def test_every_locked_package_has_hashes_and_no_address() -> None:
    for block in re.split(r"(?m)^(?=[a-z])", LOCK)[1:]:
        assert "--hash=sha256:" in block, block.splitlines()[0]
    assert "://" not in LOCK


@pytest.mark.parametrize("name", ["report/codes.toml", "compute/accelerators.csv", "archive/policy.toml", "py.typed"])
def test_package_data_is_installed(name: str) -> None:
    assert files("attest").joinpath(name).is_file()


def tracked() -> list[Path]:
    done = subprocess.run(["git", "ls-files", "-z"], check=False, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("not a git checkout")
    return [Path(name) for name in done.stdout.split("\0") if name]


def test_nothing_else_stands_at_the_top() -> None:
    assert {path.parts[0] for path in tracked()} <= TOP


def test_no_path_of_a_machine_is_in_the_repository() -> None:
    machine = re.compile(r"(?<![\w.:/-])/(?:work|home|root|Users)/\w")
    for path in tracked():
        if (ROOT / path).is_file():
            found = machine.search((ROOT / path).read_bytes().decode("utf-8", "replace"))
            assert found is None, f"{path}: {found}"


def test_every_page_that_the_code_names_is_there() -> None:
    named = re.compile(r"schemas/[a-z][a-z.-]*\.(?:md|json|cddl)")
    found = {name for path in (ROOT / "attest").rglob("*.py") for name in named.findall(path.read_text("utf-8"))}
    assert found
    assert {name for name in found if not (ROOT / name).is_file()} == set()
