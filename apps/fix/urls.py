from django.urls import path

from apps.fix import pages, route_pages, views
from apps.fix.views import ACTS

urlpatterns = [
    path("", views.fix_sessions, name="fix_sessions"),
    path("define/", views.fix_define, name="fix_define"),
    path("sessions/<int:fix_session_id>/", views.fix_session, name="fix_session"),
    *(path(f"sessions/<int:fix_session_id>/{name}/", view, name=f"fix_session_{name}") for name, view in ACTS.items()),
    path("routes/", route_pages.fix_routes, name="fix_routes"),
    path("routes/set/", route_pages.fix_route_set, name="fix_route_set"),
    path("messages/", pages.fix_messages, name="fix_messages"),
    path("messages/export/", pages.fix_messages_export, name="fix_messages_export"),
    path("messages/<int:fix_message_id>/", pages.fix_message, name="fix_message"),
    path("trace/", pages.fix_trace, name="fix_trace"),
    path("drop-copy/", pages.fix_drop_copy, name="fix_drop_copy"),
    path("drop-copy/recover/", pages.fix_recover, name="fix_recover"),
    path("live/", pages.fix_live, name="fix_live"),
    path("live/record/", pages.fix_record, name="fix_record"),
]
