from django.urls import path

from apps.fix import pages, views

ACTS = {
    "start": views.fix_session_start,
    "stop": views.fix_session_stop,
    "logon": views.fix_session_logon,
    "logout": views.fix_session_logout,
    "reset": views.fix_session_reset,
    "test": views.fix_session_test,
    "resend": views.fix_session_resend,
}

urlpatterns = [
    path("", views.fix_sessions, name="fix_sessions"),
    path("define/", views.fix_define, name="fix_define"),
    path("sessions/<int:fix_session_id>/", views.fix_session, name="fix_session"),
    *(path(f"sessions/<int:fix_session_id>/{name}/", view, name=f"fix_session_{name}") for name, view in ACTS.items()),
    path("messages/", pages.fix_messages, name="fix_messages"),
    path("messages/export/", pages.fix_messages_export, name="fix_messages_export"),
    path("messages/<int:fix_message_id>/", pages.fix_message, name="fix_message"),
    path("trace/", pages.fix_trace, name="fix_trace"),
    path("drop-copy/", pages.fix_drop_copy, name="fix_drop_copy"),
    path("drop-copy/recover/", pages.fix_recover, name="fix_recover"),
    path("live/", pages.fix_live, name="fix_live"),
    path("live/record/", pages.fix_record, name="fix_record"),
]
