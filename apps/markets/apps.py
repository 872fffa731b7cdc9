from django.apps import AppConfig


class MarketsConfig(AppConfig):
    name = "apps.markets"
    label = "markets"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from apps.core import ports
        from apps.markets import facts, feed, forecasts, live, milestone_live

        facts.register()
        live.register()
        milestone_live.register()
        forecasts.register()
        ports.register_feed_handler("market_lifecycle_v2", feed.lifecycle_received)
        ports.register_feed_handler("event_lifecycle", feed.lifecycle_received)
        ports.register_feed_handler("multivariate_market_lifecycle", feed.combo_lifecycle_received)
