"""Holes of the quorum: an operator of witnesses who alone can fork a party's log, or whose silence alone denies it.

An operator is the host in a witness's name (`north.example` of `north.example/w1`). Whether a quorum forks or cannot be
met without a party's affiliated witnesses is refused when a text is parsed (schemas/agreement.md, "Validity").
"""

from collections.abc import Collection, Iterator

from attest.agreement.lint.hole import Hole, Text
from attest.agreement.model import Party
from attest.errors import TrustError
from attest.trust.quorum import Policy


def holes(text: Text) -> Iterator[Hole]:
    """Of each party's quorum, its affiliated witnesses struck out."""
    policy, line = text.agreement.policy, text.line("witnesses", "policy")
    if not policy.required:
        what = "no witness is asked for: whoever has the keys of a log can show two histories of it, of any age"
        yield Hole(line, "lint/no-witness", what, "witnesses of several operators, and a quorum of them")
        return
    operators: dict[str, list[str]] = {}
    for witness in policy.witnesses:
        operators.setdefault(witness.vkey.name.partition("/")[0], []).append(witness.name)
    for party in text.agreement.parties:
        others = {
            name: left
            for name, words in operators.items()
            if (left := [word for word in words if word not in party.affiliated])
        }
        forking = [name for name, words in others.items() if _others_to_fork(policy, party, words) == 0]
        denying = [name for name, words in others.items() if _denies(policy, party, words)]
        without = f" without {', '.join(party.affiliated)}" if party.affiliated else ""
        if forking:
            what = f"{party.name}{without}: {_any(forking)} alone can show two histories of its log"
            yield Hole(line, "lint/quorum-forks", what, "a quorum of k of n resists 2k - n - 1 colluders")
        if denying:
            what = f"{party.name}{without}: the silence of {_any(denying)} leaves everything unproven"
            yield Hole(line, "lint/quorum-denied", what, "more witnesses than the quorum needs, of other operators")


def _denies(policy: Policy, party: Party, words: Collection[str]) -> bool:
    try:
        policy.colluders([*party.affiliated, *words])
    except TrustError:
        return True
    return False


def _others_to_fork(policy: Policy, party: Party, words: Collection[str]) -> int:
    """How many witnesses must collude with these to fork the party's log; as `Policy.colluders`, these being free."""
    least = {w.name: int(w.name not in words) for w in policy.witnesses if w.name not in party.affiliated}
    for group in policy.groups:
        costs = sorted(least[member] for member in group.members if member in least)
        if len(costs) >= group.threshold:
            least[group.name] = sum(costs[: max(0, 2 * group.threshold - len(costs))])
    return least[policy.quorum]


def _any(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"any of {', '.join(names)}"
