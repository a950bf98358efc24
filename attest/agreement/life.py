"""What an agreement says of its own life: adjudicators, what it amends, and what it lets parties do (agreement.md).

    [adjudicators]                    # who triggers, lifts, excuses: `threshold` of the holders
    threshold = 2
    [[adjudicators.holder]]
    name = "..."
    keys = ["ed25519:..."]

    [amends]                          # the version before
    sha256 = "..."
    version = 1

    [outages]
    share = "0.5 %"                   # of the declared device-time of a phase may be excused from coverage

    [withdrawal]
    notice = "90 d"                   # between the witnessed notice of a party and the end of its duties

Who may do what with these is in schemas/events.md. Without a table nobody may do what it is for.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

from attest.agreement.units import DURATION, SHARE
from attest.errors import AgreementError
from attest.format.toml_table import Table
from attest.trust.holders import Holders
from attest.trust.roles import KeyRoles, read_holders

LIFE: Final = ("adjudicators", "amends", "outages", "withdrawal")  # tables of the text
MAX_VERSION: Final = 10**6


class Amends(NamedTuple):
    """The digest and the version of the agreement before."""

    digest: bytes
    version: int


@dataclass(frozen=True)
class Life:
    """outage_ppm: the share of declared device-time that outages may excuse; notice_s: None where nobody may leave."""

    adjudicators: Holders | None = None
    amends: Amends | None = None
    outage_ppm: int = 0
    notice_s: int | None = None


def read_life(root: Table, roles: KeyRoles, version: int) -> Life:
    """The tables of `LIFE`; keys of adjudicators have no other role. Raises AgreementError."""
    adjudicators = None
    if "adjudicators" in root:
        table = root.table("adjudicators").only("threshold", "holder")
        adjudicators = read_holders(table, roles, "adjudicators")
    outage_ppm, notice_s = 0, None
    if "outages" in root:
        table = root.table("outages").only("share")
        outage_ppm = table.parsed("share", SHARE.parse)
    if "withdrawal" in root:
        table = root.table("withdrawal").only("notice")
        notice_s = table.parsed("notice", DURATION.parse)
    return Life(adjudicators, _amends(root, version), outage_ppm, notice_s)


def _amends(root: Table, version: int) -> Amends | None:
    if "amends" not in root:
        if version > 1:
            raise _amendment(root, f"version {version} does not name what it amends", "version")
        return None
    table = root.table("amends").only("sha256", "version")
    before = table.integer("version", 1, MAX_VERSION)
    if version != before + 1:
        raise _amendment(root, f"an amendment of version {before} has version {before + 1}", "version")
    return Amends(table.digest("sha256"), before)


def _amendment(root: Table, detail: str, key: str) -> AgreementError:
    hint = "[amends] with the sha256 and version that `attest agreement show` prints of the one before"
    return root.error("agreement/amends", detail, key, hint=hint)
