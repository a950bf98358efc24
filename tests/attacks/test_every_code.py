"""Every code that the verifier can raise has a vector in this directory, or a reason why no log can make it do so."""

import ast
import re
from importlib import import_module
from pathlib import Path

from attest.format import vocabulary
from tests.attacks.vectors import Vector

HERE = Path(__file__).parent
PACKAGE = HERE.parents[1] / "attest"
# What stands between the bytes of a bundle and a verdict, command line and agreement texts apart.
VERIFIER = (
    *(path.name for path in sorted(PACKAGE.glob("*.py"))),
    "anomalies/devices.py", "anomalies/sizes.py", "anomalies/sums.py",
    "compute/bounds.py", "compute/columns.py", "compute/exact.py", "compute/tree.py", "evidence/meter.py",
    "format/act.py", "format/block.py", "format/bodies.py", "format/checkpoint.py", "format/custody.py",
    "format/fields.py", "format/key_acts.py", "format/roster.py", "format/statement.py", "log/checkpoint.py",
    "log/tiles.py", "terms/custody.py", "trust/holders.py", "trust/notes.py",
)  # fmt: skip
CODE = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*/[a-z]+(?:-[a-z0-9]+)*")
NOT_CODES = {"blocks/sha256", "tile/entries"}
ELSEWHERE = {
    "statement/size": "no entry of a bundle is longer: its length has two bytes",
    "tile/path": "a path is made by the program; a bundle's own paths are only compared",
    "note/unsigned": "a signature is looked for before it is verified",
    "meter/overlap": "windows of a source do not overlap, and a meter statement has a feed once",
    "bounds/negative": "every number of a statement is unsigned",
    "off/premise": "a rule that cannot be made shows nothing to be off",
    "unsupported/size": "tests/check/test_sizes.py: it takes more than a small log",
    "quorum/unsatisfiable": "an agreement whose quorum its own witnesses make up is an error of the agreement",
    "holders/keys": "holders are those of the agreement, where this is an error",
    "holders/names": "holders are those of the agreement, where this is an error",
    "holders/threshold": "holders are those of the agreement, where this is an error",
    "vkey/malformed": "keys of logs and witnesses are those of the agreement, where this is an error",
    "document/alg": "tests/trust/test_holders.py: an algorithm that the holder's key does not have",
    "document/detached": "tests/trust/test_holders.py: a document without its payload",
    "document/order": "tests/trust/test_holders.py: signatures in another order",
    "document/repeated": "tests/trust/test_holders.py: one key twice",
    "phase/not-begun": "a check that was not made, and no finding",
    "scope/bypass": "said in every verdict",
    "scope/elsewhere": "said in every verdict",
    "scope/fabricated": "said in every verdict",
    "scope/model": "said in every verdict",
    "scope/undeclared": "said in every verdict",
    "scope/unentered": "said in every verdict about custody",
}


def vectors() -> list[Vector]:
    """All vectors of this directory."""
    modules = [import_module(f"tests.attacks.{path.stem}") for path in sorted(HERE.glob("test_*.py"))]
    return [vector for module in modules for vector in getattr(module, "VECTORS", ())]


def raised() -> set[str]:
    """The literals of the verifier that look like codes, and those that `fields.member` makes."""
    found: set[str] = set()
    for name in VERIFIER:
        text = (PACKAGE / name).read_text("utf-8")
        tree = ast.parse(text)
        parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
        found |= {
            node.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in parts
            and CODE.fullmatch(node.value)
        }
        names = re.findall(r"\bmember\((\w+),", text)
        found |= {f"unsupported/{kind.lower()}" for kind in names if hasattr(vocabulary, kind)}
    return found - NOT_CODES


def in_tests() -> set[str]:
    """Codes that stand in the text of a module here: vectors outside of the tables."""
    return {code for path in HERE.glob("test_*.py") if path != Path(__file__) for code in _literals(path)}


def _literals(path: Path) -> set[str]:
    tree = ast.parse(path.read_text("utf-8"))
    return {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)}


def test_every_code_has_a_vector() -> None:
    missing = raised() - in_tests() - ELSEWHERE.keys()
    assert not missing, sorted(missing)


def test_no_reason_is_given_for_a_code_that_has_a_vector() -> None:
    assert not ELSEWHERE.keys() & {v.code for v in vectors()}
    assert ELSEWHERE.keys() <= raised() | {"quorum/unsatisfiable", "off/premise"}


def test_names_are_the_attacks_and_each_is_one() -> None:
    names = [vector.name for vector in vectors()]
    assert len(names) == len(set(names)), sorted({n for n in names if names.count(n) > 1})
    assert len(names) > 250
