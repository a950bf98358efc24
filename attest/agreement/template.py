"""Templates of agreements: a text with blanks for two parties, which is refused until the last is filled.

    template("full-stop", 16_384, "NVIDIA H100 SXM5 80GB")

A template is complete: filled in, it parses, has no hole that `attest.agreement.lint` finds, signs and checks. Blanks
are texts like "<fill 3: what>" (`attest.agreement.blanks`); whatever else stands there is a proposal.
"""

from collections.abc import Iterator
from typing import Final

from attest.agreement.blanks import Blanks
from attest.agreement.cases import CASES, Case
from attest.agreement.pins import write_pin
from attest.compute.accelerators import default_pin
from attest.compute.provable import Equipment, Metered

METER_ERROR_PPM: Final = 10_000
WITNESSES: Final = 4  # of whom three must cosign: one may be silent, and one may lie

_HEAD: Final = """\
# {title}: {about}.
#
# A template for two parties with one site of {devices:,} {model} each. It is no agreement yet: a blank
# is a text like "<fill ...>", and the program refuses the file, by line and key, until the last one is filled.
# Whatever is no blank is a proposal, chosen for a site of this size, and may be changed.
#
# 1. Fill the blanks in the order of their numbers. Keep the quotes, but where a blank says "without the quotes".
#    Keys come from those who hold them: `attest key new FILE` makes one and prints its public half, which goes here;
#    `attest key show FILE` prints it again. For more parties, holders or sites copy a block with its [[...]] line.
# 2. Look for holes, and at what can be proven at each site:
#        attest agreement lint pact.toml
# 3. Root holders sign, as many of each party as its threshold says; the first signs the text, all others the file:
#        attest agreement sign pact.toml --key FIRST.key -o pact.agreement
#        attest agreement sign pact.agreement --key NEXT.key -o pact.agreement
# 4. Print who signed, what it says, and the digest that goes into a trust file (schemas/trust.md):
#        attest agreement show pact.agreement
# 5. Judge:
#        attest check LOG... --agreement pact.agreement --trust trust.toml
"""

_DUTIES: Final = """\
# Evidence is a duty: who leaves a hole, and goes on reporting for longer than `grace`, is in breach.

[[phase.term]]
kind = "coverage"
share = "99.5 %"      # of device-time has a record

[[phase.term]]
kind = "gap"
longest = "3 h"       # of any one accelerator
outage = "12 h"       # in all of the phase

[[phase.term]]
kind = "assurance"
level = "{level}"
share = "99 %"        # of device-time has evidence of this level

[[phase.term]]
kind = "timeliness"
share = "99 %"        # of statements are witnessed within max_lag

[[phase.term]]
kind = "witnessing"   # and all of them by the quorum

[[phase.term]]
kind = "freshness"
max_age = "2 d"       # of the copy that is judged

[[phase.term]]
kind = "inventory"    # as many accelerators as the parties were told of
minimum = {devices}
maximum = {devices}
"""


def template(case: str, devices: int, model: str) -> str:
    """The template of a case, by its name in CASES, for sites of so many accelerators of one model.

    Raises UnsupportedError `model/unknown` and AgreementError `pin/no-default` for a model without figures.
    """
    chosen, pin, blanks = CASES[case], default_pin(model), Blanks()
    site = Equipment(devices, pin, (Metered(METER_ERROR_PPM),))
    head = _HEAD.format(title=chosen.title, about=chosen.about, devices=devices, model=pin.model)
    lines = [
        *_frame(blanks, chosen),
        *_witnesses(blanks),
        *(line for party in ("first", "second") for line in _party(blanks, party, devices, chosen)),
        "# The figures by which a model is bounded: the program's defaults, which are cautious (schemas/bounds.md).",
        "# Lower ones prove more than the hardware may allow.",
        "",
        "[[pin]]",
        *write_pin(pin),
        "",
        "[[phase]]",
        'name = "pause"',
        f"start = {blanks.unquoted('when it begins, such as 2026-11-09T00:00:00Z, on a full hour')}",
        f"end = {blanks.unquoted('when it ends, such as 2027-02-01T00:00:00Z, some weeks later')}",
        "",
        *chosen.terms(site, blanks),
        _DUTIES.format(level=chosen.level, devices=devices),
    ]
    return head + "\n" + "\n".join(lines)


def _frame(blanks: Blanks, case: Case) -> Iterator[str]:
    yield f"name = {blanks.text(f'what the agreement is called, such as {case.title} in winter')}"
    yield "version = 1          # one more with each amendment"
    yield 'bucket = "1 h"       # the grain of totals; phases and windows are counted in it'
    yield 'interval = "60 s"    # one sampling period'
    yield 'max_lag = "6 h"      # statements are witnessed at most this late'
    yield 'grace = "2 d"        # a hole that is older than this, and left behind, is a breach'
    yield ""


def _witnesses(blanks: Blanks) -> Iterator[str]:
    yield "# Four witnesses of four operators, none close to a party: three must cosign, so that the silence of one"
    yield "# denies nothing, and one who lies cannot show two histories. Each gives its verifier key, name+id+key."
    yield ""
    yield "[witnesses]"
    yield "tolerates = 1"
    yield 'policy = """'
    words = [f"w{number}" for number in range(1, WITNESSES + 1)]
    for number, word in enumerate(words, 1):
        yield f"witness {word} {blanks.bare(f'verifier key of witness {number}')}"
    yield f"group three-of-four 3 {' '.join(words)}"
    yield "quorum three-of-four"
    yield '"""'
    yield ""


def _party(blanks: Blanks, party: str, devices: int, case: Case) -> Iterator[str]:
    yield f"# The {party} party. Two of its three root holders bind it; they should answer to different people."
    yield ""
    yield "[[party]]"
    yield f"iss = {blanks.text(f'URI of the {party} party, such as https://acme.example')}"
    yield f"name = {blanks.text(f'name of the {party} party')}"
    yield "threshold = 2"
    for holder in ("first", "second", "third"):
        yield ""
        yield "[[party.holder]]"
        yield f"name = {blanks.text(f'name and office of the {holder} root holder of the {party} party')}"
        yield f"keys = [{blanks.text(f'public key of the {holder} root holder of the {party} party')}]"
    yield ""
    yield "[[party.site]]"
    yield f"name = {blanks.text(f'name of the site of the {party} party, such as acme-dc1')}"
    yield f"origin = {blanks.text(f'origin of the log of the {party} party, such as acme.example/dc1')}"
    yield f"log_keys = [{blanks.text(f'verifier key of the log of the {party} party, named after the origin')}]"
    yield f"devices = {devices}"
    yield ""
    yield "# A meter that the party does not operate, nor anybody close to it:"
    yield f"# {case.meters}."
    yield "# Batteries or generators behind it: storage (energy a day) and generation (power)."
    yield ""
    yield "[[party.meter]]"
    yield f"sub = {blanks.text(f'URI of the meter of the {party} party, such as https://grid.example/meters/acme-dc1')}"
    yield f"iss = {blanks.text(f'URI of who operates the meter of the {party} party')}"
    yield f"key = {blanks.text(f'public key of the meter of the {party} party')}"
    yield 'error = "1 %"'
    yield 'clock = "2 s"'
    yield "integrates = true    # readings are means over their step, or a register"
    yield ""
