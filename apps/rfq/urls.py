from django.urls import path

from apps.rfq.pages import fair_upload, market_grid, views

urlpatterns = [
    path("", views.rfq_desk, name="rfq_desk"),
    path("fair/upload", fair_upload.fair_upload, name="rfq_fair_upload"),
    path("grid/<str:ticker>/", market_grid.rfq_market_grid, name="rfq_market_grid"),
]
