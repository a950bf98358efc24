"""One fault an example: each rule of an agreement is broken alone, and named with its line and key.

A case is a text to replace in the worked example and what to put there instead; the line that must be named has the
mark ` #!` at its end.
"""

import re

import pytest

from attest.agreement import parse_agreement
from attest.errors import AgreementError
from attest.format.note import format_vkey
from attest.sign.seeded import seeded_key
from attest.trust.keys import Alg, format_key
from attest.trust.notes import log_vkey, witness_vkey

ADA = 'keys = ["ed25519:hKIOh/qbp+FVx+SxwGrQilusS75lCVN4YyL7dGlXh6c="]'
DAN = 'keys = ["ed25519:9yGten4vVrj6dhjkH7Lwazf9wS8DApcTyqXqnCg3R1Q="]'
METER = "yh9JLubhhiNCNe/3Z5RvUagRs1O5KaHe9GsKDRS19es="
DC2_LOG = '"acme.example/dc2+9b239250+ASQrDAVO9PacH26UmpH3bA+5eBI9zX3v5jjZU+KvjDpL"'
OTHER = format_key(seeded_key("other").public_key())
PAUSE = 'name = "pause"\nstart = 2026-11-09T00:00:00Z\nend = 2026-11-16T00:00:00Z\n'
QUORUM = "group three-of-four 3 north south east acme-own\nquorum three-of-four\n"
OFF = 'kind = "power-off"\nsites = ["acme-dc2"]\nassurance = "L4"\n'
CAP = 'name = "no last sprint"\nlimit = "2e24 FLOP"\nwindow = "1 d"          # any 24 hours\n'
POWER = 'meter = "https://grid.example/meters/acme-dc1"\nlimit = "3 MW"\n'
RAMP = """step = [                # each lasts until the next
    { start = 2026-11-02T00:00:00Z, limit = "7e24 FLOP" },
    { start = 2026-11-06T00:00:00Z, limit = "1e24 FLOP" },
]
"""
FIRST = RAMP.replace('"7e24 FLOP" },', '"7e24 FLOP" }, #!')
SECOND = RAMP.replace('"1e24 FLOP" },', '"1e24 FLOP" }, #!')
STOCK = 'parties = ["https://acme.example"]\nminimum = 18000\nmaximum = 18432\n'
FLOOR = 'floor = "0 W"             # no credit for idle power\n'
FJORD = 'sub = "https://grid.example/meters/fjord"\n'


def log_key(origin: str, name: str) -> str:
    return format_vkey(log_vkey(origin, seeded_key(name).public_key()))


