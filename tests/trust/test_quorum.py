"""Quorums: their syntax, what cosignature times prove, and forks counted by brute force."""

import itertools
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attest.errors import MalformedError, SignatureError, TrustError, UnsupportedError
from attest.format.checkpoint import Checkpoint, format_checkpoint
from attest.format.note import Vkey, format_vkey, parse_note
from attest.sign.notes import cosign, sign_note
from attest.sign.seeded import seeded_key as key
from attest.trust.keys import Alg
from attest.trust.notes import log_vkey, witness_vkey
from attest.trust.quorum import Group, Policy, Witness, cosignature_times, format_policy, lower, parse_policy, upper

TEXT = format_checkpoint(Checkpoint("example.com/log", 7, b"r" * 32))


def vkey(number: int, algorithm: int = 4) -> Vkey:
    return Vkey(f"w{number}.example", algorithm, bytes([number]) * (1312 if algorithm == 6 else 32))


def v(number: int, algorithm: int = 4) -> str:
    return format_vkey(vkey(number, algorithm))


GOOD = f"""# a comment

log {v(1, 1)} https://log.example/
\tlog  {v(2, 6)}\t
witness w3 {v(3)}
  # another
witness w4 {v(4)} https://w4.example/
witness w5 {v(5, 6)}
witness w6 {v(6)}
group inner any w3 w4
group outer all inner w5
group top 1 outer w6
quorum top
"""


def test_a_policy() -> None:
    policy = parse_policy(GOOD)
    assert [(log.vkey.name, log.url) for log in policy.logs] == [
        ("w1.example", "https://log.example/"),
        ("w2.example", ""),
    ]
    assert policy.groups == (
        Group("inner", 1, ("w3", "w4")),
        Group("outer", 2, ("inner", "w5")),
        Group("top", 1, ("outer", "w6")),
    )
    assert policy.quorum == "top"
    assert parse_policy(format_policy(policy)) == policy


@pytest.mark.parametrize(
    ("line", "change"),
    [
        (1, lambda t: ""),
        (13, lambda t: t[:-1]),
        (13, lambda t: t[:-2]),
        (5, lambda t: t.replace("witness w3", "wittness w3")),
        (5, lambda t: t.replace("witness w3", "witness\rw3")),
        (5, lambda t: t.replace("witness w3", "witness\x7f w3")),
        (5, lambda t: t.replace("witness w3 ", "witness ")),
        (5, lambda t: t.replace("witness w3", "witness any")),
        (5, lambda t: t.replace("witness w3", "witness none")),
        (6, lambda t: t.replace("  # another", "w # not a comment")),
        (5, lambda t: t.replace(v(3), v(3, 1))),
        (3, lambda t: t.replace(v(1, 1), v(1, 4))),
        (7, lambda t: t.replace(v(4), v(3))),
        (7, lambda t: t.replace(v(4), format_vkey(Vkey("other", 4, vkey(3).key)))),
        (5, lambda t: t.replace(v(3), format_vkey(Vkey("other", 4, vkey(1).key)))),
        (7, lambda t: t.replace("witness w4", "witness w3")),
        (7, lambda t: t.replace("https://w4.example/", "https://w4.example/ more")),
        (10, lambda t: t.replace("any w3 w4", "any")),
        (10, lambda t: t.replace("any w3 w4", "0 w3 w4")),
        (10, lambda t: t.replace("any w3 w4", "3 w3 w4")),
        (10, lambda t: t.replace("any w3 w4", "01 w3 w4")),
        (10, lambda t: t.replace("any w3 w4", "+1 w3 w4")),
        (10, lambda t: t.replace("any w3 w4", "-1 w3 w4")),
        (10, lambda t: t.replace("any w3 w4", "٢ w3 w4")),
        (10, lambda t: t.replace("any w3 w4", "any w3 w3")),
        (10, lambda t: t.replace("any w3 w4", "any w3 none")),
        (10, lambda t: t.replace("any w3 w4", "any w3 outer")),
        (11, lambda t: t.replace("group outer", "group inner")),
        (12, lambda t: t.replace("1 outer w6", "1 outer w3")),
        (12, lambda t: t.replace("group top 1 outer", "group top 1 top")),
        (13, lambda t: t.replace("quorum top", "quorum tip")),
        (13, lambda t: t.replace("quorum top", "quorum top w3")),
        (13, lambda t: t.replace("quorum top\n", "")),
        (14, lambda t: t + "quorum top\n"),
        (1, lambda t: "quorum top\n" + t),
    ],
)
def test_a_policy_with_a_fault_says_where(line: int, change: Callable[[str], str]) -> None:
    with pytest.raises(MalformedError, match="policy/malformed") as caught:
        parse_policy(change(GOOD))
    # A missing quorum is noticed at the end.
    assert caught.value.path in {f"line {line}", "line 12" if line == 13 else ""}


