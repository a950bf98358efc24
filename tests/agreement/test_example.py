"""The page's example says what the page says it says; parsing is total."""

import pickle
import re
from hashlib import sha256
from textwrap import dedent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attest.agreement import (
    CONTENT_TYPE,
    LABELS,
    Agreement,
    Assurance,
    AssuranceShare,
    ComputeCap,
    Coverage,
    Freshness,
    Gap,
    Idle,
    Inventory,
    PowerCap,
    PowerOff,
    Ramp,
    Reporting,
    RunCap,
    ScaleCap,
    Slowdown,
    Step,
    Tie,
    Timeliness,
    Witnessing,
    parse_agreement,
    verify_agreement,
)
from attest.agreement.lint import lines as lint_lines
from attest.agreement.lint import lint
from attest.agreement.term_words import describe
from attest.agreement.words import lines
from attest.compute.accelerators import default_pin
from attest.errors import AgreementError, UnsupportedError
from attest.format.vocabulary import Label
from attest.sign.documents import sign_document
from attest.sign.seeded import seeded_key
from attest.trust.keys import format_key
from attest.trust.notes import log_vkey

ACME, BOREALIS = "https://acme.example", "https://borealis.example"


@pytest.fixture(scope="module")
def agreement(example: str) -> Agreement:
    return parse_agreement(example.encode())


def test_numbers_are_in_base_units(agreement: Agreement, example: str) -> None:
    assert agreement.digest == sha256(example.encode()).digest()
    assert (agreement.name, agreement.version, agreement.tolerates) == ("Two-party pause", 1, 1)
    assert (agreement.bucket_s, agreement.interval_s) == (3_600, 60)
    assert (agreement.max_lag_s, agreement.grace_s) == (21_600, 172_800)
    meter = agreement.parties[0].meters[0]
    assert (meter.site, meter.error_ppm, meter.clock_uncertainty_s) == ("acme-dc1", 5_000, 2)
    assert (meter.storage_mj, meter.generation_mw, meter.integrates) == (14_400_000_000_000, 500_000_000, True)
    assert (meter.boot_mj, agreement.parties[0].meters[1].boot_mj) == (None, 72_000_000)
    assert agreement.parties[1].meters[0].site == "fjord"  # the only one


def test_terms_are_written_out(agreement: Agreement) -> None:
    both, sites = (ACME, BOREALIS), ("acme-dc1", "acme-dc2", "fjord")
    everywhere = {"parties": both, "sites": sites}
    fading, sprint, ramp, slowdown, run, scale, reporting = agreement.phases[0].terms
    assert fading == ComputeCap(
        name="training fades out", limit=10**25, label=Label.TRAINING, window_s=None,
        assurance=Assurance.L1, **everywhere,
    )  # fmt: skip
    assert sprint == ComputeCap(
        name="no last sprint", limit=2 * 10**24, label=None, window_s=86_400,
        assurance=Assurance.L1, **everywhere,
    )  # fmt: skip
    begin = 1_793_577_600
    assert ramp == Ramp(
        name="ramp", label=Label.TRAINING, assurance=Assurance.L1, **everywhere,
        steps=(
            Step(begin, begin + 4 * 86_400, 7 * 10**24), Step(begin + 4 * 86_400, begin + 7 * 86_400, 10**24),
        ),
    )  # fmt: skip
    assert slowdown == Slowdown(
        name="slowdown", parties=(BOREALIS,), sites=("fjord",), baseline=2 * 10**19, share_ppm=500_000, label=None,
        window_s=None, assurance=Assurance.L1,
    )  # fmt: skip
    assert run == RunCap(
        name="run-cap", limit=5 * 10**24, per=Tie.LINEAGE, label=None, assurance=Assurance.L1, **everywhere
    )
    assert scale == ScaleCap(
        name="scale-cap", devices=8_192, fabric_mib=None, window_s=None, label=None, assurance=Assurance.L1,
        **everywhere,
    )  # fmt: skip
    assert reporting == Reporting(
        name="reporting", notice_s=3 * 86_400, closing_s=86_400, devices=64, **everywhere,
    )  # fmt: skip
    pause = agreement.phases[1]
    assert (pause.start, pause.end) == (1_794_182_400, 1_794_787_200)
    assert pause.terms[1:] == (
        PowerCap(
            name="power-cap", parties=(ACME,), sites=("acme-dc1",), meter="https://grid.example/meters/acme-dc1",
            feed=None, limit_mw=3 * 10**9, limit_mj=None, window_s=None, assurance=Assurance.L4,
        ),
        PowerOff(name="power-off", parties=(ACME,), sites=("acme-dc2",), assurance=Assurance.L4),
        Idle(
            name="idle", parties=(BOREALIS,), sites=("fjord",), power_mw=150_000, activity_ppm=10_000,
            assurance=Assurance.L1,
        ),
        Coverage(name="coverage", share_ppm=995_000, **everywhere),
        Gap(name="gap", longest_s=10_800, outage_s=43_200, **everywhere),
        Timeliness(name="timeliness", share_ppm=990_000, max_lag_s=21_600, **everywhere),
        AssuranceShare(name="assurance", level=Assurance.L4, share_ppm=990_000, **everywhere),
        Freshness(name="freshness", max_age_s=86_400, **everywhere),
        Witnessing(name="witnessing", **everywhere),
        Inventory(
            name="inventory", parties=(ACME,), sites=("acme-dc1", "acme-dc2"),
            minimum=18_000, maximum=18_432, roster=None,
        ),
    )  # fmt: skip
    assert [term.kind for term in pause.terms] == [
        "compute-cap", "power-cap", "power-off", "idle", "coverage", "gap", "timeliness", "assurance", "freshness",
        "witnessing", "inventory",
    ]  # fmt: skip


