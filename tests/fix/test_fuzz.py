"""The fuzz target on a few thousand inputs: what `make fuzz-fix` runs for millions."""

import pytest

from tests.fix import fuzz


def test_mutated_messages_are_read_without_a_crash() -> None:
    assert fuzz.by_chance(400, 600.0, seed=7) == 400


def test_the_target_finds_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that breaks a promise ends the run."""

    def broken(message: object) -> None:
        raise KeyError("not promised")

    monkeypatch.setattr(fuzz, "READERS", [broken])
    with pytest.raises(KeyError):
        fuzz.by_chance(400, 600.0, seed=7)
