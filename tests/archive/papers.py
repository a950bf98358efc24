"""What is delivered beside bundles, and when."""

from attest.archive.putting import Paper
from tests.check.world import PACT

NOW = 1_790_000_000  # 2026-09-21: a time that a server's clock has passed


def pact() -> list[Paper]:
    """The agreement and the trust file of the small lab."""
    return [Paper("agreement", "pact.agreement", PACT.signed()), Paper("trust", "trust.toml", PACT.trust())]
