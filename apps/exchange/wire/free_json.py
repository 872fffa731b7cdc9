"""Free JSON of the exchange (`details`), cut to a size that can be kept and shown. Pure."""

from typing import Any

DEPTH = 5
ITEMS = 60  # of one object or list
NODES = 3_000  # values in all
TEXT = 400  # characters of one text or name
LARGEST = 10**15  # whole numbers beyond it are no figure of a game


def bounded(value: Any, *, nodes: int = NODES) -> tuple[Any, bool]:
    """Return `value` within the bounds above, and whether something was left out."""
    cutter = _Cutter(nodes)
    return cutter.cut(value, DEPTH), cutter.has_cut


def bounded_object(value: Any, *, nodes: int = NODES) -> tuple[dict[str, Any], bool]:
    """Return a JSON object within the bounds; anything else is an empty one."""
    found, has_cut = bounded(value, nodes=nodes) if isinstance(value, dict) else ({}, False)
    return found, has_cut


class _Cutter:
    def __init__(self, nodes: int) -> None:
        self.left = nodes
        self.has_cut = False

    def cut(self, value: Any, depth: int) -> Any:
        self.left -= 1
        match value:
            case None | bool():
                return value
            case str():
                return self._text(value)
            case int():
                return value if abs(value) <= LARGEST else self._leave_out()
            case float():
                return value if abs(value) <= LARGEST else self._leave_out()  # not a number fails this, too
            case dict():
                return self._object(value, depth - 1)
            case list():
                return self._list(value, depth - 1)
        return self._leave_out()

    def _object(self, value: dict[Any, Any], depth: int) -> Any:
        if depth <= 0:
            return self._leave_out()
        found = {}
        for count, (name, one) in enumerate(value.items()):
            if count >= ITEMS or self.left <= 0:
                self.has_cut = True
                break
            found[self._text(str(name))] = self.cut(one, depth)
        return found

    def _list(self, value: list[Any], depth: int) -> Any:
        if depth <= 0:
            return self._leave_out()
        found = []
        for count, one in enumerate(value):
            if count >= ITEMS or self.left <= 0:
                self.has_cut = True
                break
            found.append(self.cut(one, depth))
        return found

    def _text(self, value: str) -> str:
        # NUL is no text to PostgreSQL, and half of a surrogate pair to nobody.
        clean = value[:TEXT].replace("\x00", "").encode(errors="replace").decode()
        self.has_cut = self.has_cut or len(value) > TEXT
        return clean

    def _leave_out(self) -> Any:
        self.has_cut = True
        return None
