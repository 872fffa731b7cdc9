"""Ask Redis now and read the answer later: what an order needs of it comes while its other checks run.

Each question and answer costs little work and a change of process each way, and on a busy machine most of an order's
time went into waiting for those.
"""

from collections.abc import Sequence
from typing import Any

import redis

Command = tuple[str | bytes | int | float, ...]


class Pending:
    """Commands that are on their way, on a connection of the client's pool that is kept until `read` or `drop`.

    Raises redis.RedisError or OSError when they cannot be sent; nothing is kept then.
    """

    def __init__(self, client: redis.Redis, commands: Sequence[Command]) -> None:
        self._pool = client.connection_pool
        self._count = len(commands)
        connection: Any = self._pool.get_connection()
        try:
            connection.send_packed_command(connection.pack_commands(commands))
        except BaseException:
            connection.disconnect()
            self._pool.release(connection)
            raise
        self._connection: Any = connection

    def read(self) -> list[Any]:
        """Return one answer for each command; once. Raises redis.RedisError, OSError."""
        connection, self._connection = self._connection, None
        if connection is None:
            raise redis.RedisError("these answers were read or dropped before")
        try:
            found = [connection.read_response() for _ in range(self._count)]
        except BaseException:
            # Whatever is still to come on it is not for the next one who asks.
            connection.disconnect()
            raise
        finally:
            self._pool.release(connection)
        return found

    def drop(self) -> None:
        """Nobody needs the answers any more. A second time does nothing."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.disconnect()
            self._pool.release(connection)
