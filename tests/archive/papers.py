"""What is delivered beside bundles, and when."""

from attest.archive.putting import Paper
from tests.check.world import PACT

NOW = 1_900_000_000


def pact() -> list[Paper]:
    """The agreement and the trust file of the small lab."""
    return [Paper("agreement", "pact.agreement", PACT.signed()), Paper("trust", "trust.toml", PACT.trust())]
