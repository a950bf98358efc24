"""Whose entry an entry of the custody log is: what the store has and the index does not is not believed unseen.

Whoever may write to the disk or the bucket can put something in the place of the next entry; only the archive's office
can sign one that follows the last.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from attest.errors import ArchiveError, MalformedError, SignatureError, TrustError, UnsupportedError
from attest.format.act import GenesisAct, parse_act
from attest.format.bodies import GenesisBody
from attest.format.cose import parse_document, verify_sign1
from attest.format.statement import parse_statement
from attest.format.vocabulary import Kind
from attest.log.merkle import leaf_hash
from attest.trust.keys import Alg, PublicKey

_HINT: Final = "see who wrote there and what else, and put the right one back from a copy of the store"


class Office:
    """The office that a genesis names, with one key for good."""

    def __init__(self, name: str, genesis: bytes) -> None:
        """The genesis has a name in the store. Raises ArchiveError `archive/forged`, UnsupportedError."""
        with _forged(name):
            body = parse_statement(genesis).statement.body
            if not isinstance(body, GenesisBody):
                raise TrustError("log/no-genesis", "the log does not begin with a genesis")
            act = parse_act(parse_document(body.document).payload or b"")
            if not isinstance(act, GenesisAct):
                raise TrustError("log/no-genesis", "the genesis carries another act")
            try:
                self._key = PublicKey(Alg(act.alg), act.key)
            except ValueError:
                raise UnsupportedError("unsupported/alg", f"algorithm {act.alg}") from None
            self._log = leaf_hash(genesis)

    def require(self, name: str, n: int, entry: bytes, before: bytes | None) -> None:
        """Return None if this is the office's entry `n`, after the one whose leaf hash is `before`.

        Raises ArchiveError `archive/forged`, and UnsupportedError for what this program does not know.
        """
        expected = (Kind.CUSTODY, self._log, n, before) if n else (Kind.GENESIS, None, 0, None)
        with _forged(name):
            signed = parse_statement(entry)
            if signed.header.kid != self._key.thumbprint:
                raise TrustError("key/unknown", f"signed by the key {signed.header.kid.hex()}")
            verify_sign1(signed.sign1, self._key)
            said = signed.statement
            if (said.kind, said.log, said.seq, said.prev) != expected:
                raise TrustError("chain/prev", f"it is not the entry {n} that follows the one before")


@contextmanager
def _forged(name: str) -> Iterator[None]:
    try:
        yield
    except (MalformedError, SignatureError, TrustError) as error:
        detail = f"{name} is no entry of this archive's office: {error}"
        raise ArchiveError("archive/forged", detail, hint=_HINT) from error
