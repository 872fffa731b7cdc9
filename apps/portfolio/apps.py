from django.apps import AppConfig


class PortfolioConfig(AppConfig):
    name = "apps.portfolio"
    label = "portfolio"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from apps.core import ports
        from apps.core.permissions import Permission, Within
        from apps.portfolio import cash_events, commands, feed, figures_events, selectors, services

        view = Permission.DESK_VIEW
        ports.register_topic(
            ports.Topic(
                "positions",
                view,
                scope="account",
                mode="rows",
                state=selectors.positions_state,
                within=Within.SUBACCOUNT,
            )
        )
        ports.register_topic(
            ports.Topic(
                "balance", view, scope="account", mode="whole", state=selectors.balance_state, within=Within.SUBACCOUNT
            )
        )
        ports.register_topic(
            ports.Topic(
                "subaccounts",
                view,
                scope="account",
                mode="whole",
                state=cash_events.subaccounts_state,
                within=Within.ACCOUNT,
            )
        )
        ports.register_topic(
            ports.Topic(
                "pnl", view, scope="account", mode="whole", state=figures_events.pnl_state, within=Within.ACCOUNT
            )
        )
        commands.register()
        ports.register_feed_handler("market_position", feed.positions_received)
        ports.register_feed_handler("fill", feed.balance_moved)
        ports.register_feed_handler("user_order", feed.balance_moved)
        ports.holdings.append(selectors.holding_of)
        ports.positions.append(selectors.positions_of)
        ports.reconcilers.append(services.portfolio_refresh)
