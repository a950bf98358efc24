"""The lab's rules for what its runs are: a TOML file (schemas/workloads.md, "Labels").

    >>> rules = parse_rules('''
    ... [[rule]]
    ... partition = "train*"
    ... label = "training"
    ... precision = "bf16"
    ... [[ids]]
    ... cluster = "hpc"
    ... since = 2025-01-01T00:00:00Z
    ... ''')
    >>> run = Workload("slurm/hpc/7@1762788040", "slurm/hpc/7", "", (), {"partition": "train-a"}, "jobs.json")
    >>> apply_rules([run], rules, [])[0].label.name, rules.resets
    ('TRAINING', {'hpc': (1735689600,)})

A rule's conditions are patterns of the shell (`*`, `?`, `[abc]`), all of which must match; the first rule that matches
a run says what it is. What a record itself says of a label, a lineage or an owner stands. A run that no rule matches
stays without a label and is reported.
"""

from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Final, NamedTuple, TypeVar

from attest.collect.irregular import Irregularity, Kind, require_bounded
from attest.collect.workloads import Workload, require_name
from attest.format.fields import MAX_TEXT
from attest.format.toml_table import Table, parse_toml
from attest.format.vocabulary import Label, Precision

MAX_RULES: Final = 1_000
MAX_RESETS: Final = 1_000
MAX_HOSTS: Final = 65_536
FACTS: Final = (
    "run", "cluster", "partition", "qos", "account", "user", "comment", "name", "namespace", "pod", "container",
    "pod_label",
)  # fmt: skip
LABELS: Final = {label.name.lower().replace("_", "-"): label for label in Label if label is not Label.NONE}
PRECISIONS: Final = {p.name.lower(): p for p in Precision if p is not Precision.UNKNOWN}


_T = TypeVar("_T", Label, Precision)


class Rule(NamedTuple):
    """Patterns by fact, and what a run is that they match; empty texts say nothing."""

    patterns: Mapping[str, str]
    label: Label
    precision: Precision
    lineage: str
    owner: str


class Rules(NamedTuple):
    """`resets` has by cluster when its job ids began again (Unix s), `hosts` what the telemetry calls a node,
    `lineage_label` the label of pods that names a lineage."""

    rules: tuple[Rule, ...] = ()
    resets: Mapping[str, tuple[int, ...]] = {}
    hosts: Mapping[str, str] = {}
    lineage_label: str = ""


def parse_rules(text: str | bytes) -> Rules:
    """The rules of a TOML text. Raises AgreementError with line and key."""
    table = parse_toml(text).only("rule", "ids", "hosts", "kubernetes")
    rules = [_rule(rule) for rule in table.tables("rule", MAX_RULES)] if "rule" in table else []
    resets: dict[str, tuple[int, ...]] = {}
    for ids in table.tables("ids", MAX_RESETS) if "ids" in table else ():
        cluster, since = ids.only("cluster", "since").text("cluster"), ids.time("since")
        resets[cluster] = (*resets.get(cluster, ()), since)
    hosts: dict[str, str] = {}
    if "hosts" in table:
        named = table.table("hosts")
        if len(named.values) > MAX_HOSTS:
            raise table.error("toml/too-many", f"{len(named.values)} hosts, at most {MAX_HOSTS} are read", "hosts")
        hosts = {node: named.text(node, limit=MAX_TEXT) for node in named.values}
    lineage_label = ""
    if "kubernetes" in table:
        lineage_label = table.table("kubernetes").only("lineage_label").text("lineage_label", limit=MAX_TEXT)
    return Rules(tuple(rules), resets, hosts, lineage_label)


def apply_rules(workloads: Iterable[Workload], rules: Rules, found: list[Irregularity]) -> list[Workload]:
    """The workloads with what the first rule that matches says of them. Raises ImportDataError `import/name`."""
    applied = []
    for workload in workloads:
        rule = next((rule for rule in rules.rules if _matches(rule, workload)), None)
        if rule is not None:
            workload = workload._replace(
                label=workload.label or rule.label,
                precision=workload.precision or rule.precision,
                lineage=rule.lineage or workload.lineage,
                owner=rule.owner or workload.owner,
            )
        if workload.claims and not workload.label:
            found.append(Irregularity(Kind.UNLABELLED, workload.where, workload.run, workload.claims[0].start_ms, {}))
            require_bounded(found)
        require_name(workload.lineage, workload.where, "lineage")
        if workload.owner:
            require_name(workload.owner, workload.where, "owner")
        applied.append(workload)
    return applied


def rename_hosts(workloads: Iterable[Workload], hosts: Mapping[str, str]) -> Iterator[Workload]:
    """The workloads on hosts by the names that the telemetry has for them."""
    for workload in workloads:
        claims = tuple(claim._replace(host=hosts.get(claim.host, claim.host)) for claim in workload.claims)
        yield workload._replace(claims=claims)


def _matches(rule: Rule, workload: Workload) -> bool:
    return all(_match(pattern, fact, workload) for fact, pattern in rule.patterns.items())


def _match(pattern: str, fact: str, workload: Workload) -> bool:
    if fact == "pod_label":
        return any(fnmatchcase(label, pattern) for label in workload.facts.get("pod_labels", "").split("\n"))
    value = workload.run if fact == "run" else workload.facts.get(fact)
    return value is not None and fnmatchcase(value, pattern)


def word(table: Table, key: str, words: Mapping[str, _T], none: _T) -> _T:
    """One of the words at a key, `none` where the key is absent. Raises AgreementError `toml/range`."""
    if key not in table:
        return none
    found = words.get(table.text(key))
    if found is None:
        raise table.error("toml/range", f"must be one of {', '.join(words)}", key)
    return found


def _rule(table: Table) -> Rule:
    table.only(*FACTS, "label", "precision", "lineage", "owner")
    patterns = {fact: table.text(fact, limit=MAX_TEXT) for fact in FACTS if fact in table}
    if not patterns:
        raise table.error(
            "toml/missing-key", "a rule without a condition would be of every run", hint='run = "*" says so'
        )
    return Rule(
        patterns,
        word(table, "label", LABELS, Label.NONE),
        word(table, "precision", PRECISIONS, Precision.UNKNOWN),
        table.text("lineage", limit=MAX_TEXT) if "lineage" in table else "",
        table.text("owner", limit=MAX_TEXT) if "owner" in table else "",
    )
