from django.urls import path

from apps.orders import views
from apps.orders.pages import controls
from apps.orders.pages import views as pages

urlpatterns = [
    path("", pages.orders, name="orders"),
    path("rows.json", pages.order_rows, name="order_rows"),
    path("export.csv", pages.order_export, name="order_export"),
    path("cancel/", pages.order_cancel, name="order_cancel"),
    path("cancel-all/", pages.order_cancel_all, name="order_cancel_all"),
    path("groups/", controls.order_groups, name="order_groups"),
    path("place/<str:ticker>/", views.order_place, name="order_place"),
    # Last: a key of a live row, "intent:17" or "order:<id of the exchange>".
    path("<str:key>/", pages.order_detail, name="order_detail"),
]
