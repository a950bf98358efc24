"""Witness quorums (c2sp.org/tlog-policy), what their times prove, and how many colluders could fork a log.

A policy is lines of words between spaces or tabs, `#` opening a comment line, every line ended by a newline:

    >>> policy = parse_policy('''
    ... # two of three witnesses
    ... witness a a.example+44d5e67f+BAoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoK
    ... witness b b.example+4a1aec75+BAsLCwsLCwsLCwsLCwsLCwsLCwsLCwsLCwsLCwsLCwsL https://b.example/
    ... witness c c.example+3bcdcc7f+BAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM
    ... group two 2 a b c
    ... quorum two
    ... ''')
    >>> policy.colluders()
    1

A group witnesses what at least k of its members do; a name is a member of at most one group, so the quorum is
a tree over the witnesses. Witness keys are 0x04 or 0x06, log keys 0x01 or 0x06, none twice.

From each witness's cosignature time (design, "Time, exactly"):

    lower   the largest T such that the cosignatures with time >= T satisfy the quorum: the head existed
            no later, and whoever names it wrote no earlier
    upper   the smallest T such that the cosignatures with time <= T satisfy it

    >>> times = {"a": 100, "b": 130, "c": 160}
    >>> lower(policy, times), upper(policy, times)
    (130, 130)
    >>> lower(policy, {"a": 100}) is None
    True

Both are None where the quorum is not met, and with `quorum none`, which proves no time. The least number of
witnesses that must collude to fork the log, m, is 1 for a witness and for "k of n" the sum of the 2k - n
smallest m of its members: two heads need k members each, so that many must have signed both. A party's
own and affiliated witnesses (`exclude`) do not count: they are struck from their groups.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple, NoReturn

from attest.errors import MalformedError, SignatureError, TrustError
from attest.format.note import ED25519, ED25519_COSIGNATURE, ML_DSA_44_COSIGNATURE, Note, Vkey, format_vkey, parse_vkey
from attest.trust.notes import find_signature, verify_note

MAX_POLICY: Final = 1 << 20  # characters
MAX_LOGS: Final = 64
MAX_WITNESSES: Final = 256
MAX_GROUPS: Final = 256
NONE: Final = "none"
_KEYWORDS: Final = ("all", "any", NONE)


class Log(NamedTuple):
    """A log whose checkpoints the policy accepts."""

    vkey: Vkey
    url: str


class Witness(NamedTuple):
    """`name` is the policy's word for it; its signature lines bear the vkey's name."""

    name: str
    vkey: Vkey
    url: str


class Group(NamedTuple):
    """Witnesses what at least `threshold` of its members do."""

    name: str
    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True)
class Policy:
    """Which logs, which witnesses, and how many of them it takes; `quorum` names a witness, a group or none."""

    logs: tuple[Log, ...]
    witnesses: tuple[Witness, ...]
    groups: tuple[Group, ...]  # members before the groups they belong to
    quorum: str

    @property
    def required(self) -> bool:
        """Whether it takes any witness; with `quorum none` it takes none, and no time is ever proven."""
        return self.quorum != NONE

    def colluders(self, exclude: Collection[str] = ()) -> int:
        """The least number of colluding witnesses that can fork the log, without the excluded witnesses.

        Raises TrustError if the quorum cannot be met without them.
        """
        least: dict[str, int] = {NONE: 0} | {w.name: 1 for w in self.witnesses if w.name not in exclude}
        for group in self.groups:
            costs = sorted(least[member] for member in group.members if member in least)
            if len(costs) >= group.threshold:
                least[group.name] = sum(costs[: max(0, 2 * group.threshold - len(costs))])
        if self.quorum not in least:
            raise TrustError("quorum/unsatisfiable", f"quorum {self.quorum} cannot be met without its excluded members")
        return least[self.quorum]


def lower(policy: Policy, times: Mapping[str, int]) -> int | None:
    """The largest T such that the cosignatures with time >= T satisfy the quorum."""
    return _bound(policy, times, latest_first=True)


def upper(policy: Policy, times: Mapping[str, int]) -> int | None:
    """The smallest T such that the cosignatures with time <= T satisfy the quorum.

    Over several heads, `times` has the smallest time of each witness.
    """
    return _bound(policy, times, latest_first=False)


def cosignature_times(note: Note, policy: Policy, *, covered: bool) -> dict[str, int]:
    """When each witness of the policy cosigned the checkpoint, by its name in the policy, Unix seconds.

    Absent cosignatures and those that state no time (0) are left out. One that does not verify raises as
    attest.trust.notes.verify_note, for bytes then are not what was signed; unless the note's bytes are `covered` by
    another signature, as those of an entry are: then it is what its witness gave, and counts for nothing.
    """
    times = {}
    for witness in policy.witnesses:
        if find_signature(note, witness.vkey):
            try:
                time = verify_note(note, witness.vkey)
            except SignatureError:
                if not covered:
                    raise
                continue
            if time:
                times[witness.name] = time
    return times


def parse_policy(text: str) -> Policy:
    """Text to policy. Raises MalformedError with the line it fails at, or UnsupportedError for a key's type."""
    if len(text) > MAX_POLICY:
        _bad(0, f"{len(text)} characters, at most {MAX_POLICY}")
    if not text.endswith("\n"):
        _bad(text.count("\n") + 1, "the last line does not end; is the file truncated?")
    return _Parser().parse(text)


