"""The data API itself: which operations there are, who may call each, and how it answers.

`reads` is the only way to add an operation: it takes the permission and the scope, and `urls.py` serves nothing that
did not come through it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError
from ninja.security.http import HttpAuthBase

from apps.core.errors import DeskError, NotAllowed, NotFound
from apps.core.permissions import Permission
from apps.data_api.limits import PerToken
from apps.data_api.services import Caller, caller_of

VERSION = "1"
ROOT = f"/api/v{VERSION}/"
View = TypeVar("View", bound=Callable[..., Any])


class DataApi(NinjaAPI):
    """Answers that no proxy and no browser keeps."""

    def create_response(self, *args: Any, **kwargs: Any) -> HttpResponse:
        response = super().create_response(*args, **kwargs)
        response["Cache-Control"] = "no-store"
        return response


class Bearer(HttpAuthBase):
    """A token in the Authorization header, and nowhere else; then what it and its person may read."""

    openapi_scheme = "bearer"

    def __init__(self, permission: Permission, scope: str) -> None:
        super().__init__()
        self.permission = permission
        self.scope = scope

    def __call__(self, request: HttpRequest) -> Caller | None:
        kind, _, secret = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() != "bearer":
            return None
        return caller_of(secret, permission=self.permission, scope=self.scope)


@dataclass(frozen=True, slots=True)
class Operation:
    path: str
    permission: Permission
    scope: str


OPERATIONS: dict[str, Operation] = {}  # by URL name

api = DataApi(
    title="Kalshi Desk data API",
    version=VERSION,
    description=(
        "Reads the accounts of one desk. Every call carries a personal token in the Authorization header (Bearer), "
        "made under Settings, Data API. Prices, contracts and dollars are decimal strings; times are UTC. Lists are "
        "newest first; pass `next` as `after` for the following page."
    ),
    docs_url=None,
    openapi_url=None,
    urls_namespace="data_api",
)


def reads(
    path: str, *, name: str, permission: Permission, scope: str, response: Any, summary: str, description: str = ""
) -> Callable[[View], View]:
    """Serve GET `path`. scope: "" for what every token may ask about itself."""
    if name in OPERATIONS:
        raise ValueError(f"there is an operation {name} already")
    OPERATIONS[name] = Operation(path, permission, scope)
    needs = f"Needs the permission `{permission}`" + (f" and the scope `{scope}`." if scope else ".")
    return api.get(
        path,
        url_name=name,
        operation_id=name,
        auth=Bearer(permission, scope),
        throttle=PerToken(),
        response=response,
        summary=summary,
        description=f"{description} {needs}".strip(),
    )


def _refusal(request: HttpRequest, code: str, text: str, *, status: int, fields: Any = None) -> HttpResponse:
    return api.create_response(
        request, {"error": {"code": code, "text": text, "fields": dict(fields or {})}}, status=status
    )


@api.exception_handler(DeskError)
def _desk_error(request: HttpRequest, exc: DeskError) -> HttpResponse:
    status = 403 if isinstance(exc, NotAllowed) else 404 if isinstance(exc, NotFound) else 422
    return _refusal(request, exc.code, exc.text, status=status, fields=exc.fields)


@api.exception_handler(AuthenticationError)
def _not_known(request: HttpRequest, exc: AuthenticationError) -> HttpResponse:
    text = "Send a token that is valid now: Authorization: Bearer kd_..."
    response = _refusal(request, "no_token", text, status=401)
    response["WWW-Authenticate"] = "Bearer"
    return response


@api.exception_handler(HttpError)
def _http_error(request: HttpRequest, exc: HttpError) -> HttpResponse:
    code = {429: "too_many_calls"}.get(exc.status_code, "refused")
    return _refusal(request, code, str(exc), status=exc.status_code)


@api.exception_handler(ValidationError)
def _validation_error(request: HttpRequest, exc: ValidationError) -> HttpResponse:
    fields = {str(one["loc"][-1]): one["msg"] for one in exc.errors}
    return _refusal(request, "bad_input", "Some arguments cannot be read.", status=422, fields=fields)
