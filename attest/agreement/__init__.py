"""Agreements: what parties signed, as text, as values and as signatures (schemas/agreement.md).

parse_agreement(text) -> Agreement             the text alone, whoever signed it
verify_agreement(file) -> SignedAgreement      the file that travels: the text and its signatures
"""

from attest.agreement.kinds import (
    LABELS,
    Assurance,
    AssuranceShare,
    ComputeCap,
    Coverage,
    Custody,
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
    Term,
    Tie,
    Timeliness,
    Witnessing,
)
from attest.agreement.life import Amends, Life
from attest.agreement.model import Agreement, Meter, On, Party, Phase, Site
from attest.agreement.parse import parse_agreement
from attest.agreement.signed import CONTENT_TYPE, SignedAgreement, verify_agreement
from attest.agreement.versions import together

__all__ = [
    "CONTENT_TYPE",
    "LABELS",
    "Agreement",
    "Amends",
    "Assurance",
    "AssuranceShare",
    "ComputeCap",
    "Coverage",
    "Custody",
    "Freshness",
    "Gap",
    "Idle",
    "Inventory",
    "Life",
    "Meter",
    "On",
    "Party",
    "Phase",
    "PowerCap",
    "PowerOff",
    "Ramp",
    "Reporting",
    "RunCap",
    "ScaleCap",
    "SignedAgreement",
    "Site",
    "Slowdown",
    "Step",
    "Term",
    "Tie",
    "Timeliness",
    "Witnessing",
    "parse_agreement",
    "together",
    "verify_agreement",
]