def format_policy(policy: Policy) -> str:
    """Policy to text, without comments."""
    return "".join(
        " ".join(filter(None, words)) + "\n"
        for words in (
            *(("log", format_vkey(log.vkey), log.url) for log in policy.logs),
            *(("witness", w.name, format_vkey(w.vkey), w.url) for w in policy.witnesses),
            *(("group", g.name, str(g.threshold), *g.members) for g in policy.groups),
            ("quorum", policy.quorum),
        )
    )


def _bound(policy: Policy, times: Mapping[str, int], *, latest_first: bool) -> int | None:
    bounds = {w.name: times[w.name] for w in policy.witnesses if w.name in times}
    for group in policy.groups:
        # "At least k members at or after T" holds up to the k-th latest of them.
        known = sorted((bounds[member] for member in group.members if member in bounds), reverse=latest_first)
        if len(known) >= group.threshold:
            bounds[group.name] = known[group.threshold - 1]
    return bounds.get(policy.quorum)


def _bad(line: int, detail: str) -> NoReturn:
    raise MalformedError("policy/malformed", detail, path=f"line {line}")


class _Parser:
    """The lines of a policy, one after another."""

    def __init__(self) -> None:
        self.line = 0
        self.logs: list[Log] = []
        self.witnesses: list[Witness] = []
        self.groups: list[Group] = []
        self.quorum: str | None = None
        self.free: set[str] = set()  # defined and not yet a member of a group
        self.names: set[str] = set()
        self.keys: set[bytes] = set()

    def parse(self, text: str) -> Policy:
        for self.line, line in enumerate(text[:-1].split("\n"), 1):
            if any((c < " " and c != "\t") or c == "\x7f" for c in line):
                _bad(self.line, "contains a control character")
            words = line.replace("\t", " ").split(" ")
            match [word for word in words if word]:
                case []:
                    pass
                case [word, *_] if word.startswith("#"):
                    pass
                case ["log", vkey] | ["log", vkey, _] as log:
                    self.logs.append(Log(self._key(vkey, (ED25519, ML_DSA_44_COSIGNATURE)), "".join(log[2:])))
                case ["witness", name, vkey] | ["witness", name, vkey, _] as witness:
                    key = self._key(vkey, (ED25519_COSIGNATURE, ML_DSA_44_COSIGNATURE))
                    self.witnesses.append(Witness(self._define(name), key, "".join(witness[3:])))
                case ["group", name, threshold, *members] if members:
                    self._group(name, threshold, members)
                case ["quorum", name]:
                    self._quorum(name)
                case [word, *_]:
                    _bad(self.line, f"{word[:40]!r} and what follows it is no log, witness, group or quorum")
        if len(self.logs) > MAX_LOGS or len(self.witnesses) > MAX_WITNESSES or len(self.groups) > MAX_GROUPS:
            _bad(self.line, f"at most {MAX_LOGS} logs, {MAX_WITNESSES} witnesses and {MAX_GROUPS} groups")
        if self.quorum is None:
            _bad(self.line, "has no quorum line")
        return Policy(tuple(self.logs), tuple(self.witnesses), tuple(self.groups), self.quorum)

    def _key(self, text: str, types: tuple[int, ...]) -> Vkey:
        vkey = parse_vkey(text)
        if vkey.algorithm not in types:
            _bad(self.line, f"signature type 0x{vkey.algorithm:02x} is not for this use")
        if vkey.key in self.keys:
            _bad(self.line, f"the key of {vkey.name} occurs twice")
        self.keys.add(vkey.key)
        return vkey

    def _define(self, name: str) -> str:
        if name in _KEYWORDS:
            _bad(self.line, f"{name} is a keyword, not a name")
        if name in self.names:
            _bad(self.line, f"{name} is defined twice")
        self.names.add(name)
        self.free.add(name)
        return name

    def _group(self, name: str, threshold: str, members: list[str]) -> None:
        count = {"any": 1, "all": len(members)}.get(threshold)
        if count is None:
            if not threshold.isascii() or not threshold.isdigit() or threshold.startswith("0") or len(threshold) > 4:
                _bad(self.line, f"not a threshold: {threshold[:40]!r}")
            count = int(threshold)
        if not 1 <= count <= len(members):
            _bad(self.line, f"a threshold of {count} for {len(members)} members")
        for member in members:
            if member not in self.free:
                why = "already a member of a group" if member in self.names else "not defined before"
                _bad(self.line, f"{member[:40]} is {why}")
            self.free.remove(member)
        self.groups.append(Group(self._define(name), count, tuple(members)))

    def _quorum(self, name: str) -> None:
        if self.quorum is not None:
            _bad(self.line, "a second quorum line")
        if name != NONE and name not in self.names:
            _bad(self.line, f"{name[:40]} is not defined before")
        self.quorum = name
