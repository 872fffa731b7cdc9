"""Identifiers drawn by number from the seed, so that a day can be repeated to the last id and taken up again later."""

from hashlib import blake2b
from uuid import NAMESPACE_URL, uuid5


class IdSource:
    """UUID strings that look random (version 4). `drawn`: how many there were; who sets it back repeats ids."""

    def __init__(self, *, seed: int) -> None:
        self._seed = f"ids:{seed}:"
        self.drawn = 0

    def uuid(self) -> str:
        """A fresh id."""
        self.drawn += 1
        digest = blake2b(f"{self._seed}{self.drawn}".encode(), digest_size=16).digest()
        bits = int.from_bytes(digest, "big") & ~(0xF000 << 64) | (0x4000 << 64)
        text = f"{bits & ~(0xC000 << 48) | (0x8000 << 48):032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def market_uuid(ticker: str) -> str:
    """The id of a market: the same ticker has it in every run."""
    return str(uuid5(NAMESPACE_URL, f"paper-exchange/markets/{ticker}"))
