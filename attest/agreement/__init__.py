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

__all__ = [
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
    "Site",
    "Term",
    "Witnessing",
    "parse_agreement",
]
