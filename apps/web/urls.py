from django.urls import URLPattern, path

from apps.web import news, overview, views

urlpatterns: list[URLPattern] = [
    path("", views.home, name="home"),
    path("overview/", overview.overview, name="overview"),
    path("overview/now.json", overview.overview_now, name="overview_now"),
    path("exchange/", news.exchange, name="exchange"),
    path("exchange/put-away/", news.announcement_put_away, name="announcement_put_away"),
    path("healthz", views.healthz, name="healthz"),
]
