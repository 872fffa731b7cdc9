"""Errors that cross app borders. Each carries a code; its text says what to do next."""

from collections.abc import Mapping


class DeskError(Exception):
    """A command was refused and changed nothing.

    Args:
        code: stable, snake_case, for programs and tests.
        text: for people: what is wrong and what to do.
        fields: form field name -> text, when a field is to blame.
    """

    def __init__(self, code: str, text: str, *, fields: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text
        self.fields = dict(fields or {})


def not_sent(why: str) -> str:
    """ "Not sent: " and the reason, which need not say again that nothing was sent."""
    return f"Not sent: {why.replace(' Nothing was sent.', '').replace('. Nothing was sent;', ';')}"


class NotAllowed(DeskError):
    """The actor's roles do not allow this. Nothing was done."""

    def __init__(self, text: str = "Your roles on this desk do not allow this. Ask an admin of the desk.") -> None:
        super().__init__("not_allowed", text)


class NotFound(DeskError):
    """No such row for this actor: it does not exist, or it belongs to another desk."""

    def __init__(self, text: str = "This does not exist, or it belongs to another desk.") -> None:
        super().__init__("not_found", text)


class WireFormatError(ValueError):
    """A value from outside is not in its documented format."""
