"""What a site alone knows, where whoever can write a file could have written it: signed with the log's keys.

A host that believed another's inventory would sign what no log takes, and its chain would end there.

It is a COSE_Sign document (RFC 9052, tag 98) of content type `application/vnd.attest.off+json`, which is no other thing
that a log's key signs. The payload is JSON, with the time of which it speaks, so that an older one is known for it:

    {"log": LEAF, "source": URI, "time": SECONDS, "inventories": [{"start", "digest"}], "state": {...},
     "off": {UID: [[start, end or null]]}}

The inventories are those in force from the end of the source's chain on; `state` is what `state.json` says.

At least one key of the log signed it, and none of them wrongly; signatures of keys that are not known are ignored, as
in notes.
"""

from collections.abc import Sequence
from typing import Final

from attest.errors import LogError, SignatureError
from attest.format.cbor import decode
from attest.format.cose import MAX_ENVELOPE, parse_document
from attest.format.note import Vkey
from attest.record.site import Plan, format_plan, parse_plan
from attest.sign.documents import sign_document
from attest.sign.signer import Signer
from attest.trust.holders import verify_signatures
from attest.trust.notes import public_key

CONTENT_TYPE: Final = "application/vnd.attest.off+json"


def sign_plan(plan: Plan, signers: Sequence[Signer]) -> bytes:
    """The document. Raises LogError `upload/size` where it is larger than anybody reads."""
    document = sign_document(format_plan(plan), CONTENT_TYPE, signers)
    if len(document) > MAX_ENVELOPE:
        raise LogError("upload/size", f"what is planned of {plan.source} has {len(document):,} bytes")
    return document


def open_plan(data: bytes, vkeys: Sequence[Vkey]) -> Plan:
    """What a document says.

    Raises MalformedError, SignatureError `note/unsigned` or `signature/...`, LogError `remote/answer`.
    """
    document = parse_document(data)
    keys = {key.thumbprint: (vkey.name, key) for vkey in vkeys for key in (public_key(vkey),)}
    known = tuple(each for each in document.signatures if _kid(each.protected) in keys)
    if not known:
        raise SignatureError("note/unsigned", f"what is planned to be off is signed by no key of {vkeys[0].name}")
    payload, _ = verify_signatures(document._replace(signatures=known), keys, content_type=CONTENT_TYPE)
    return parse_plan(payload)


def _kid(protected: bytes) -> bytes | None:
    header = decode(protected)
    kid = header.get(4) if isinstance(header, dict) else None
    return kid if isinstance(kid, bytes) else None
