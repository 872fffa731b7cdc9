from django.apps import AppConfig

from apps.core.ports import GatewayTools, OrderRoute, QuoteRoute, RequestRoute


class FixConfig(AppConfig):
    name = "apps.fix"
    label = "fix"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from apps.core import ports
        from apps.fix import topics

        topics.register()
        ports.gateway_jobs["fix"] = _sessions
        ports.gateway_jobs["fix-console"] = _console
        ports.interest_takers.append(_interest)
        ports.order_routes.append(_order_route)
        ports.quote_routes.append(_quote_route)
        ports.request_routes.append(_request_route)


def _order_route(account_id: int) -> OrderRoute | None:
    from apps.fix.routes import way_of

    way = way_of(account_id)
    if way is None:
        return None
    # Messages and engine are loaded by processes that send by FIX alone.
    from apps.fix.routing import FixWay

    return FixWay(account_id, way)


def _quote_route(account_id: int) -> QuoteRoute | None:
    from apps.fix.routes import What, route_row

    row = route_row(account_id, What.QUOTES)
    if row is None:
        return None
    from apps.fix.rfq_routing import QuotesByFix

    return QuotesByFix(account_id, row.way)


def _request_route(account_id: int) -> RequestRoute | None:
    from apps.fix.routes import What, route_row

    row = route_row(account_id, What.REQUESTS)
    if row is None:
        return None
    from apps.fix.rfq_routing import RequestsByFix

    return RequestsByFix(account_id, row.way, row.prefers_better)


async def _sessions(tools: GatewayTools) -> None:
    # The engine is loaded by the gateway alone: every other process stays as small as it was.
    from apps.fix.runner import sessions_job

    await sessions_job(tools)


async def _console(tools: GatewayTools) -> None:
    from apps.fix.console_feed import console_job

    await console_job(tools)


def _interest(topic: str) -> None:
    from apps.fix.console_feed import watched

    watched.heard(topic)
