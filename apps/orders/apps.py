from django.apps import AppConfig


class OrdersConfig(AppConfig):
    name = "apps.orders"
    label = "orders"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from apps.core import ports
        from apps.orders import commands, control_commands, feed, group_commands, selectors, services

        commands.register()
        control_commands.register()
        group_commands.register()
        ports.register_feed_handler("user_order", feed.orders_received)
        ports.register_feed_handler("fill", feed.fills_received)
        ports.register_feed_handler("order_group_updates", feed.groups_received)
        ports.reconcilers.append(services.orders_reconcile)
        ports.reconcilers.append(services.groups_read)
        ports.wanted_tickers.append(selectors.environment_working_tickers)
