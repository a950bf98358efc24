"""From the text of an agreement to an `Agreement`, or to one AgreementError that names line and key.

The steps of `parse_agreement` are numbered as in schemas/agreement.md, "Validity". Sizes are bounded by name; a
party's terms and everything they name is checked, so that nothing downstream looks up what may not exist.
"""

import re
from hashlib import sha256
from typing import Final

from attest.agreement.blanks import require_filled
from attest.agreement.life import LIFE, MAX_VERSION, read_life
from attest.agreement.model import Agreement, Meter, On, Party, Phase, Site
from attest.agreement.pins import read_pins
from attest.agreement.reading import MAX_NAME, Setting, quantity
from attest.agreement.rules import (
    require_adjudicators,
    require_bound,
    require_buckets,
    require_order,
    require_quorum,
    require_witnesses,
)
from attest.agreement.terms import parse_terms
from attest.agreement.units import (
    DURATION,
    ENERGY,
    POWER,
    SHARE,
)
from attest.errors import AttestError, MalformedError
from attest.format.note import ED25519, ML_DSA_44_COSIGNATURE, Vkey, parse_vkey
from attest.format.toml_table import MAX_POLICY, Table, parse_toml, require_unique
from attest.trust.keys import parse_key
from attest.trust.quorum import Policy, parse_policy
from attest.trust.roles import KeyRoles, read_holders

MAX_PARTIES: Final = 64
MAX_SITES: Final = 64  # of one party
MAX_LOG_KEYS: Final = 4  # of one site
MAX_METERS: Final = 2_048  # of one party; one meter may speak for a thousand feeds
MAX_PHASES: Final = 64
MAX_TERMS: Final = 64  # of one phase
MAX_URI: Final = 512  # characters, as in statements
DEFAULT_BUCKET_S: Final = 3_600
DEFAULT_INTERVAL_S: Final = 60
MAX_INTERVAL_S: Final = 86_400
MAX_LAG_S: Final = 366 * 86_400
MAX_CLOCK_S: Final = 86_400  # as in meter statements; a clock that is worse is one of which nothing is known
_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!-~]+")
_ROOT: Final = (
    "name",
    "version",
    "bucket",
    "interval",
    "max_lag",
    "grace",
    "witnesses",
    "party",
    "pin",
    "phase",
    *LIFE,
)


def parse_agreement(text: bytes) -> Agreement:
    """The agreement that `text` says. Raises AgreementError, and nothing else whatever the bytes."""
    root = parse_toml(text)
    require_filled(root)
    root.only(*_ROOT)  # 1
    bucket_s = quantity(root, "bucket", DURATION, low=1) if "bucket" in root else DEFAULT_BUCKET_S
    interval_s = DEFAULT_INTERVAL_S
    if "interval" in root:
        interval_s = quantity(root, "interval", DURATION, low=1, high=MAX_INTERVAL_S)
    require_buckets(root, bucket_s, interval_s)  # 2
    max_lag_s = quantity(root, "max_lag", DURATION, low=1, high=MAX_LAG_S)
    roles = KeyRoles()
    policy, tolerates = _witnesses(root, roles)  # 3
    parties = _parties(root, policy, tolerates, roles)  # 4, 5
    version = root.integer("version", 1, MAX_VERSION)
    life = read_life(root, roles, version)  # 4, 9
    pins = read_pins(root)  # 6
    phases = _phases(root, parties, bucket_s, max_lag_s)  # 7, 8
    require_adjudicators(root, phases, life)  # 9
    require_bound(root, parties, phases)
    require_witnesses(root, policy, phases)  # 10
    return Agreement(
        name=root.text("name", limit=MAX_NAME),
        version=version,
        digest=sha256(text).digest(),
        text=text,
        bucket_s=bucket_s,
        interval_s=interval_s,
        max_lag_s=max_lag_s,
        grace_s=quantity(root, "grace", DURATION, high=MAX_LAG_S),
        tolerates=tolerates,
        policy=policy,
        parties=parties,
        pins=pins,
        phases=phases,
        life=life,
    )


def _witnesses(root: Table, roles: KeyRoles) -> tuple[Policy, int]:
    table = root.table("witnesses").only("tolerates", "policy")
    text = table.text("policy", limit=MAX_POLICY, lines=True)
    try:
        policy = parse_policy(text)
    except AttestError as error:
        where = f", policy {error.path}" if isinstance(error, MalformedError) and error.path else ""
        raise table.error("agreement/policy", error.detail + where, "policy", hint=error.hint) from error
    if policy.logs:
        detail = "names a log: the logs are those of the parties' sites"
        raise table.error("agreement/policy", detail, "policy")
    if policy.witnesses and not policy.required:
        detail = "witnesses are named and none is required: nothing would show that a log has one history"
        raise table.error("agreement/no-witness", detail, "policy")
    for witness in policy.witnesses:
        roles.take_vkey(table, witness.vkey, f"witness {witness.name}", (*table.path, "policy"))
    return policy, table.integer("tolerates", 0, len(policy.witnesses))


def _parties(root: Table, policy: Policy, tolerates: int, roles: KeyRoles) -> tuple[Party, ...]:
    tables = root.tables("party", MAX_PARTIES)
    parties = tuple(_party(table, policy, tolerates, roles) for table in tables)
    require_unique(tables, "iss", "party")
    require_unique(tables, "name", "party")
    sites = [site for table in tables for site in table.tables("site", MAX_SITES)]
    require_unique(sites, "name", "site")
    require_unique(sites, "origin", "site")
    meters = [m for table in tables if "meter" in table for m in table.tables("meter", MAX_METERS)]
    require_unique(meters, "sub", "meter")
    return parties


