from django.urls import path

from apps.rfq.pages import views

urlpatterns = [
    path("", views.rfq_desk, name="rfq_desk"),
]
