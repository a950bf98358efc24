"""The file that travels: the text of an agreement with the signatures of root holders (schemas/agreement.md).

A COSE_Sign document whose payload is the exact TOML text, content type `CONTENT_TYPE`. It binds a party when as
many of that party's root holders, counted by name, have signed as its threshold in the text says. Parties sign one
after the other, so a file that binds only some is no error. A signature that does not verify, or by a key that the
text gives to no holder, refuses the whole file: the file is not what was signed, and nobody is accused for it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from attest.agreement.model import Agreement
from attest.agreement.parse import parse_agreement
from attest.errors import AgreementError, EvidenceError, MalformedError, Scope
from attest.format.cose import parse_document
from attest.trust.holders import verify_signatures
from attest.trust.keys import PublicKey

CONTENT_TYPE: Final = "application/vnd.attest.agreement+toml"
_TAG: Final = b"\xd8\x62"  # COSE_Sign, RFC 9052 section 4.1


NOBODY: Final = ""  # bound itself to a text


class OtherText(NamedTuple):
    """Another text of an agreement, by version and digest; `amends` if it names the judged one as that before it."""

    version: int
    digest: bytes
    amends: bool


@dataclass(frozen=True)
class SignedAgreement:
    """An agreement and who signed it: names of root holders, sorted, by `iss` of their party. `others` are the other
    texts of it that a party, or NOBODY, bound itself to (attest.agreement.versions)."""

    agreement: Agreement
    signers: Mapping[str, tuple[str, ...]] = field(hash=False)
    others: Mapping[str, tuple[OtherText, ...]] = field(default_factory=dict, hash=False)

    @property
    def unbound(self) -> tuple[str, ...]:
        """The parties, by `iss`, of whom fewer root holders signed than their threshold asks for."""
        return tuple(
            party.iss for party in self.agreement.parties if len(self.signers[party.iss]) < party.holders.threshold
        )


def verify_agreement(data: bytes) -> SignedAgreement:
    """The agreement in a signed file, with its signatures verified.

    Raises AgreementError agreement/unsigned for a text without signatures, as `parse_agreement` for what the text
    says, and EvidenceError of scope *copy* where the file is not what was signed.
    """
    try:
        document = parse_document(data)
        agreement = parse_agreement(document.payload or b"")
        owners = {
            key.thumbprint: (party.iss, holder.name, key)
            for party in agreement.parties
            for holder in party.holders.holders
            for key in holder.keys
        }
        keys: dict[bytes, tuple[str, PublicKey]] = {
            kid: (f"{name} of {iss}", key) for kid, (iss, name, key) in owners.items()
        }
        verify_signatures(document, keys, content_type=CONTENT_TYPE)
    except EvidenceError as error:
        if isinstance(error, MalformedError) and not data.startswith(_TAG):
            raise _not_a_document(data) from error
        error.scope = Scope.COPY
        raise
    signed: dict[str, set[str]] = {party.iss: set() for party in agreement.parties}
    for signature in document.signatures:
        iss, name, _ = owners[signature.protected[-32:]]
        signed[iss].add(name)
    return SignedAgreement(agreement, {iss: tuple(sorted(names)) for iss, names in signed.items()})


def signable_text(data: bytes) -> Agreement:
    """The agreement in a file that is about to be signed: a text, or a file that others signed already."""
    if data.startswith(_TAG):
        return verify_agreement(data).agreement
    return parse_agreement(data)


def _not_a_document(data: bytes) -> AgreementError:
    try:
        parse_agreement(data)
    except AgreementError as error:
        if error.code in ("toml/encoding", "toml/hidden-character", "toml/size"):
            return AgreementError("agreement/unreadable", "neither a signed agreement nor the text of one")
    return AgreementError(
        "agreement/unsigned",
        "this is the text of an agreement without any signature",
        hint="attest agreement sign TEXT.toml --key KEY -o pact.agreement",
    )
