"""Fair values from a file: `POST /rfq/fair/upload`, multipart, field `file`, lines of `ticker,yes[,seconds]`."""

from django.http import HttpResponse, JsonResponse
from django.views.decorators.http import require_POST

from apps.accounts.middleware import DeskRequest
from apps.accounts.permissions import requires
from apps.core.errors import DeskError, NotAllowed
from apps.core.permissions import Permission
from apps.rfq.services.fair import FairSource
from apps.rfq.services.marks import MOST_BYTES, marks_from_csv, marks_set


@requires(Permission.RFQ_TRADE)
@require_POST
def fair_upload(request: DeskRequest) -> HttpResponse:
    """Store every line, or none: 200 `{"stored": n}`, 422 `{"error": {"code","text","fields"}}` with line numbers."""
    file = request.FILES.get("file")
    try:
        if file is None:
            raise DeskError("bad_file", "Choose a file of ticker and value.")
        stored = marks_set(request.actor, marks_from_csv(file.read(MOST_BYTES + 1)), FairSource.FILE)
    except NotAllowed:
        raise
    except DeskError as exc:
        error = {"code": exc.code, "text": exc.text, "fields": exc.fields}
        return JsonResponse({"error": error}, status=422)
    return JsonResponse({"stored": stored})
