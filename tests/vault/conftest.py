from pathlib import Path
from typing import Any

import pytest

from apps.accounts.models import Desk, ExchangeAccount
from tests.support.people import make_account, make_desk, vault_in


@pytest.fixture(autouse=True)
def private_file(tmp_path: Path, settings: Any, db: None) -> Path:
    """A vault of the test's own; the path of its private half."""
    return vault_in(tmp_path / "vault", settings)


@pytest.fixture
def desk() -> Desk:
    return make_desk()


@pytest.fixture
def account(desk: Desk) -> ExchangeAccount:
    return make_account(desk, name="Main book")
