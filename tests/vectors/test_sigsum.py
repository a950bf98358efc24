"""Sigsum's built-in policies: the structure of real quorums, and what it takes to fork a log under them.

Sigsum writes bare keys in hexadecimal where tlog-policy has verifier keys; here they are given the names that
its logs and witnesses go by (github.com/C2SP/C2SP tlog-witness, "sigsum.org/v1/tree/" and the key's hash).
"""

from hashlib import sha256
from pathlib import Path

import pytest

from attest.errors import MalformedError, TrustError
from attest.format.note import Vkey, format_vkey
from attest.trust.quorum import Policy, format_policy, lower, parse_policy, upper


def read(shared: Path, name: str) -> Policy:
    text = (shared / "vectors/sigsum" / f"{name}.builtin-policy").read_text()
    with pytest.raises(MalformedError, match="vkey/malformed"):
        parse_policy(text)
    lines = []
    for line in text.splitlines():
        match line.split():
            case ["log", key, url]:
                raw = bytes.fromhex(key)
                origin = f"sigsum.org/v1/tree/{sha256(raw).hexdigest()}"
                lines.append(f"log {format_vkey(Vkey(origin, 1, raw))} {url}")
            case ["witness", name, key]:
                lines.append(f"witness {name} {format_vkey(Vkey(name, 4, bytes.fromhex(key)))}")
            case _:
                lines.append(line)
    policy = parse_policy("\n".join(lines) + "\n")
    assert parse_policy(format_policy(policy)) == policy
    return policy


@pytest.mark.parametrize(
    ("name", "logs", "witnesses", "colluders"),
    [
        ("sigsum-generic-2025-1", 2, 3, 1),
        ("sigsum-test1-2025", 1, 3, 1),
        ("sigsum-test2-2025", 1, 7, 3),
        ("sigsum-test-2025-3", 2, 8, 2),
    ],
)
def test_policies(shared: Path, name: str, logs: int, witnesses: int, colluders: int) -> None:
    policy = read(shared, name)
    assert (len(policy.logs), len(policy.witnesses)) == (logs, witnesses)
    assert policy.colluders() == colluders
    times = {witness.name: 100 + i for i, witness in enumerate(policy.witnesses)}
    low, high = lower(policy, times), upper(policy, times)
    assert low is not None and high is not None and low >= 100 and high < 100 + witnesses


def test_a_quorum_without_one_operator(shared: Path) -> None:
    policy = read(shared, "sigsum-generic-2025-1")
    # With one of three struck out two of two remain: both must collude.
    assert policy.colluders(exclude={"witness.mullvad.net"}) == 2
    with pytest.raises(TrustError, match="quorum/unsatisfiable"):
        policy.colluders(exclude={"witness.mullvad.net", "witness.glasklar.is"})
