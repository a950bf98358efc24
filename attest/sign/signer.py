"""Who signs: the two methods that a key in a file, in hardware or in a cloud has in common."""

from typing import Protocol

from attest.trust.keys import PublicKey


class Signer(Protocol):
    """Holds a private key and never shows it."""

    def public_key(self) -> PublicKey:
        """The key that verifies what this signs."""

    def sign(self, message: bytes) -> bytes:
        """A signature over the message in the form `PublicKey.verify` takes."""
