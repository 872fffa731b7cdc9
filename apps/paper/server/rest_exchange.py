"""Operations on the exchange itself, the account and its API keys."""

from typing import Any

from apps.paper.engine.maintenance import Window, next_window
from apps.paper.server.auth import generate_pem, parse_public_key
from apps.paper.server.buckets import DEFAULT_COST, ENDPOINT_COSTS, limits
from apps.paper.server.core import Call, Core, Operation
from apps.paper.server.http import Response
from apps.paper.server.params import body_text, invalid, uuid
from apps.paper.server.shapes import optional_time, time_text

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
ALL_DAY = [{"open_time": "00:00", "close_time": "23:59"}]
MAINTENANCE_DAY = [
    {"open_time": "00:00", "close_time": "03:00"},
    {"open_time": "05:00", "close_time": "23:59"},
]
DAY_MS = 86_400_000
WINDOWS_TOLD = 4


def exchange_status(core: Core, call: Call) -> Response:
    exchange = core.exchange
    resume_ms = core.resume_at_ms
    if resume_ms is None and exchange.in_maintenance and exchange.maintenance_window is not None:
        resume_ms = exchange.maintenance_window.end_ms
    body = {
        "exchange_active": exchange.exchange_active,
        "trading_active": exchange.exchange_active and exchange.trading_active,
        "exchange_estimated_resume_time": optional_time(resume_ms),
    }
    return Response.json(body)


def exchange_schedule(core: Core, call: Call) -> Response:
    """Open all day, every day, but in the weekly maintenance window where the exchange keeps one. Hours are ET."""
    now = core.clock.now_ms()
    week: dict[str, Any] = {
        "start_time": time_text(now - now % DAY_MS - 365 * DAY_MS),
        "end_time": time_text(now - now % DAY_MS + 365 * DAY_MS),
    }
    week |= dict.fromkeys(DAYS, ALL_DAY)
    windows = _maintenance_windows(core)
    if windows:
        week["thursday"] = MAINTENANCE_DAY
    shapes = [{"start_datetime": time_text(w.start_ms), "end_datetime": time_text(w.end_ms)} for w in windows]
    return Response.json({"schedule": {"standard_hours": [week], "maintenance_windows": shapes}})


def _maintenance_windows(core: Core) -> list[Window]:
    """The present or next window and some after it; none where the exchange keeps none."""
    window = core.exchange.maintenance_window
    windows: list[Window] = []
    while window is not None and len(windows) < WINDOWS_TOLD:
        windows.append(window)
        window = next_window(window.end_ms)
    return windows


def exchange_announcements(core: Core, call: Call) -> Response:
    """One that is always there, and one a day ahead of maintenance until it is over."""
    now = core.clock.now_ms()
    rows = [
        {
            "type": "info",
            "message": "This is the paper exchange: orders, fills and balances here are practice.",
            "delivery_time": time_text(now // DAY_MS * DAY_MS),
            "status": "active",
        }
    ]
    for window in _maintenance_windows(core)[:1]:
        announced = window.start_ms - DAY_MS
        row = {
            "type": "warning",
            "message": f"Scheduled maintenance from {time_text(window.start_ms)} to {time_text(window.end_ms)}.",
            "delivery_time": time_text(announced),
            "status": "active" if now >= announced else "inactive",
        }
        rows.append(row)
    return Response.json({"announcements": rows})


def user_data_timestamp(core: Core, call: Call) -> Response:
    """What reads of orders, fills, positions and money show: now, unless the control endpoint made them lag."""
    return Response.json({"as_of_time": time_text(core.lag.as_of_ms())})


def account_limits(core: Core, call: Call) -> Response:
    tier = core.tier(call.user_id)
    body: dict[str, Any] = {"usage_tier": tier}
    for kind in ("read", "write"):
        rate, capacity = limits(tier, kind)
        body[kind] = {"refill_rate": rate, "bucket_capacity": capacity}
    return Response.json(body)


def endpoint_costs(core: Core, call: Call) -> Response:
    return Response.json({"default_cost": DEFAULT_COST, "endpoint_costs": ENDPOINT_COSTS})


def api_keys(core: Core, call: Call) -> Response:
    rows = [
        {"api_key_id": key.key_id, "name": key.name, "scopes": list(key.scopes)}
        for key in core.keys.of_user(call.user_id)
    ]
    return Response.json({"api_keys": rows})


def api_key_create(core: Core, call: Call) -> Response:
    body = call.request.json()
    name, pem = body_text(body, "name"), body_text(body, "public_key")
    public_key = parse_public_key(pem)
    key = core.keys.add(public_key, user_id=call.user_id, name=name, scopes=_scopes(body))
    return Response.json({"api_key_id": key.key_id}, status=201)


def api_key_generate(core: Core, call: Call) -> Response:
    """The private key is in this answer and nowhere else. Cost: about 100 ms of computing."""
    body = call.request.json()
    name, scopes = body_text(body, "name"), _scopes(body)
    private_key, pem = generate_pem()
    key = core.keys.add(private_key.public_key(), user_id=call.user_id, name=name, scopes=scopes)
    return Response.json({"api_key_id": key.key_id, "private_key": pem}, status=201)


def api_key_delete(core: Core, call: Call) -> Response:
    core.keys.remove(uuid(call.path["api_key"], "api_key"), user_id=call.user_id)
    return Response(204)


def _scopes(body: dict[str, Any]) -> list[str] | None:
    scopes = body.get("scopes")
    if scopes is not None and not (isinstance(scopes, list) and all(isinstance(scope, str) for scope in scopes)):
        raise invalid("scopes", "a list of texts")
    return scopes


OPERATIONS = [
    Operation("GET", "/exchange/status", exchange_status, access="public"),
    Operation("GET", "/exchange/schedule", exchange_schedule, access="public"),
    Operation("GET", "/exchange/announcements", exchange_announcements, access="public"),
    Operation("GET", "/exchange/user_data_timestamp", user_data_timestamp, access="public"),
    Operation("GET", "/account/limits", account_limits),
    Operation("GET", "/account/endpoint_costs", endpoint_costs, access="public"),
    Operation("GET", "/api_keys", api_keys),
    Operation("POST", "/api_keys", api_key_create, access="write"),
    Operation("POST", "/api_keys/generate", api_key_generate, access="write"),
    Operation("DELETE", "/api_keys/{api_key}", api_key_delete, access="write"),
]
