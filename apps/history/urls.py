from django.urls import path

from apps.history.pages import sync

urlpatterns = [path("", sync.history, name="history")]