def test_a_key_that_is_none_or_of_another_type() -> None:
    with pytest.raises(MalformedError, match="vkey/malformed"):
        parse_policy(GOOD.replace(v(3), "aa" * 32))
    with pytest.raises(UnsupportedError, match="vkey/unsupported"):
        parse_policy(GOOD.replace("+BAMD", "+BQMD"))


def test_policies_are_bounded() -> None:
    lines = "".join(f"witness w{i} {format_vkey(Vkey('w', 4, i.to_bytes(32, 'big')))}\n" for i in range(257))
    with pytest.raises(MalformedError, match="at most 64 logs"):
        parse_policy(lines + "quorum none\n")
    with pytest.raises(MalformedError, match="characters, at most"):
        parse_policy("#" * (1 << 20) + "\n")


@pytest.mark.parametrize(
    ("groups", "exclude", "least"),
    [
        ("witness-only", (), 1),
        ("group g 3 a b c d e", (), 1),
        ("group g 2 a b c d", (), 0),
        ("group g 4 a b c d e", (), 3),
        ("group g all a b c d e", (), 5),
        ("group g any a b", (), 0),
        ("group g 3 a b c d e", ("e",), 2),
        ("group g 3 a b c d e", ("d", "e"), 3),
        ("group x 2 a b c\ngroup g 2 x d e", (), 1),
        ("group x all a b c\ngroup g 2 x d e", (), 1),
        ("group x all a b c\ngroup g all x d e", (), 5),
        ("group x any a b c\ngroup g 2 x d e", (), 0),
        ("group x 2 a b c\ngroup y 2 d e f\ngroup g all x y", (), 2),
        ("group x 2 a b c\ngroup y 2 d e f\ngroup g all x y", ("a",), 3),
    ],
)
def test_the_least_number_of_colluders(groups: str, exclude: tuple[str, ...], least: int) -> None:
    witnesses = "".join(f"witness {name} {v(i)}\n" for i, name in enumerate("abcdef", 10))
    rest = "quorum a\n" if groups == "witness-only" else f"{groups}\nquorum g\n"
    assert parse_policy(witnesses + rest).colluders(exclude) == least


def test_no_quorum_proves_nothing() -> None:
    policy = parse_policy(f"witness a {v(1)}\nquorum none\n")
    assert policy.colluders() == 0
    assert lower(policy, {"a": 5}) is upper(policy, {"a": 5}) is None


def test_a_quorum_that_needs_the_excluded() -> None:
    policy = parse_policy(f"witness a {v(1)}\nwitness b {v(2)}\ngroup g all a b\nquorum g\n")
    with pytest.raises(TrustError, match="quorum/unsatisfiable"):
        policy.colluders(exclude=["b"])


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """Trees of groups over at most 6 witnesses."""
    free = [f"w{i}" for i in range(draw(st.integers(1, 6)))]
    witnesses = tuple(Witness(name, vkey(i + 1), "") for i, name in enumerate(free))
    groups: list[Group] = []
    while len(free) > 1:
        count = draw(st.integers(1 if len(groups) < 3 else 2, len(free)))
        members = draw(st.permutations(free))[:count]
        groups.append(Group(f"g{len(groups)}", draw(st.integers(1, count)), tuple(members)))
        free = [name for name in free if name not in members] + [groups[-1].name]
        if draw(st.booleans()) and len(groups) > 2:
            break
    return Policy((), witnesses, tuple(groups), draw(st.sampled_from(free)))


def satisfied(policy: Policy, signers: frozenset[str]) -> bool:
    """By definition, not by times."""

    def holds(name: str) -> bool:
        group = next((group for group in policy.groups if group.name == name), None)
        return sum(map(holds, group.members)) >= group.threshold if group else name in signers

    return holds(policy.quorum)


def subsets(names: list[str]) -> list[frozenset[str]]:
    return [frozenset(c) for size in range(len(names) + 1) for c in itertools.combinations(names, size)]


@given(policies(), st.data())
def test_colluders_against_brute_force(policy: Policy, data: st.DataObject) -> None:
    names = [witness.name for witness in policy.witnesses]
    exclude = data.draw(st.sets(st.sampled_from(names), max_size=2))
    names = [name for name in names if name not in exclude]
    quorums = [signers for signers in subsets(names) if satisfied(policy, signers)]
    # Who is in both quorums signed two heads: the honest are in one at most.
    least = min((len(a & b) for a in quorums for b in quorums), default=None)
    if least is None:
        with pytest.raises(TrustError, match="quorum/unsatisfiable"):
            policy.colluders(exclude)
    else:
        assert policy.colluders(exclude) == least


