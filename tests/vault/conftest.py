from pathlib import Path
from typing import Any

import pytest

from tests.support.people import vault_in


@pytest.fixture(autouse=True)
def private_file(tmp_path: Path, settings: Any, db: None) -> Path:
    """A vault of the test's own; the path of its private half."""
    return vault_in(tmp_path / "vault", settings)
