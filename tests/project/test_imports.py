"""Imports point one way: the core to its left only, the shell to the core, the parts of the shell not to each other."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "attest"

CORE = [
    "errors", "format", "trust", "log", "compute", "evidence", "bundle", "agreement", "timeline", "control", "keyring",
    "replay", "facts", "layout", "packs", "lookups", "scan", "usage", "channels", "gather", "series", "traffic",
    "reread", "figures", "metering", "throughput", "stretches", "repeated", "worth", "expected", "account", "admitted",
    "relief", "evaluate", "across", "verdict", "acts", "schedule", "lights", "terms", "joint", "anomalies",
    "judge", "check",
]  # fmt: skip
SHELL = {
    "store": set(),
    "sign": set(),
    "collect": set(),
    "report": set(),
    "simulate": {"sign", "store"},
    "inventory": {"store", "collect"},
    "record": {"store", "sign", "collect", "inventory"},
    "site": {"store", "sign", "record", "inventory"},
    "archive": {"store", "sign", "collect", "report"},
    "cli": {"archive", "store", "sign", "collect", "inventory", "record", "site", "report", "simulate"},
    "__main__": {"cli"},
}

# What reads a clock or the world; the core gets bytes and times as arguments.
IMPURE = {
    "asyncio", "ctypes", "fcntl", "glob", "importlib", "io", "mmap", "multiprocessing", "os", "pathlib", "random",
    "secrets", "select", "shutil", "signal", "socket", "sqlite3", "subprocess", "sys", "tempfile", "threading", "time",
    "urllib", "http", "ssl", "logging", "click",
}  # fmt: skip
# Package data read when a module is loaded, by a name inside the package: the table of accelerators.
RESOURCES = {("compute/accelerators.py", "importlib"), ("compute/pins.py", "importlib")}

MODULES = sorted(PACKAGE.rglob("*.py"))


def area(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> Iterator[str]:
    """Absolute dotted names that a module imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            module = node.module or ""
            yield from (f"{module}.{alias.name}" for alias in node.names)


def inside(path: Path) -> set[str]:
    """Areas of this package that a module imports, other than its own."""
    names = {name.split(".")[1] for name in imported(path) if name.startswith("attest.")}
    return names - {area(path), "__version__"}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_module_imports_only_what_stands_before_it(path: Path) -> None:
    here = area(path)
    if here == "__init__":
        return
    assert here in CORE or here in SHELL, f"{here} has no place in the order of imports"
    allowed = set(CORE[: CORE.index(here)]) if here in CORE else {*CORE, *SHELL[here]}
    assert inside(path) <= allowed


@pytest.mark.parametrize("path", [p for p in MODULES if area(p) in CORE], ids=lambda p: str(p.relative_to(PACKAGE)))
def test_the_core_reads_no_clock_and_no_file(path: Path) -> None:
    used = {name.split(".")[0] for name in imported(path)} & IMPURE
    name = path.relative_to(PACKAGE).as_posix()
    assert {module for module in used if (name, module) not in RESOURCES} == set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in {"open", "input", "print", "eval", "exec", "__import__"}, f"{name}: {called}"
            assert not called.endswith((".now", ".today", ".utcnow")), f"{name}: {called}"


HEAVY = {"numpy", "cryptography", "cbor2", "nacl", "cffi", "_cffi_backend"}


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["explain", "key/weak"], ["completion", "bash"]])
def test_light_commands_import_nothing_heavy(words: list[str]) -> None:
    program = (
        "import sys\n"
        "from attest.cli.main import main\n"
        "try:\n    main(sys.argv[1:])\n"
        "finally:\n    print('\\n' + ' '.join(sorted({m.split('.')[0] for m in sys.modules})))\n"
    )
    done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "click" in loaded
    assert loaded & HEAVY == set()
