from django.urls import URLPattern, path

from apps.web import views

urlpatterns: list[URLPattern] = [
    path("", views.home, name="home"),
    path("healthz", views.healthz, name="healthz"),
]
