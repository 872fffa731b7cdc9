from functools import partial

from django.apps import AppConfig


class PortfolioConfig(AppConfig):
    name = "apps.portfolio"
    label = "portfolio"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from apps.core import ports
        from apps.core.permissions import Permission, Within
        from apps.portfolio import cash_events, commands, feed, figures_events, selectors, services

        topic = partial(ports.Topic, permission=Permission.DESK_VIEW, scope="account")
        account, subaccount = Within.ACCOUNT, Within.SUBACCOUNT
        for one in (
            topic("positions", mode="rows", state=selectors.positions_state, within=subaccount),
            topic("balance", mode="whole", state=selectors.balance_state, within=subaccount),
            topic("subaccounts", mode="whole", state=cash_events.subaccounts_state, within=account),
            topic("pnl", mode="whole", state=figures_events.pnl_state, within=account),
        ):
            ports.register_topic(one)
        commands.register()
        ports.register_feed_handler("market_position", feed.positions_received)
        ports.register_feed_handler("fill", feed.balance_moved)
        ports.register_feed_handler("user_order", feed.balance_moved)
        ports.holdings.append(selectors.holding_of)
        ports.positions.append(selectors.positions_of)
        ports.reconcilers.append(services.portfolio_refresh)