def _party(table: Table, policy: Policy, tolerates: int, roles: KeyRoles) -> Party:
    table.only("iss", "name", "threshold", "holder", "site", "meter", "affiliated")
    iss, name = _uri(table, "iss"), table.text("name", limit=MAX_NAME)
    holders = read_holders(table, roles, name)
    sites = tuple(_site(site, roles) for site in table.tables("site", MAX_SITES))
    meters: tuple[Meter, ...] = ()
    if "meter" in table:
        meters = tuple(_meter(meter, iss, sites, roles) for meter in table.tables("meter", MAX_METERS))
    affiliated: list[str] = []
    known = {witness.name for witness in policy.witnesses}
    for text in table.texts("affiliated", len(known)) if "affiliated" in table else ():
        if text.value not in known:
            raise table.error_at("agreement/reference", f"the policy has no witness {text.value[:80]}", text.path)
        affiliated.append(text.value)
    party = Party(iss, name, holders, sites, meters, tuple(affiliated))
    require_quorum(table, policy, party, tolerates)
    return party


def _site(table: Table, roles: KeyRoles) -> Site:
    table.only("name", "origin", "log_keys", "devices")
    name, origin = table.text("name", limit=MAX_NAME), table.text("origin", limit=MAX_NAME)
    keys: list[Vkey] = []
    for text in table.texts("log_keys", MAX_LOG_KEYS):
        vkey = table.parsed_at(text, parse_vkey)
        if vkey.algorithm not in (ED25519, ML_DSA_44_COSIGNATURE):
            detail = f"signature type 0x{vkey.algorithm:02x} is a witness's, not a log's"
            raise table.error_at("agreement/log-key", detail, text.path)
        if vkey.name != origin:
            detail = f"the key is for {vkey.name}, the log's origin is {origin}"
            raise table.error_at("agreement/log-key", detail, text.path)
        roles.take_vkey(table, vkey, f"log key of {name}", text.path)
        keys.append(vkey)
    devices = table.integer("devices", 1, 10**8) if "devices" in table else None
    return Site(name, origin, tuple(keys), devices)


def _meter(table: Table, party: str, sites: tuple[Site, ...], roles: KeyRoles) -> Meter:
    table.only("sub", "iss", "site", "key", "error", "clock", "storage", "generation", "integrates", "boot")
    sub, iss = _uri(table, "sub"), _uri(table, "iss")
    if iss == party:
        detail = "the party itself operates this meter, so that it is not independent"
        hint = "a party's own meters are enrolled in its log, not here"
        raise table.error("agreement/own-meter", detail, "iss", hint=hint)
    names = [site.name for site in sites]
    site = table.text("site", limit=MAX_NAME) if "site" in table or len(names) > 1 else names[0]
    if site not in names:
        raise table.error("agreement/reference", f"the party has no site {site[:80]}", "site")
    key = table.parsed("key", parse_key)
    roles.take(table, key, f"meter {sub}", (*table.path, "key"))
    return Meter(
        sub=sub,
        iss=iss,
        site=site,
        key=key,
        error_ppm=quantity(table, "error", SHARE, high=999_999),
        clock_uncertainty_s=quantity(table, "clock", DURATION, high=MAX_CLOCK_S) if "clock" in table else None,
        storage_mj=quantity(table, "storage", ENERGY) if "storage" in table else 0,
        generation_mw=quantity(table, "generation", POWER) if "generation" in table else 0,
        integrates=table.boolean("integrates") if "integrates" in table else False,
        boot_mj=quantity(table, "boot", ENERGY, low=1) if "boot" in table else None,
    )


def _phases(root: Table, parties: tuple[Party, ...], bucket_s: int, max_lag_s: int) -> tuple[Phase, ...]:
    tables = root.tables("phase", MAX_PHASES)
    phases: list[Phase] = []
    for table in tables:
        table.only("name", "start", "on", "end", "term")
        name, end, on = table.text("name", limit=MAX_NAME), table.time("end"), _on(table, phases)
        start = table.time("start") if on is None else phases[-1].start
        require_order(table, phases, start, end, bucket_s, on)
        if not table.values.get("term"):
            raise table.error("agreement/empty-phase", f"the phase {name} has no term")
        setting = Setting(parties, start, end, bucket_s, max_lag_s)
        phases.append(Phase(name, start, end, parse_terms(table.tables("term", MAX_TERMS), setting), on))
    require_unique(tables, "name", "phase")
    return tuple(phases)


def _on(table: Table, before: list[Phase]) -> On | None:
    """What a phase begins on; None where it has a start."""
    if "on" not in table:
        return None
    word = table.text("on")
    if word not in list(On) or "start" in table:
        detail = 'a phase has a start, or begins on "trigger" or on "lift"'
        raise table.error("agreement/event-phase", detail, "on")
    if not before:
        detail = "the first phase has a start: what an event begins, begins no earlier than the phase before it"
        raise table.error("agreement/event-phase", detail, "on")
    return On(word)


def _uri(table: Table, key: str) -> str:
    text = table.text(key, limit=MAX_URI)
    if not _URI.fullmatch(text):
        raise table.error("agreement/uri", f"must be a URI like https://acme.example, not {text[:40]}", key)
    return text