def test_what_is_left_out_has_its_default(example: str) -> None:
    text = example.replace('bucket = "1 h" ', "").replace('interval = "60 s"', "")
    text += (
        '[[phase.term]]\nkind = "compute-cap"\nlimit = "1 YFLOP"\n[[phase.term]]\nkind = "coverage"\nshare = "1 %"\n'
    )
    found = parse_agreement(text.encode())
    assert (found.bucket_s, found.interval_s) == (3_600, 60)
    cap = found.phases[1].terms[-2]
    assert isinstance(cap, ComputeCap)
    assert (cap.name, cap.assurance, cap.limit) == ("compute-cap-2", Assurance.L3, 10**24)
    assert found.phases[1].terms[-1].name == "coverage-2"


def test_a_generated_name_gives_way_to_a_written_one(example: str) -> None:
    text = example + '[[phase.term]]\nkind = "witnessing"\n[[phase.term]]\nkind = "witnessing"\nname = "witnessing-2"\n'
    assert [t.name for t in parse_agreement(text.encode()).phases[1].terms][-2:] == ["witnessing-3", "witnessing-2"]


def test_energy_caps_have_windows(example: str) -> None:
    text = example.replace('limit = "3 MW"', 'limit = "70 MWh"\nwindow = "1 d"')
    cap = parse_agreement(text.encode()).phases[1].terms[1]
    assert isinstance(cap, PowerCap)
    assert (cap.limit_mw, cap.limit_mj, cap.window_s) == (None, 252 * 10**12, 86_400)


def test_a_scale_cap_may_have_a_fabric(example: str) -> None:
    for more, fabric, window_s, words in (
        ('fabric = "2 PiB"', 1 << 31, None, "nor more than 2 PiB through the fabric of any of them over the phase"),
        ('fabric = "500 TiB"\nwindow = "1 d"', 524_288_000, 86_400,
         "nor more than 500 TiB through the fabric of any of them in any 1 d"),
    ):  # fmt: skip
        text = example.replace("devices = 8192 ", f"{more}\ndevices = 8192 ")
        term = parse_agreement(text.encode()).phases[0].terms[5]
        assert isinstance(term, ScaleCap)
        assert (term.fabric_mib, term.window_s) == (fabric, window_s)
        assert describe(term).startswith(f"no run on more than 8,192 accelerators at once, {words}")


def test_labels_are_those_of_statements() -> None:
    assert {word: int(label) for word, label in LABELS.items()} == {
        "training": 1, "fine-tuning": 2, "inference": 3, "evaluation": 4, "other": 5,
    }  # fmt: skip


def test_pins_change_what_they_name(agreement: Agreement) -> None:
    default = default_pin("NVIDIA H100 SXM5 80GB")
    pin = agreement.pin("NVIDIA H100 80GB HBM3")  # as telemetry names it
    assert (pin.peak_flop_per_s, pin.floor_mw) == (2_200_000_000_000_000, 0)
    assert pin == default.with_overrides(peak_flop_per_s=pin.peak_flop_per_s, floor_mw=0)
    assert agreement.pin("NVIDIA A100 SXM 80GB") == default_pin("NVIDIA A100 SXM 80GB")
    assert agreement.pin_or_none("Abacus 3000") is None
    with pytest.raises(UnsupportedError):
        agreement.pin("Abacus 3000")


def test_a_model_of_no_table_is_pinned_whole(example: str) -> None:
    pin = (
        '[[pin]]\nmodel = "Abacus 3000"\npeak = "2 PFLOP/s"\npeak_bf16 = "1 PFLOP/s"\nvector = "0.1 PFLOP/s"\n'
        'efficiency = "5 TFLOP/J"\nmarginal = "8 TFLOP/J"\nfloor = "50 W"\nwork = "1000000 FLOP/cycle"\n'
        'work_bf16 = "500000 FLOP/cycle"\nwork_admitted = "0 FLOP/cycle"\nreference_clock = "1.5 GHz"\n'
        'max_clock = "2 GHz"\ntdp = "700 W"\nboot = "72 kJ"\nidle = "300 W"\nenergy_error = "5 %"\n'
        'activity_error = "5 %"\nresolution = "70 J"\n'
    )
    text = example.replace("[[phase]]", pin + "[[phase]]", 1)
    assert parse_agreement(text.encode()).pin("Abacus 3000").efficiency_mflop_per_mj == 5_000


