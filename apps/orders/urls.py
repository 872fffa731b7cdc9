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
    path("people.json", controls.order_people, name="order_people"),
    path("batch/", controls.order_batch, name="order_batch"),
    path("batch/template.csv", controls.order_batch_template, name="order_batch_template"),
    path("groups/", controls.order_groups, name="order_groups"),
    path("limits/", controls.order_limits, name="order_limits"),
    path("limits/use/", controls.order_limits_use, name="order_limits_use"),
    path("limits/set/", controls.order_limit_set, name="order_limit_set"),
    path("limits/remove/", controls.order_limit_remove, name="order_limit_remove"),
    path("place/<str:ticker>/", views.order_place, name="order_place"),
    # Last: a key of a live row, "intent:17" or "order:<id of the exchange>".
    path("<str:key>/", pages.order_detail, name="order_detail"),
]