CASES: dict[str, tuple[str, str, str, str]] = {
    # root
    "unknown key": ('grace = "2 d" ', 'grce = "2 d" #!', "toml/unknown-key", "grce"),
    "a second time the same key": ("version = 1\n", "version = 1\nversion = 2 #!\n", "toml/syntax", ""),
    "no name": ('name = "Two-party pause"\n', "", "toml/missing-key", "name"),
    "version is a text": ("version = 1\n", 'version = "1" #!\n', "toml/type", "version"),
    "version zero": ("version = 1\n", "version = 0 #!\n", "toml/range", "version"),
    "version true": ("version = 1\n", "version = true #!\n", "toml/type", "version"),
    "no lag": ('max_lag = "6 h"', "", "toml/missing-key", "max_lag"),
    "lag of no time": ('max_lag = "6 h"', 'max_lag = "0 s" #!', "quantity/range", "max_lag"),
    "lag in a unit of power": ('max_lag = "6 h"', 'max_lag = "6 W" #!', "quantity/unit", "max_lag"),
    "lag without a unit": ('max_lag = "6 h"', 'max_lag = "6" #!', "quantity/unit", "max_lag"),
    "lag as a number": ('max_lag = "6 h"', "max_lag = 21600 #!", "quantity/unit", "max_lag"),
    "lag as a float": ('max_lag = "6 h"', "max_lag = 6.5 #!", "quantity/unit", "max_lag"),
    "lag that is not a number": ('max_lag = "6 h"', "max_lag = nan #!", "quantity/unit", "max_lag"),
    "negative lag": ('max_lag = "6 h"', 'max_lag = "-6 h" #!', "quantity/number", "max_lag"),
    "lag of years": ('max_lag = "6 h"', 'max_lag = "400 d" #!', "quantity/range", "max_lag"),
    "lag of ages": ('max_lag = "6 h"', 'max_lag = "1e30 d" #!', "quantity/range", "max_lag"),
    "a bucket that no day is made of": ('bucket = "1 h" ', 'bucket = "7 h" #!', "agreement/bucket", "bucket"),
    "a bucket of two days": ('bucket = "1 h" ', 'bucket = "2 d" #!', "agreement/bucket", "bucket"),
    "an interval that no bucket is made of": (
        'interval = "60 s"', 'interval = "7 s" #!', "agreement/bucket", "interval",
    ),
    "no party": ("[[party]]", "[[partei]]", "toml/unknown-key", "partei"),
    "an invisible character": ('"Two-party pause"', '"Two-party\u200b pause" #!', "toml/hidden-character", ""),
    # witnesses
    "no witnesses": ("[witnesses]", "[witness] #!", "toml/unknown-key", "witness"),
    "a malformed policy": ("quorum three-of-four\n", "quorum four\n", "agreement/policy", "witnesses.policy"),
    "a policy with a log": (
        "quorum three", "log " + log_key("x.example", "x") + "\nquorum three",
        "agreement/policy", "witnesses.policy",
    ),
    "quorum none": (QUORUM, "quorum none\n", "agreement/no-witness", "witnesses.policy"),
    "a quorum that one colluder forks": (
        QUORUM, "group two 2 north south east\nquorum two\n", "agreement/quorum", "party.affiliated",
    ),
    "a quorum of own witnesses": (QUORUM, "quorum acme-own\n", "agreement/quorum", "party.affiliated"),
    "more colluders than the quorum bears": ("tolerates = 1  ", "tolerates = 2  ", "agreement/quorum", "party"),
    "negative colluders": ("tolerates = 1  ", "tolerates = -1 #!", "toml/range", "witnesses.tolerates"),
    # parties
    "a party without a scheme": (
        'iss = "https://borealis.example"', 'iss = "borealis" #!', "agreement/uri", "party.iss",
    ),
    "two parties of one iss": (
        'iss = "https://borealis.example"', 'iss = "https://acme.example" #!', "toml/duplicate", "party.iss",
    ),
    "two parties of one name": ('name = "Borealis"', 'name = "Acme" #!', "toml/duplicate", "party.name"),
    "unknown witness affiliated": (
        'affiliated = ["acme-own"] ', 'affiliated = ["west"] #!', "agreement/reference", "party.affiliated",
    ),
    "threshold above the holders": (
        "threshold = 2  ", "threshold = 4 #!", "holders/threshold", "party.threshold",
    ),
    "threshold zero": ("threshold = 2  ", "threshold = 0 #!", "toml/range", "party.threshold"),
    "no threshold": ("threshold = 2  ", "", "toml/missing-key", "party.threshold"),
    "two holders of one name": (
        '"Bob, head of infrastructure"', '"Ada, chief executive" #!', "toml/duplicate", "party.holder.name",
    ),
    "a holder without keys": (ADA, "keys = [] #!", "toml/empty", "party.holder.keys"),
    "a key that is none": (ADA, 'keys = ["ed25519:xyz"] #!', "key/text", "party.holder.keys"),
    "a weak key": (ADA, f'keys = ["ed25519:{"A" * 43}="] #!', "key/weak", "party.holder.keys"),
    "one holder's key at another": (DAN, ADA + " #!", "key/reused", "party.holder.keys"),
    "one key twice at one holder": (
        DAN, DAN.replace("]", f', "{OTHER}",\n "{OTHER}"] #!'), "key/reused", "party.holder.keys",
    ),
    "a meter's key at a holder": (METER + '"', ADA[17:-1] + " #!", "key/reused", "party.meter.key"),
    # sites
    "two sites of one name": ('name = "fjord"', 'name = "acme-dc1" #!', "toml/duplicate", "party.site.name"),
    "two logs of one origin": (
        f'origin = "acme.example/dc2"\nlog_keys = [{DC2_LOG}]',
        f'origin = "acme.example/dc1" #!\nlog_keys = ["{log_key("acme.example/dc1", "x")}"]',
        "toml/duplicate", "party.site.origin",
    ),
    "a log key of another origin": (
        DC2_LOG, f'"{log_key("acme.example/dc3", "x")}"', "agreement/log-key", "party.site.log_keys",
    ),
    "a witness's key as log key": (
        DC2_LOG, f'"{format_vkey(witness_vkey("acme.example/dc2", seeded_key("x").public_key()))}"',
        "agreement/log-key", "party.site.log_keys",
    ),
    "a log key with a wrong id": (
        DC2_LOG, DC2_LOG.replace("9b239250", "9b239251"), "vkey/malformed", "party.site.log_keys",
    ),
    "a witness's key again as log key": (
        DC2_LOG, f'"{log_key("acme.example/dc2", "north")}"', "key/reused", "party.site.log_keys",
    ),
    "no log keys": (f"log_keys = [{DC2_LOG}]", "", "toml/missing-key", "party.site.log_keys"),
    "a site of no devices": ("devices = 2048", "devices = 0 #!", "toml/range", "party.site.devices"),
    # meters
    "two meters of one sub": (FJORD, FJORD.replace('fjord"', 'acme-dc1" #!'), "toml/duplicate", "party.meter.sub"),
    "a meter of the party itself": (
        FJORD + 'iss = "https://grid.example"', FJORD + 'iss = "https://borealis.example" #!',
        "agreement/own-meter", "party.meter.iss",
    ),
    "a meter at no site": ('site = "acme-dc1"', 'site = "acme-dc9" #!', "agreement/reference", "party.meter.site"),
    "a meter at one of two sites": ('site = "acme-dc1"\n', "", "toml/missing-key", "party.meter.site"),
    "a meter without an error": ('error = "1 %"\n', "", "toml/missing-key", "party.meter.error"),
    "a meter that is all error": ('error = "1 %"', 'error = "100 %" #!', "quantity/range", "party.meter.error"),
    "a clock that is wrong by days": (
        'clock = "2 s"           #', 'clock = "25 h" #! #', "quantity/range", "party.meter.clock",
    ),
    "storage as power": ('storage = "4 MWh"', 'storage = "4 MW" #!', "quantity/unit", "party.meter.storage"),
    "generation as energy": (
        'generation = "500 kW"', 'generation = "500 kWh" #!', "quantity/unit", "party.meter.generation",
    ),
    "integrates as a text": (
        "integrates = true       #", 'integrates = "yes" #! #', "toml/type", "party.meter.integrates",
    ),
    "a boot of nothing": ('boot = "72 kJ"', 'boot = "0 J" #!', "quantity/range", "party.meter.boot"),
    # pins
    "an unknown figure": (FLOOR, 'flor = "0 W" #!\n', "toml/unknown-key", "pin.flor"),
    "an unknown model": (
        'model = "NVIDIA H100 SXM5 80GB"', 'model = "Abacus 3000"', "agreement/pin", "pin.peak_bf16",
    ),
    "two pins of one model": (
        FLOOR, FLOOR + '[[pin]]\nmodel = "NVIDIA H100 80GB HBM3" #!\n', "toml/duplicate", "pin.model",
    ),
    "a peak below the 16-bit peak": (
        'peak = "2.2e15 FLOP/s" ', 'peak = "1e15 FLOP/s"', "agreement/pin", "pin.peak_bf16",
    ),
    "a floor above the power limit": (FLOOR, 'floor = "900 W" #!\n', "agreement/pin", "pin.floor"),
    "a peak of zero": ('peak = "2.2e15 FLOP/s" ', 'peak = "0 FLOP/s" #!', "agreement/pin", "pin.peak"),
    # phases
    "a phase without terms": (
        '[[phase]]\nname = "wind-down"',
        '[[phase]]  #!\nname = "empty"\nstart = 2026-11-01T00:00:00Z\nend = 2026-11-02T00:00:00Z\n'
        '[[phase]]\nname = "wind-down"',
        "agreement/empty-phase", "phase",
    ),
    "overlapping phases": (
        PAUSE, PAUSE.replace("09T00:00:00Z", "08T23:00:00Z #!"), "agreement/overlap", "phase.start",
    ),
    "phases out of order": (
        PAUSE, PAUSE.replace("2026-11-09T00:00:00Z", "2025-11-09T00:00:00Z #!"), "agreement/overlap", "phase.start",
    ),
    "a start between buckets": (
        PAUSE, PAUSE.replace("09T00:00:00Z", "09T00:30:00Z #!"), "agreement/edge", "phase.start",
    ),
    "an end between buckets": (
        PAUSE, PAUSE.replace("16T00:00:00Z", "16T00:00:01Z #!"), "agreement/edge", "phase.end",
    ),
    "an end at the start": (
        PAUSE, PAUSE.replace("16T00:00:00Z", "09T00:00:00Z #!"), "agreement/edge", "phase.end",
    ),
    "a time of no zone": (PAUSE, PAUSE.replace("16T00:00:00Z", "16T00:00:00 #!"), "toml/time", "phase.end"),
    "a time before times": (
        "start = 2026-11-02T00:00:00Z", "start = 1969-11-02T00:00:00Z #!", "agreement/edge", "phase.start",
    ),
    "a phase of ages": (
        PAUSE, PAUSE.replace("2026-11-16T00:00:00Z", "2926-11-16T00:00:00Z #!"), "agreement/edge", "phase.end",
    ),
    "two phases of one name": (PAUSE, PAUSE.replace('"pause"', '"wind-down" #!'), "toml/duplicate", "phase.name"),
    # terms
    "an unknown kind": (OFF, OFF.replace('-off"', '-of" #!'), "agreement/unknown-term", "phase.term.kind"),
    "a term without a kind": ('kind = "witnessing"', 'name = "x"', "toml/missing-key", "phase.term.kind"),
    "a key of another kind": (OFF, OFF + 'limit = "1 W" #!\n', "toml/unknown-key", "phase.term.limit"),
    "two terms of one name": (CAP, CAP.replace("no last sprint", "training fades out").replace('out"', 'out" #!'),
                              "toml/duplicate", "phase.term.name"),
    "an unknown party": (STOCK, STOCK.replace('acme.example"]', 'nobody.example"] #!'),
                         "agreement/reference", "phase.term.parties"),
    "an unknown site": (OFF, OFF.replace('dc2"]', 'dc9"] #!'), "agreement/reference", "phase.term.sites"),
    "a site twice": (OFF, OFF.replace('dc2"]', 'dc2", "acme-dc2"] #!'), "toml/duplicate", "phase.term.sites"),
    "a site of another party": (
        OFF, OFF + 'parties = ["https://borealis.example"]\n', "agreement/reference", "phase.term.sites",
    ),
    "a party without one of the sites": (
        OFF, OFF + 'parties = ["https://acme.example", "https://borealis.example"]\n',
        "agreement/reference", "phase.term.sites",
    ),
    "an unknown level": (OFF, OFF.replace('"L4"', '"L5" #!'), "agreement/assurance", "phase.term.assurance"),
    "an unknown label": (
        'label = "training"', 'label = "pretraining" #!', "agreement/label", "phase.term.label",
    ),
    "no label by name": ('label = "training"', 'label = "none" #!', "agreement/label", "phase.term.label"),
    "a cap in joules": ('"2e24 FLOP"', '"2e24 J" #!', "quantity/unit", "phase.term.limit"),
    "a cap per second": ('"2e24 FLOP"', '"2e14 FLOP/s" #!', "quantity/unit", "phase.term.limit"),
    "a cap without a unit": ('"2e24 FLOP"', "2e24 #!", "quantity/unit", "phase.term.limit"),
    "a cap of everything": ('"2e24 FLOP"', '"1e31 FLOP" #!', "quantity/range", "phase.term.limit"),
    "a cap without a limit": ('limit = "2e24 FLOP"\n', "", "toml/missing-key", "phase.term.limit"),
    "a window longer than its phase": (
        'window = "1 d"          #', 'window = "8 d" #! #', "agreement/window", "phase.term.window",
    ),
    "a window shorter than a bucket": (
        'window = "1 d"          #', 'window = "1 min" #! #', "quantity/range", "phase.term.window",
    ),
    # the kinds of winding down
    "a baseline that is no rate": ('"2e19 FLOP/s"', '"2e19 FLOP" #!', "quantity/unit", "phase.term.baseline"),
    "a baseline of nothing": ('"2e19 FLOP/s"', '"0 FLOP/s" #!', "quantity/range", "phase.term.baseline"),
    "a share of more than the baseline": ('share = "50 %"', 'share = "101 %" #!', "quantity/range", "phase.term.share"),
    "a ramp without steps": (RAMP, "step = [] #!\n", "toml/empty", "phase.term.step"),
    "a ramp that begins late": (
        RAMP, FIRST.replace("11-02T00", "11-03T00"), "agreement/ramp", "phase.term.step.start",
    ),
    "a ramp off the edges": (RAMP, SECOND.replace("06T00:00", "06T00:30"), "agreement/edge", "phase.term.step.start"),
    "a ramp that goes back": (RAMP, SECOND.replace("11-06", "11-01"), "agreement/ramp", "phase.term.step.start"),
    "a ramp beyond its phase": (RAMP, SECOND.replace("11-06", "11-09"), "agreement/ramp", "phase.term.step.start"),
    "a ramp that leads up": (RAMP, SECOND.replace("1e24", "5.3e24"), "agreement/ramp", "phase.term.step.limit"),
    "a step in watts": (RAMP, SECOND.replace("1e24 FLOP", "1 MW"), "quantity/unit", "phase.term.step.limit"),
    "a step with a name": (RAMP, SECOND.replace('1e24 FLOP"', '1e24 FLOP", name = "x"'), "toml/unknown-key",
                           "phase.term.step.name"),
    "a run-cap over a team": (
        'limit = "5e24 FLOP"', 'per = "team" #!\nlimit = "5e24 FLOP"', "agreement/tie", "phase.term.per",
    ),
    "less than no accelerator": ("devices = 8192 ", "devices = -1 #!", "toml/range", "phase.term.devices"),
    "a fabric in bytes of another kind": (
        "devices = 8192 ", 'fabric = "1 TB" #!\ndevices = 8192 ', "quantity/unit", "phase.term.fabric",
    ),
    "a fabric without a unit": (
        "devices = 8192 ", "fabric = 7 #!\ndevices = 8192 ", "quantity/unit", "phase.term.fabric",
    ),
    "a window without a fabric": (
        "devices = 8192 ", 'window = "1 d" #!\ndevices = 8192 ', "agreement/impossible", "phase.term.window",
    ),
    "a fabric over more than the phase": (
        "devices = 8192 ", 'fabric = "1 PiB"\nwindow = "8 d" #!\ndevices = 8192 ', "agreement/window",
        "phase.term.window",
    ),
    "an envelope of nothing": ('power = "150 W" ', 'power = "0 W" #!', "quantity/range", "phase.term.power"),
    "an envelope in joules": ('power = "150 W" ', 'power = "150 J" #!', "quantity/unit", "phase.term.power"),
    "a gap of any length": ('longest = "3 h" ', "", "toml/missing-key", "phase.term.longest"),
    "a longer lag than the agreement's": (
        'kind = "timeliness"\n', 'kind = "timeliness"\nmax_lag = "7 h" #!\n', "quantity/range", "phase.term.max_lag",
    ),
    "a level beyond all": ('level = "L4"', 'level = "L9" #!', "agreement/assurance", "phase.term.level"),
    "an assurance of no level": ('level = "L4"\n', "", "toml/missing-key", "phase.term.level"),
    "a share of nothing": ('share = "99.5 %"', 'share = "0 %" #!', "quantity/range", "phase.term.share"),
    "a share of more than all": ('share = "99.5 %"', 'share = "100.1 %" #!', "quantity/range", "phase.term.share"),
    "a share as a number": ('share = "99.5 %"', "share = 0.995 #!", "quantity/unit", "phase.term.share"),
    "no age": ('max_age = "1 d"', 'max_age = "0 s" #!', "quantity/range", "phase.term.max_age"),
    "an empty inventory term": (STOCK, "", "toml/missing-key", "phase.term.minimum"),
    "more than at most": (
        STOCK, STOCK.replace("18000", "18433 #!"), "agreement/impossible", "phase.term.minimum",
    ),
    "a roster of two sites": (
        STOCK, STOCK + f'roster = "{"0" * 64}" #!\n', "agreement/impossible", "phase.term.roster",
    ),
    "a roster in capitals": (
        STOCK, STOCK + f'sites = ["acme-dc1"]\nroster = "{"A" * 64}" #!\n', "toml/type", "phase.term.roster",
    ),
    "a cap on an unknown meter": (POWER, POWER.replace('dc1"', 'dc9" #!'), "agreement/reference", "phase.term.meter"),
    "a cap on a meter elsewhere": (
        POWER, POWER.replace('dc1"', 'dc1" #!') + 'sites = ["fjord"]\n', "agreement/reference", "phase.term.meter",
    ),
    "a cap on a meter and a feed": (POWER, POWER + 'feed = "hall 1" #!\n', "agreement/impossible", "phase.term.feed"),
    "a cap on a feed of no site": (
        POWER, 'feed = "hall 1" #!\nlimit = "3 MW"\n', "agreement/impossible", "phase.term.feed",
    ),
    "a window on power": (POWER, POWER + 'window = "1 d" #!\n', "quantity/unit", "phase.term.window"),
    "a power cap in FLOP": (POWER, POWER.replace("3 MW", "3 FLOP").replace('FLOP"', 'FLOP" #!'),
                            "quantity/unit", "phase.term.limit"),
    "a power cap without a unit": (POWER, POWER.replace('"3 MW"', '"3" #!'), "quantity/unit", "phase.term.limit"),
    "a power cap as a number": (POWER, POWER.replace('"3 MW"', "3 #!"), "quantity/unit", "phase.term.limit"),
    "a power cap without a limit": (
        POWER, POWER.replace('limit = "3 MW"\n', ""), "toml/missing-key", "phase.term.limit",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new", "code", "key"), CASES.values(), ids=CASES)
def test_a_broken_rule_is_named_with_line_and_key(example: str, old: str, new: str, code: str, key: str) -> None:
    assert old in example
    text = example.replace(old, new) if old == "[[party]]" else example.replace(old, new, 1)
    marked = [number for number, line in enumerate(text.split("\n"), 1) if " #!" in line]
    with pytest.raises(AgreementError) as raised:
        parse_agreement(text.replace(" #!", "").encode())
    error = raised.value
    assert (error.code, error.key) == (code, key), error
    assert error.line == (marked[-1] if marked else error.line), error
    line = text.split("\n")[error.line - 1]
    assert not key or marked or error.line == 1 or line.startswith(("[[", key.rpartition(".")[2])), (error, line)


def test_a_party_that_no_term_binds_is_in_error(example: str) -> None:
    text = re.sub(r'(kind = "[a-z-]+")', r'\1\nparties = ["https://acme.example"]', example)
    text = text.replace(STOCK, STOCK.replace('parties = ["https://acme.example"]\n', ""))
    text = text.replace('parties = ["https://borealis.example"]\n', "")
    with pytest.raises(AgreementError) as raised:
        parse_agreement(text.encode())
    line = example[: example.index('iss = "https://borealis')].count("\n") + 1
    assert (raised.value.code, raised.value.line) == ("agreement/free-party", line)


def test_keys_of_every_algorithm_are_read(example: str) -> None:
    keys = [format_key(seeded_key("finn", alg).public_key()) for alg in Alg]
    listed = ", ".join(f'"{key}"' for key in keys[:4])
    found = parse_agreement(example.replace(DAN, f"keys = [{listed}]").encode())
    assert len(found.parties[1].holders.holders[0].keys) == 4
    listed = f'"{keys[4]}"'
    assert parse_agreement(example.replace(DAN, f"keys = [{listed}]").encode())


def test_buckets_of_all_phases_together_are_bounded(example: str) -> None:
    """Two phases of a week: 302,400 buckets of 2 s each are read, 604,800 of 1 s are too many together."""
    text = example.replace('interval = "60 s"', 'interval = "1 s"')
    assert parse_agreement(text.replace('bucket = "1 h"', 'bucket = "2 s"').encode()).bucket_s == 2
    with pytest.raises(AgreementError) as raised:
        parse_agreement(text.replace('bucket = "1 h"', 'bucket = "1 s"').encode())
    assert (raised.value.code, raised.value.key) == ("agreement/edge", "phase.end")
    assert text.split("\n")[raised.value.line - 1] == "end = 2026-11-16T00:00:00Z"


def test_numbers_of_things_are_bounded(example: str) -> None:
    term = '[[phase.term]]\nkind = "witnessing"\n'
    with pytest.raises(AgreementError) as raised:
        parse_agreement((example + term * 100).encode())
    assert raised.value.code == "toml/too-many"
