from django.urls import path

from apps.history.pages import search, sync

urlpatterns = [
    path("", sync.history, name="history"),
    path("search/", search.history_search, name="history_search"),
    path("search/export/", search.history_search_export, name="history_search_export"),
]
