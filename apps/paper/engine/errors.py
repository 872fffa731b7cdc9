"""Refusals of the exchange, in its own words.

Codes are those of the REST API's error bodies. Where the docs name a refusal only in the FIX tables (for example
``POST_ONLY_CROSS``), the FIX word is in ``details``, because REST answers those with the generic ``invalid_order``.
"""


class ExchangeError(Exception):
    """A request was refused and changed nothing (but see `client_order_id` of a killed FOK order: it stays used).

    Args:
        code: for programs, as the exchange writes it.
        message: for people.
        http_status: what REST answers with.
        details: the exchange's finer word, when it has one.
    """

    def __init__(self, code: str, message: str, http_status: int = 400, *, details: str = "") -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.http_status = http_status
        self.details = details


def not_found(what: str) -> ExchangeError:
    """No such thing for this member (another member's order looks the same as none)."""
    return ExchangeError("not_found", f"{what} not found", 404)


def invalid_parameters(message: str) -> ExchangeError:
    """A request that can never be right, whatever the state of the exchange."""
    return ExchangeError("invalid_parameters", message, 400)
