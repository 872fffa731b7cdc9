"""All pages. Each app declares its own; a test checks that every one names its permission."""

from django.urls import include, path

urlpatterns = [
    path("accounts/", include("allauth.urls")),
    path("settings/vault/", include("apps.vault.urls")),
    path("markets/", include("apps.markets.urls")),
    path("orders/", include("apps.orders.urls")),
    path("rfq/", include("apps.rfq.urls")),
    path("portfolio/", include("apps.portfolio.urls")),
    path("portfolio/", include("apps.portfolio.pages.urls")),
    path("history/", include("apps.history.urls")),
    path("fix/", include("apps.fix.urls")),
    path("monitor/", include("apps.monitoring.urls")),
    path("alerts/", include("apps.monitoring.alerts.urls")),
    path("", include("apps.monitoring.health_urls")),
    path("", include("apps.data_api.urls")),
    path("", include("apps.accounts.urls")),
    path("", include("apps.web.urls")),
]
