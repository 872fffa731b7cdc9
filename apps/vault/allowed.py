"""What an opened key signs: requests by method and path, per scope (docs/security.md, 35).

Reads are allowed by family, because a read changes nothing; writes one by one, in the form in which they are sent. What
is not here is not signed, whatever the key's scopes are: a fault elsewhere in the process can neither make a key nor
ask for a withdrawal. A new call of the exchange goes in here first: tests/vault/test_allowed.py reads the calls that
there are out of the source.
"""

import re
from collections.abc import Collection

READ = "read"
WRITE = "write"
SAFE_METHODS = frozenset({"GET", "HEAD"})

_REST = "/trade-api/v2"
_WS = "/trade-api/ws/v2"
# One part of a path, as `urllib.parse.quote` writes it: whatever it names, it cannot climb to another resource, not
# even where somebody on the way reads %2F or %2E before the signature is judged.
_NAME = r"(?!\.{1,2}(?:/|$))(?:[A-Za-z0-9._~-]|%(?!2[EF5]|5C|[01]|7F)[0-9A-F]{2})+"
_FAMILIES = (
    "account",
    "api_keys",
    "communications",
    "events",
    "exchange",
    "historical",
    "incentive_programs",
    "live_data",
    "markets",
    "milestones",
    "multivariate_event_collections",
    "portfolio",
    "search",
    "series",
    "structured_targets",
)
_WRITES = (
    ("POST", "/portfolio/events/orders"),
    ("POST", "/portfolio/events/orders/batched"),
    ("DELETE", "/portfolio/events/orders/batched"),
    ("POST", "/portfolio/events/orders/{}/amend"),
    ("POST", "/portfolio/events/orders/{}/decrease"),
    ("DELETE", "/portfolio/events/orders/{}"),
    ("POST", "/portfolio/order_groups/create"),
    ("PUT", "/portfolio/order_groups/{}/limit"),
    ("PUT", "/portfolio/order_groups/{}/reset"),
    ("PUT", "/portfolio/order_groups/{}/trigger"),
    ("DELETE", "/portfolio/order_groups/{}"),
    ("POST", "/portfolio/subaccounts"),
    ("POST", "/portfolio/subaccounts/transfer"),
    ("PUT", "/portfolio/subaccounts/netting"),
    ("POST", "/multivariate_event_collections/{}"),
    ("PUT", "/multivariate_event_collections/{}/lookup"),
    ("POST", "/communications/rfqs"),
    ("DELETE", "/communications/rfqs/{}"),
    ("POST", "/communications/quotes"),
    ("DELETE", "/communications/quotes/{}"),
    ("PUT", "/communications/quotes/{}/accept"),
    ("PUT", "/communications/quotes/{}/confirm"),
)

# TargetCompID of the sessions of FIX that a key of this purpose logs on to; other keys sign no logon.
LOGONS = {
    "fix_nr": "KalshiNR",
    "fix_rt": "KalshiRT",
    "fix_dc": "KalshiDC",
    "fix_pt": "KalshiPT",
    "fix_rfq": "KalshiRFQ",
    "fix_mnr": "KalshiNR",
    "fix_mrt": "KalshiRT",
    "fix_mdc": "KalshiDC",
    "fix_mmd": "KalshiMD",
}

_read = re.compile(rf"{re.escape(_WS)}|{re.escape(_REST)}/(?:{'|'.join(_FAMILIES)})(?:/{_NAME})*")
_write = {
    method: re.compile("|".join(_REST + path.replace("{}", _NAME) for one, path in _WRITES if one == method))
    for method in {method for method, _ in _WRITES}
}


def scope_of(method: str) -> str:
    return READ if method in SAFE_METHODS else WRITE


def is_signed(scopes: Collection[str], method: str, path: str) -> bool:
    """Whether a key with these scopes signs this.

    method: in capitals. path: from the host root, without a query.
    """
    if scope_of(method) not in scopes:
        return False
    pattern = _read if method in SAFE_METHODS else _write.get(method)
    return pattern is not None and pattern.fullmatch(path) is not None
