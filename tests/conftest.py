"""What every test may use: the shared data and vectors beside the checkout, where they are.

Everything that any test signs is validated against the CDDL of `schemas/` on the way.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from attest.sign.keys import PrivateSigner
from tests.debian import UnavailableError
from tests.schemas.validate import Watch
from tests.sign import softhsm

settings.register_profile("attest", derandomize=True, deadline=None)
settings.load_profile("attest")

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """Telemetry and third-party vectors; a checkout without them skips what needs them."""
    if not SHARED.is_dir():
        pytest.skip("shared data and vectors are not beside this checkout (../shared)")
    return SHARED


@pytest.fixture(scope="session")
def tokens(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> softhsm.Tokens:
    """Tokens of SoftHSM; where it is not there and cannot be had, what needs them is skipped, saying why."""
    try:
        found = softhsm.find(request.config.cache.mkdir("softhsm"))
    except UnavailableError as error:
        pytest.skip(str(error))
    return softhsm.Tokens(found, tmp_path_factory.mktemp("tokens"))


@pytest.fixture(scope="session", autouse=True)
def watch() -> Iterator[Watch]:
    """Looks over the shoulder of every signer (tests/schemas/validate.py)."""
    watch, sign = Watch(), PrivateSigner.sign

    def watched(self: PrivateSigner, message: bytes) -> bytes:
        watch.look(message)
        return sign(self, message)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PrivateSigner, "sign", watched)
        yield watch