@given(policies(), st.data())
def test_times_against_their_definition(policy: Policy, data: st.DataObject) -> None:
    names = [witness.name for witness in policy.witnesses]
    times = data.draw(st.dictionaries(st.sampled_from(names), st.integers(1, 6), max_size=len(names)))
    late = [t for t in range(8) if satisfied(policy, frozenset(n for n in times if times[n] >= t))]
    early = [t for t in range(8) if satisfied(policy, frozenset(n for n in times if times[n] <= t))]
    assert lower(policy, times) == (max(late) if late else None)
    assert upper(policy, times) == (min(early) if early else None)


ED, PQ = key("quorum ed25519"), key("quorum ml-dsa-44", Alg.ML_DSA_44)
LOG = key("quorum log")
POLICY = Policy(
    (),
    (
        Witness("ed", witness_vkey("ed.example", ED.public_key()), ""),
        Witness("pq", witness_vkey("pq.example", PQ.public_key()), ""),
    ),
    (Group("both", 2, ("ed", "pq")),),
    "both",
)
SIGNED = sign_note(TEXT, "example.com/log", [LOG])
COSIGNED = cosign(cosign(SIGNED, "ed.example", ED, 1_700_000_000), "pq.example", PQ, 1_700_000_060)


def test_cosignatures_of_both_kinds() -> None:
    times = cosignature_times(parse_note(COSIGNED), POLICY, covered=False)
    assert times == {"ed": 1_700_000_000, "pq": 1_700_000_060}
    assert (lower(POLICY, times), upper(POLICY, times)) == (1_700_000_000, 1_700_000_060)
    assert cosignature_times(parse_note(SIGNED), POLICY, covered=False) == {}


def test_a_cosignature_is_renewed_in_place_of_the_earlier_one() -> None:
    note = parse_note(cosign(COSIGNED, "ed.example", ED, 1_700_000_090))
    assert len(note.signatures) == 3
    assert cosignature_times(note, POLICY, covered=False)["ed"] == 1_700_000_090


def test_a_cosignature_without_a_time_witnesses_nothing() -> None:
    for signer, name in ((ED, "ed.example"), (PQ, "pq.example")):
        assert cosignature_times(parse_note(cosign(SIGNED, name, signer, 0)), POLICY, covered=False) == {}


def test_a_cosignature_under_the_name_of_another_witness_is_unknown() -> None:
    assert cosignature_times(parse_note(cosign(SIGNED, "ed2.example", ED, 5)), POLICY, covered=False) == {}
    assert cosignature_times(parse_note(cosign(SIGNED, "ed.example", LOG, 5)), POLICY, covered=False) == {}


@pytest.mark.parametrize("which", [1, 2])
@pytest.mark.parametrize("at", [0, 7, 8, -1])
def test_any_other_byte_of_a_cosignature_refuses_the_note_or_counts_for_nothing(which: int, at: int) -> None:
    note = parse_note(COSIGNED)
    signatures = list(note.signatures)
    raw = bytearray(signatures[which].signature)
    raw[at] ^= 1
    signatures[which] = signatures[which]._replace(signature=bytes(raw))
    bent = note._replace(signatures=tuple(signatures))
    with pytest.raises(SignatureError, match="note/signature"):
        cosignature_times(bent, POLICY, covered=False)
    assert len(cosignature_times(bent, POLICY, covered=True)) == 1


def test_a_cosignature_of_another_head_refuses_the_note() -> None:
    other = parse_note(COSIGNED)._replace(text=TEXT.replace("\n7\n", "\n8\n"))
    with pytest.raises(SignatureError, match="note/signature"):
        cosignature_times(other, POLICY, covered=False)


def test_a_time_beyond_the_end_of_time() -> None:
    note = parse_note(COSIGNED)
    raw = b"\xff" * 8 + note.signatures[1].signature[8:]
    changed = note._replace(signatures=(note.signatures[1]._replace(signature=raw),))
    with pytest.raises(SignatureError, match="is at time"):
        cosignature_times(changed, POLICY, covered=False)


def test_a_log_key_is_no_witness() -> None:
    assert log_vkey("n", ED.public_key()).key_id != witness_vkey("n", ED.public_key()).key_id
    with pytest.raises(MalformedError, match="vkey/malformed"):
        log_vkey("n", key("quorum p256", Alg.ESP256).public_key())
