from django.apps import AppConfig


class RfqConfig(AppConfig):
    name = "apps.rfq"
    label = "rfq"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from apps.accounts import four_eyes
        from apps.core import ports
        from apps.orders.pages import limits as limits_page
        from apps.rfq import feed
        from apps.rfq.commands import combos, previews, quotes, requests, rules, stream, team
        from apps.rfq.commands import confirmations as confirmation_commands
        from apps.rfq.services import books_wanted, delays, guard, last_look, limits, markouts, shadow_grades
        from apps.rfq.services.approvals_waiting import approvals_waiting
        from apps.rfq.services.requests_sweep import account_read

        four_eyes.elsewhere.append(approvals_waiting)
        limits_page.open_rows.append(limits.open_rows)
        requests.register()
        combos.register()
        previews.register()
        quotes.register()
        stream.register()
        rules.register()
        team.register()
        ports.register_feed_handler("quote_created", feed.quotes_received)
        ports.register_feed_handler("quote_executed", feed.executions_received)
        ports.register_feed_handler("fill", feed.fills_received)
        ports.register_urgent_handler("quote_accepted", feed.accept_heard)
        ports.communications_reconcilers.append(account_read)
        ports.wanted_tickers.append(markouts.wanted_tickers)
        confirmation_commands.register()
        ports.register_stream_taker("rfq_created", delays.requests_seen)
        ports.wanted_tickers.append(last_look.quoted_tickers)
        ports.wanted_tickers.append(books_wanted.requested_tickers)
        ports.wanted_tickers.append(shadow_grades.wanted_tickers)
        ports.gateway_jobs["rfq-guard"] = guard.guard
        ports.gateway_jobs["rfq-watch"] = guard.watch
