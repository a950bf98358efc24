"""A request to be enrolled: what a new key's holder hands to the office, signed with the new key itself.

    log = "53f0..."                     # the log's id: leaf hash of its genesis
    source = "https://acme.example/dc1/n1"
    role = "host"                       # or "meter"
    key = "ed25519:..."
    proof = "..."                       # base64: the key's signature over attest.format.act.possession(...)

So no private key leaves the machine it was made on, and nobody is enrolled for a key that is not theirs.
"""

import base64
import binascii
from typing import Final

from attest.errors import SignatureError
from attest.format.act import possession
from attest.format.fields import text
from attest.format.key_acts import Enrol
from attest.format.toml_table import parse_toml
from attest.format.vocabulary import Role
from attest.sign.signer import Signer
from attest.trust.keys import PublicKey, format_key, parse_key

ROLES: Final = {"host": Role.HOST, "meter": Role.METER}


def prove(signer: Signer, log: bytes, sub: str, role: Role) -> bytes:
    """The new key's signature over its own enrolment or rotation."""
    key = signer.public_key()
    return signer.sign(possession(log, sub, role, int(key.alg), key.raw))


def format_request(signer: Signer, log: bytes, sub: str, role: str) -> str:
    """The request as a TOML text. Raises MalformedError or AgreementError where no office could take it."""
    text(sub, "source")
    proof = base64.b64encode(prove(signer, log, sub, ROLES[role])).decode()
    fields = {"log": log.hex(), "source": sub, "role": role, "key": format_key(signer.public_key()), "proof": proof}
    request = "".join(f'{name} = "{value}"\n' for name, value in fields.items())
    parse_request(request.encode(), log)
    return request


def parse_request(text: bytes, log: bytes) -> Enrol:
    """The act that a request asks for. Raises AgreementError where it is not for this log or not the key's own."""
    table = parse_toml(text).only("log", "source", "role", "key", "proof")
    if table.digest("log") != log:
        raise table.error("request/other-log", f"the request is not for the log {log.hex()}", "log")
    role = ROLES.get(table.text("role"))
    if role is None:
        raise table.error("request/role", f"a role is one of {', '.join(ROLES)}", "role")
    key: PublicKey = table.parsed("key", parse_key)
    try:
        proof = base64.b64decode(table.text("proof"), validate=True)
        key.verify(proof, possession(log, table.text("source"), role, int(key.alg), key.raw))
    except (binascii.Error, SignatureError) as error:
        detail = "the proof is not the new key's signature over this request"
        raise table.error(
            "request/proof", detail, "proof", hint="make the request again: attest key request"
        ) from error
    return Enrol(table.text("source"), role, int(key.alg), key.raw, proof)
