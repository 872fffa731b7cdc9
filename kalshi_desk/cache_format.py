"""How values lie in the cache: MessagePack. Django's own pickle would run what whoever reaches Redis puts there."""

from typing import Any

import msgspec


class PlainSerializer:
    """Text, numbers, flags, None, aware times, and lists and dictionaries of these; a tuple comes back as a list."""

    def dumps(self, value: Any) -> bytes | int:
        # Redis itself adds to whole numbers.
        return value if type(value) is int else msgspec.msgpack.encode(value)

    def loads(self, data: bytes) -> Any:
        try:
            return int(data)
        except ValueError:
            return msgspec.msgpack.decode(data)
