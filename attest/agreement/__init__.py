"""Agreements: what parties signed, as text, as values and as signatures (schemas/agreement.md).

parse_agreement(text) -> Agreement             the text alone, whoever signed it
verify_agreement(file) -> SignedAgreement      the file that travels: the text and its signatures
"""

from attest.agreement.model import (
    LABELS,
    Agreement,
    Assurance,
    ComputeCap,
    Coverage,
    Freshness,
    Inventory,
    Meter,
    Party,
    Phase,
    PowerCap,
    PowerOff,
    Site,
    Term,
    Witnessing,
)
from attest.agreement.parse import parse_agreement
from attest.agreement.signed import CONTENT_TYPE, SignedAgreement, verify_agreement

__all__ = [
    "CONTENT_TYPE",
    "LABELS",
    "Agreement",
    "Assurance",
    "ComputeCap",
    "Coverage",
    "Freshness",
    "Inventory",
    "Meter",
    "Party",
    "Phase",
    "PowerCap",
    "PowerOff",
    "SignedAgreement",
    "Site",
    "Term",
    "Witnessing",
    "parse_agreement",
    "verify_agreement",
]