def test_parties_and_sites_are_found(agreement: Agreement) -> None:
    found = agreement.site("acme.example/dc2")
    assert found is not None
    assert (found[0].iss, found[1].name) == (ACME, "acme-dc2")
    assert agreement.site("acme.example/dc3") is None
    assert agreement.party(BOREALIS) is agreement.parties[1]
    assert agreement.party("https://nobody.example") is None


def test_an_agreement_travels_to_workers(agreement: Agreement) -> None:
    copy = pickle.loads(pickle.dumps(agreement))
    assert copy == agreement
    assert hash(copy) == hash(agreement)


def test_the_page_shows_what_show_prints(page: str, example: str) -> None:
    document = sign_document(example.encode(), CONTENT_TYPE, [seeded_key("ada"), seeded_key("cleo")])
    assert "".join(f"    {line}\n" for line in lines(verify_agreement(document))) in page


def test_the_pages_keys_are_test_keys(example: str) -> None:
    names = ["ada", "bob", "cleo", "dan", "grid dc1", "grid dc2", "grid fjord"]
    found = re.findall(r'"(ed25519:[^"]*)"', example)
    assert sorted(found) == sorted(format_key(seeded_key(name).public_key()) for name in names)


def test_every_kind_has_its_section_and_its_words(page: str, agreement: Agreement) -> None:
    kinds = {term.kind for phase in agreement.phases for term in phase.terms}
    assert kinds | {"custody"} == set(re.findall(r"^### ([a-z-]+)$", page, re.MULTILINE)) - {"witnesses"}
    for phase in agreement.phases:
        for term in phase.terms:
            assert describe(term).isprintable()


def test_the_pages_agreement_of_an_archive(page: str) -> None:
    found = re.search(r"works alone:\n\n(.*?)\n\nIt demands this:\n\n    (.*?)\n", page, re.DOTALL)
    assert found
    agreement = parse_agreement(f"{dedent(found[1])}\n".encode())
    (term,) = agreement.phases[0].terms
    assert f"{term.name}: {describe(term)}" == found[2]
    assert [hole.code for hole in lint(agreement)] == ["lint/no-witness"]
    keys = format_key(seeded_key("keeper").public_key()), seeded_key("keeper log").public_key()
    assert keys[0] in found[1]
    assert agreement.parties[0].sites[0].log_keys == (log_vkey("keeper.example/custody", keys[1]),)


def parsed(text: str | bytes) -> Agreement | None:
    """The agreement, or None for an AgreementError; anything else escapes."""
    try:
        return parse_agreement(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    except AgreementError as error:
        assert re.fullmatch(r"[a-z]+/[a-z-]+", error.code)
        assert error.line >= 0
        assert str(error).isprintable()
        return None


@given(st.binary(max_size=300) | st.text(max_size=300))
def test_any_bytes_are_an_agreement_or_an_agreement_error(text: str | bytes) -> None:
    assert parsed(text) is None


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_any_edit_of_an_agreement_is_an_agreement_or_an_agreement_error(example: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(example)))
    cut = data.draw(st.integers(0, 40))
    word = st.sampled_from(
        ["[", "]", "{", "}", '"', "'", '"""', "#", "\n", "=", ".", ",", "nan", "inf", "true", "-1", "0", "[]", "{}",
         "[[party]]\n", "[witnesses]\n", "1e400", "9" * 30, "\x00", "\u202e", "\ud800", "1979-05-27", "= {a.b = 1}"]
    )  # fmt: skip
    insert = "".join(data.draw(st.lists(word | st.text(max_size=4), max_size=4)))
    parsed(example[:at] + insert + example[at + cut :])


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_any_value_at_any_key_is_an_agreement_or_an_agreement_error(example: str, data: st.DataObject) -> None:
    values = re.findall(r"^[a-z_0-9]+ = (?!\"\"\")(.*)$", example, re.MULTILINE)
    old = data.draw(st.sampled_from(values))
    new = data.draw(
        st.sampled_from([*values, "[]", "[[]]", "[1]", "{}", "[{}]", "''", "1.5", "nan", "1979-05-27", "-1"])
    )
    parsed(example.replace(f"= {old}\n", f"= {new}\n", 1))


def test_the_page_shows_what_lint_says_of_it(page: str, example: str) -> None:
    """Line and hole, and the table of a site."""
    printed = list(lint_lines(parse_agreement(example.encode())))
    said = [line[4:] for line in page.splitlines() if line.startswith("    ")]
    shown = [line for line in printed if line in said]
    assert sum(line.startswith("line ") for line in shown) == 1
    assert sum("  L" in line for line in shown) >= 7
    assert "what can be proven at Acme, acme-dc2, 2,048 NVIDIA H100 SXM5 80GB, FLOP in 30 d" in shown
