from django.urls import path

from apps.portfolio import figures_views

urlpatterns = [
    path("", figures_views.portfolio, name="portfolio"),
    path("equity.json", figures_views.portfolio_equity, name="portfolio_equity"),
    path("results.json", figures_views.portfolio_results, name="portfolio_results"),
    path("facts.json", figures_views.portfolio_facts, name="portfolio_facts"),
    path("export.csv", figures_views.portfolio_export, name="portfolio_export"),
    path("read-again/", figures_views.portfolio_read_again, name="portfolio_read_again"),
    path("market/<str:ticker>/", figures_views.portfolio_market, name="portfolio_market"),
]
