from django.urls import path

from apps.rfq.pages import analytics, blotters, fair_upload, market_grid, views

urlpatterns = [
    path("", views.rfq_desk, name="rfq_desk"),
    path("analytics/", analytics.rfq_analytics, name="rfq_analytics"),
    path("analytics/export/", analytics.rfq_analytics_export, name="rfq_analytics_export"),
    path("blotter/", blotters.rfq_blotter, name="rfq_blotter"),
    path("blotter/export/", blotters.rfq_blotter_export, name="rfq_blotter_export"),
    path("blotter/quotes/", blotters.rfq_quote_blotter, name="rfq_quote_blotter"),
    path("blotter/quotes/export/", blotters.rfq_quote_blotter_export, name="rfq_quote_blotter_export"),
    path("fair/upload", fair_upload.fair_upload, name="rfq_fair_upload"),
    path("grid/<str:ticker>/", market_grid.rfq_market_grid, name="rfq_market_grid"),
]
