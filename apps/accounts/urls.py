from django.urls import path

from apps.accounts import session_views, views

urlpatterns = [
    path("settings/preferences/", views.preferences, name="preferences"),
    path("settings/preferences/update/", views.preferences_update, name="preferences_update"),
    path("settings/kept/", views.kept_save, name="kept_save"),
    path("settings/sessions/", session_views.sessions, name="sessions"),
    path("settings/sessions/<int:sign_in_id>/end/", session_views.session_end, name="session_end"),
    path("settings/sessions/end-others/", session_views.sessions_end_others, name="sessions_end_others"),
    path("settings/sessions/notices/read/", session_views.notices_read, name="notices_read"),
    path("accounts-select/", views.account_select, name="account_select"),
    path("desks-select/", views.desk_select, name="desk_select"),
]
