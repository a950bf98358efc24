"""An agreement as several parties have it: their signatures together, and who bound itself to another text as well.

Parties sign on different machines, and each may show a file of its own. Files of one text are one agreement, and the
signatures of all of them count. A file of another text, under the same name, is another version:

    Borealis shows   A pause, version 2, signed by 2 of its 3 root holders
    judged is        A pause, version 1                 -> Borealis bound itself to both: `joint/version`,
                                                           or `agreement/amended` if version 2 names version 1

Who is bound to the other text is counted by the keys that the judged text gives to a party's root holders, and by its
threshold: a rival can write any text, with any keys in it, and that binds nobody else.
"""

from collections.abc import Sequence
from dataclasses import replace

from attest.agreement.model import Party
from attest.agreement.signed import NOBODY, OtherText, SignedAgreement, verify_agreement
from attest.errors import AgreementError
from attest.format.cose import parse_document


def together(signed: SignedAgreement, files: Sequence[bytes]) -> SignedAgreement:
    """The agreement with what other parties' files add to it.

    Raises AgreementError `agreement/other-name` for a file that is no version of it, and as `verify_agreement`.
    """
    for data in files:
        other = verify_agreement(data)
        if other.agreement.digest == signed.agreement.digest:
            both = {iss: {*names, *other.signers[iss]} for iss, names in signed.signers.items()}
            signed = replace(signed, signers={iss: tuple(sorted(names)) for iss, names in both.items()})
        elif other.agreement.name != signed.agreement.name:
            detail = f'the file is of "{other.agreement.name}", not of "{signed.agreement.name}"'
            raise AgreementError("agreement/other-name", detail, hint="check under one agreement at a time")
        else:
            signed = replace(signed, others=_with(signed, other, data))
    return signed


def _with(signed: SignedAgreement, other: SignedAgreement, data: bytes) -> dict[str, tuple[OtherText, ...]]:
    """Whom the other text binds, added to those known to be bound elsewhere."""
    amends, judged = other.agreement.life.amends, signed.agreement
    after = amends is not None and (amends.digest, amends.version) == (judged.digest, judged.version)
    text = OtherText(other.agreement.version, other.agreement.digest, after)
    kids = {signature.protected[-32:] for signature in parse_document(data).signatures}
    names = {party.iss for party in other.agreement.parties}
    bound = {p.iss for p in signed.agreement.parties if p.iss in names and _signed(p, kids) >= p.holders.threshold}
    known = dict(signed.others)
    for iss in bound or {NOBODY}:
        known[iss] = tuple(sorted({*known.get(iss, ()), text}))
    return known


def _signed(party: Party, kids: set[bytes]) -> int:
    """How many of the party's root holders these keys are of."""
    return sum(any(key.thumbprint in kids for key in holder.keys) for holder in party.holders.holders)
