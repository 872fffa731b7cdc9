from django.apps import AppConfig


class RfqConfig(AppConfig):
    name = "apps.rfq"
    label = "rfq"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from apps.core import ports
        from apps.rfq import feed
        from apps.rfq.commands import quotes, requests
        from apps.rfq.services.requests_sweep import account_read

        requests.register()
        quotes.register()
        ports.register_feed_handler("quote_created", feed.quotes_received)
        ports.register_feed_handler("quote_executed", feed.executions_received)
        ports.register_urgent_handler("quote_accepted", feed.accept_heard)
        ports.communications_reconcilers.append(account_read)
