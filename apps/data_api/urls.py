"""`/api/v1/...` for programs with a token, `/settings/data-api/...` for people."""

from django.urls import URLPattern, path

from apps.data_api import operations, views
from apps.data_api.api import OPERATIONS, ROOT, api


def _served() -> list[URLPattern]:
    """Return the operations that `reads` declared; nothing else of the library is served."""
    found = [one for one in api.urls[0] if isinstance(one, URLPattern) and one.name in OPERATIONS]
    for one in found:
        view = one.callback
        view.desk_permission = OPERATIONS[one.name or ""].permission  # type: ignore[attr-defined]
        view.desk_token_only = True  # type: ignore[attr-defined]
    return [path(f"{ROOT.strip('/')}/{one.pattern}", one.callback, name=one.name) for one in found]


urlpatterns = [
    *_served(),
    path(f"{ROOT.strip('/')}/openapi.json", views.data_api_document, name="data_api_document"),
    path("settings/data-api/", views.data_api_tokens, name="data_api_tokens"),
    path("settings/data-api/create/", views.data_api_token_create, name="data_api_token_create"),
    path("settings/data-api/<int:token_id>/revoke/", views.data_api_token_revoke, name="data_api_token_revoke"),
    path("settings/data-api/reference/", views.data_api_reference, name="data_api_reference"),
]

__all__ = ["operations", "urlpatterns"]
