"""An export as an answer that is sent while it is made."""

from collections.abc import AsyncIterator, Iterator

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse

from apps.history.exports.services import FORMATS
from apps.history.exports.tables import Table


def export_response(request: HttpRequest, table: Table, *, form: str, name: str) -> StreamingHttpResponse:
    """`name` without its ending. The rows are read by the thread of the request, a chunk at a time."""
    content_type, make = FORMATS[form]
    chunks = make(table)
    return StreamingHttpResponse(
        _one_by_one(chunks) if isinstance(request, ASGIRequest) else chunks,
        content_type=content_type,
        headers={"Content-Disposition": f'attachment; filename="{name}.{form}"'},
    )


async def _one_by_one(chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    # An ASGI server would read a plain iterator to its end before it sends a byte.
    while (chunk := await sync_to_async(lambda: next(chunks, None))()) is not None:
        yield chunk
