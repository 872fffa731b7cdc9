from django.urls import path

from apps.accounts import views

urlpatterns = [
    path("settings/preferences/", views.preferences, name="preferences"),
    path("settings/preferences/update/", views.preferences_update, name="preferences_update"),
    path("settings/kept/", views.kept_save, name="kept_save"),
    path("accounts-select/", views.account_select, name="account_select"),
    path("desks-select/", views.desk_select, name="desk_select"),
]
