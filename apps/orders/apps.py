from django.apps import AppConfig


class OrdersConfig(AppConfig):
    name = "apps.orders"
    label = "orders"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from apps.accounts import team
        from apps.audit import selectors as trail
        from apps.core import ports
        from apps.orders import commands, control_commands, feed, group_commands, selectors, services
        from apps.orders.pages import story
        from apps.orders.services import leaving, limit_approval, order_approval

        commands.register()
        control_commands.register()
        group_commands.register()
        ports.register_feed_handler("user_order", feed.orders_received)
        ports.register_feed_handler("fill", feed.fills_received)
        ports.register_feed_handler("order_group_updates", feed.groups_received)
        ports.reconcilers.append(services.orders_reconcile)
        ports.reconcilers.append(services.groups_read)
        limit_approval.register()
        order_approval.register()
        trail.stories["order_intent"] = story.story_of_intent
        team.left_working.append(leaving.work_of_person)
        team.work_cancellers.append(leaving.cancel_of_person)
        ports.wanted_tickers.append(selectors.environment_working_tickers)
