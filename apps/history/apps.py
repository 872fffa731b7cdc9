from django.apps import AppConfig


class HistoryConfig(AppConfig):
    name = "apps.history"
    label = "history"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from apps.core import ports
        from apps.core.permissions import Permission, Within
        from apps.history import reconcile_feed, reconcile_fix, selectors

        ports.register_topic(
            ports.Topic(
                "history",
                Permission.DESK_VIEW,
                scope="account",
                mode="rows",
                state=selectors.history_state,
                within=Within.ACCOUNT,
            )
        )
        ports.open_differences.append(selectors.differences_open)
        ports.register_feed_handler("fill", reconcile_feed.trades_received)
        ports.register_feed_handler("user_order", reconcile_feed.orders_received)
        ports.register_feed_handler("market_position", reconcile_feed.positions_received)
        ports.fix_trades.append(reconcile_fix.trades_told)
        ports.fix_orders.append(reconcile_fix.orders_told)
        ports.fix_settlements.append(reconcile_fix.settlement_told)
