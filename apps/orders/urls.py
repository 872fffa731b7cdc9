from django.urls import path

from apps.orders import views

urlpatterns = [
    path("place/<str:ticker>/", views.order_place, name="order_place"),
]
