"""Identifiers from the seeded generator, so that a day can be repeated to the last id."""

from random import Random
from uuid import NAMESPACE_URL, uuid5


class IdSource:
    """Random (version 4) UUID strings, drawn from its own generator so that no other draw moves them."""

    def __init__(self, *, seed: int) -> None:
        self._random = Random(f"ids:{seed}")

    def uuid(self) -> str:
        """A fresh id."""
        bits = self._random.getrandbits(128) & ~(0xF000 << 64) | (0x4000 << 64)
        text = f"{bits & ~(0xC000 << 48) | (0x8000 << 48):032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def market_uuid(ticker: str) -> str:
    """The id of a market: the same ticker has it in every run."""
    return str(uuid5(NAMESPACE_URL, f"paper-exchange/markets/{ticker}"))
