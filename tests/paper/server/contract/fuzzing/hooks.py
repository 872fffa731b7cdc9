"""Loaded by Schemathesis: signs requests, puts things that exist into half of them, and checks status codes."""

import json
import os
import time
from pathlib import Path
from typing import Any

import requests
import schemathesis
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from requests.auth import AuthBase
from schemathesis import CheckContext, HookContext, Response
from schemathesis.openapi.checks import UndefinedStatusCode

from apps.paper.server.auth import sign_headers

ANNOUNCED = json.loads(Path(os.environ["PAPER_JSON"]).read_text())
BASE = f"{ANNOUNCED['rest_url']}/trade-api/v2"
MEMBER = next(member for member in ANNOUNCED["members"] if member["name"] == "trader-1")
KEY = serialization.load_pem_private_key(Path(MEMBER["private_key_path"]).read_bytes(), password=None)
# Refusals that any operation may answer, documented there or not.
GENERAL = {400, 403, 404, 405, 409, 429}
ERROR_FIELDS = {"code", "message", "details", "service"}


class Signed(AuthBase):
    """The three access headers, by the machine's clock."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        assert isinstance(KEY, RSAPrivateKey)
        now_ms = time.time_ns() // 1_000_000
        path = request.path_url.partition("?")[0]
        method = str(request.method)
        request.headers.update(
            sign_headers(KEY, key_id=MEMBER["key_id"], timestamp_ms=now_ms, method=method, path=path)
        )
        return request


schemathesis.auth.set_from_requests(Signed())


def _existing() -> dict[str, list[str]]:
    """Names that the exchange knows, by parameter."""

    def get(path: str) -> Any:
        return requests.get(f"{BASE}{path}", auth=Signed(), timeout=60).json()

    markets = get("/markets?limit=40")["markets"]
    tickers = [market["ticker"] for market in markets]
    known = {
        "ticker": tickers,
        "market_ticker": tickers,
        "tickers": tickers,
        "market_tickers": tickers,
        "event_ticker": [market["event_ticker"] for market in markets],
        "series_ticker": [series["ticker"] for series in get("/series")["series"]],
        "milestone_id": [row["id"] for row in get("/milestones?limit=20")["milestones"]],
        "structured_target_id": [row["id"] for row in get("/structured_targets")["structured_targets"]],
        "collection_ticker": [
            row["collection_ticker"] for row in get("/multivariate_event_collections")["multivariate_contracts"]
        ],
    }
    return known | {"milestone_ids": known["milestone_id"]}


KNOWN = _existing()


def _with_existing(values: Any) -> Any:
    """About half of the made-up names replaced by real ones."""
    if not isinstance(values, dict):
        return values
    changed = dict(values)
    for name, value in values.items():
        choices = KNOWN.get(name)
        if choices and isinstance(value, str) and len(value) % 2 == 0:
            changed[name] = choices[sum(value.encode("utf-8", "replace")) % len(choices)]
    return changed


@schemathesis.hook
def map_path_parameters(context: HookContext, path_parameters: Any) -> Any:
    return _with_existing(path_parameters)


@schemathesis.hook
def map_query(context: HookContext, query: Any) -> Any:
    return _with_existing(query)


@schemathesis.hook
def filter_query(context: HookContext, query: Any) -> bool:
    """No empty `status`: the pages say "leave empty" for any, the schema's list of words has no empty one."""
    return not (isinstance(query, dict) and query.get("status") in ("", [], {}))


@schemathesis.hook
def map_body(context: HookContext, body: Any) -> Any:
    return _with_existing(body)


@schemathesis.check
def documented_or_general_refusal(ctx: CheckContext, response: Response, case: schemathesis.Case) -> bool | None:
    """A status that the file has for the operation, or a refusal of `GENERAL` with the documented error body."""
    documented = {int(code) for code in case.operation.definition.raw.get("responses", {}) if code.isdigit()}
    status = response.status_code
    if status in documented or case.method.upper() not in ("GET", "POST", "PUT", "DELETE"):
        return None
    if status in GENERAL and set(response.json()) <= (ERROR_FIELDS if status != 429 else {"error"}):
        return None
    raise UndefinedStatusCode(
        operation=case.operation.label,
        status_code=status,
        defined_status_codes=sorted(map(str, documented)),
        allowed_status_codes=sorted(documented | GENERAL),
        message=f"Received: {status}\nDocumented: {sorted(documented)}",
    )
