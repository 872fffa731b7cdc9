from django.urls import path

from apps.markets import views

urlpatterns = [
    path("<str:ticker>/", views.market_detail, name="market_detail"),
    path("<str:ticker>/candles.json", views.market_candles, name="market_candles"),
]
