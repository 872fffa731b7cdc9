from django.urls import URLPattern, path

from apps.web import overview, views

urlpatterns: list[URLPattern] = [
    path("", views.home, name="home"),
    path("overview/", overview.overview, name="overview"),
    path("overview/now.json", overview.overview_now, name="overview_now"),
    path("healthz", views.healthz, name="healthz"),
]
