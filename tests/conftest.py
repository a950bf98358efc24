"""What every test may use: the shared data and vectors beside the checkout, where they are."""

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """Telemetry and third-party vectors; a checkout without them skips what needs them."""
    if not SHARED.is_dir():
        pytest.skip("shared data and vectors are not beside this checkout (../shared)")
    return SHARED
