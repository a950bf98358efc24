"""The proofs of transparency-dev/merkle: all inclusion and consistency cases, and those of subtrees that apply.

A leaf of subtree [start, end) is included like one of a tree of end - start leaves, if that is a subtree at
all; a subtree that begins at 0 is consistent like an older tree. Subtrees that begin elsewhere have no
checkpoint, and this package makes no proofs of them.
"""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from attest.errors import TreeError
from attest.log.merkle import verify_consistency, verify_inclusion


def cases(shared: Path, kind: str, expected: int) -> list[dict[str, Any]]:
    paths = sorted((shared / "vectors/transparency-dev-merkle/testdata" / kind).rglob("*.json"))
    assert len(paths) == expected
    return [json.loads(path.read_text()) | {"name": str(path)} for path in paths]


def hashes(case: dict[str, Any], *names: str) -> list[bytes]:
    return [base64.b64decode(case[name] or "") for name in names]


def proof(case: dict[str, Any]) -> list[bytes]:
    return [base64.b64decode(h) for h in case["proof"] or []]


def test_inclusion(shared: Path) -> None:
    for case in cases(shared, "inclusion", 98):
        leaf, root = hashes(case, "leafHash", "root")
        arguments = leaf, case["leafIdx"], case["treeSize"], proof(case), root
        if case["wantErr"]:
            with pytest.raises(TreeError, match="proof/"):
                verify_inclusion(*arguments)
                pytest.fail(case["name"])
        else:
            verify_inclusion(*arguments)


def test_inclusion_in_subtrees(shared: Path) -> None:
    for case in cases(shared, "subtreeinclusion", 204):
        leaf, root = hashes(case, "leafHash", "root")
        start, size = case["start"], case["end"] - case["start"]
        if size < 1 or start & ((1 << (size - 1).bit_length()) - 1):
            assert case["wantErr"], case["name"]  # no subtree
            continue
        arguments = leaf, case["leafIdx"] - start, size, proof(case), root
        if case["wantErr"]:
            with pytest.raises(TreeError, match="proof/"):
                verify_inclusion(*arguments)
                pytest.fail(case["name"])
        else:
            verify_inclusion(*arguments)


def test_consistency(shared: Path) -> None:
    for case in cases(shared, "consistency", 98):
        old, new = hashes(case, "root1", "root2")
        arguments = case["size1"], case["size2"], proof(case), old, new
        if case["wantErr"]:
            with pytest.raises(TreeError, match="proof/"):
                verify_consistency(*arguments)
                pytest.fail(case["name"])
        else:
            verify_consistency(*arguments)


def test_consistency_of_subtrees_that_begin_at_0(shared: Path) -> None:
    run = 0
    for case in cases(shared, "subtreeconsistency", 118):
        if case["start"] or not case["end"]:
            continue
        run += 1
        old, new = hashes(case, "root1", "root2")
        arguments = case["end"], case["size"], proof(case), old, new
        if case["wantErr"]:
            with pytest.raises(TreeError, match="proof/"):
                verify_consistency(*arguments)
                pytest.fail(case["name"])
        else:
            verify_consistency(*arguments)
    assert run == 91
