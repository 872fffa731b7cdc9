"""The Cash page: deposits, withdrawals, and a statement of any period, checked against the exchange's balance."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from django.contrib import messages
from django.http import FileResponse, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.middleware import DeskRequest
from apps.accounts.models import ExchangeAccount
from apps.accounts.permissions import requires
from apps.audit import services as audit
from apps.core.errors import DeskError
from apps.core.permissions import Permission, Within
from apps.core.timestamps import format_rfc3339, utc_now
from apps.orders.pages.export import export_chunks
from apps.portfolio.commands import read_number
from apps.portfolio.models import Deposit, Withdrawal
from apps.portfolio.statement_files import csv_lines, parquet_write
from apps.portfolio.statement_pdf import pdf_write
from apps.portfolio.statements import Statement, statement_make
from apps.portfolio.subaccounts import numbers_known

LINES_SHOWN = 300
PAYMENTS_SHOWN = 30
DAYS = 30
FORMATS = {"csv": "text/csv; charset=utf-8", "parquet": "application/vnd.apache.parquet", "pdf": "application/pdf"}
_LONGEST = timedelta(days=366 * 20)


@dataclass(frozen=True, slots=True)
class Period:
    """What a statement is asked for. Days are UTC; the last one is included."""

    first: date
    last: date
    subaccount: int | None

    @property
    def since(self) -> datetime:
        return datetime(self.first.year, self.first.month, self.first.day, tzinfo=UTC)

    @property
    def until(self) -> datetime:
        return datetime(self.last.year, self.last.month, self.last.day, tzinfo=UTC) + timedelta(days=1)


def period_from(values: Mapping[str, str], *, today: date) -> Period:
    """Read ?from=&to=&subaccount=; without them the last 30 days of all subaccounts. Raises DeskError `bad_period`."""
    try:
        last = date.fromisoformat(values["to"]) if values.get("to") else today
        first = date.fromisoformat(values["from"]) if values.get("from") else last - timedelta(days=DAYS)
        number = values.get("subaccount") or ""
        subaccount = read_number(number) if number not in ("", "all") else None
    except ValueError as exc:
        raise DeskError("bad_period", "Give the days as year-month-day, and a subaccount of the list.") from exc
    if first > last:
        raise DeskError("bad_period", "The first day is after the last one.")
    if last.year > today.year + 1 or first.year < 2018 or last - first > _LONGEST:
        raise DeskError("bad_period", "Choose days since the exchange exists.")
    return Period(first, last, subaccount)


@requires(Permission.DESK_VIEW, Within.ACCOUNT)
@require_safe
def cash(request: DeskRequest) -> HttpResponse:
    """Payments, and the statement of ?from=&to=&subaccount= with its newest lines."""
    account = request.account
    if account is None:
        return render(request, "portfolio/cash.html", {"account": None})
    try:
        period = period_from(request.GET.dict(), today=utc_now().date())
    except DeskError as exc:
        messages.error(request, exc.text)
        return redirect("cash")
    statement = _statement(account, period)
    return render(
        request,
        "portfolio/cash.html",
        {
            "account": account,
            "period": period,
            "statement": statement,
            "lines": statement.newest(LINES_SHOWN),
            "lines_shown": LINES_SHOWN,
            "numbers": numbers_known(account.pk),
            "presets": _presets(utc_now().date()),
            "deposits": Deposit.objects.filter(account=account).order_by("-created_at", "-pk")[:PAYMENTS_SHOWN],
            "withdrawals": Withdrawal.objects.filter(account=account).order_by("-created_at", "-pk")[:PAYMENTS_SHOWN],
            "may_export": request.actor.may_on(Permission.DESK_EXPORT, account.pk, None),
        },
    )


@requires(Permission.DESK_EXPORT, Within.ACCOUNT)
@require_POST
def cash_statement(request: DeskRequest) -> HttpResponseBase:
    """The statement as a file: csv, parquet or pdf. Who took it is written down."""
    account = request.account
    kind = request.POST.get("format", "")
    if account is None or kind not in FORMATS:
        return redirect("cash")
    try:
        period = period_from(request.POST.dict(), today=utc_now().date())
    except DeskError as exc:
        messages.error(request, exc.text)
        return redirect("cash")
    statement = _statement(account, period)
    audit.record(
        "portfolio.statement.exported",
        actor_id=request.actor.user_id,
        desk_id=request.actor.desk_id,
        environment=account.environment,
        target=f"exchange_account:{account.pk}",
        data={
            "format": kind,
            "since": format_rfc3339(period.since),
            "until": format_rfc3339(period.until),
            "subaccount": "all" if period.subaccount is None else str(period.subaccount),
            "check": statement.check.level,
        },
    )
    name = f'attachment; filename="{statement.name}.{kind}"'
    if kind == "csv":
        return StreamingHttpResponse(
            export_chunks(csv_lines(statement)), content_type=FORMATS[kind], headers={"Content-Disposition": name}
        )
    try:
        return _file(statement, kind, name)
    except ValueError as exc:
        messages.error(request, f"Not made: {exc}.")
        return redirect("cash")


def _file(statement: Statement, kind: str, name: str) -> FileResponse:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "statement"
        (parquet_write if kind == "parquet" else pdf_write)(statement, path)
        # Still readable after its name is gone; the response closes it.
        return FileResponse(path.open("rb"), content_type=FORMATS[kind], headers={"Content-Disposition": name})


def _statement(account: ExchangeAccount, period: Period) -> Statement:
    return statement_make(
        account.pk,
        account_name=account.name,
        environment=account.environment,
        since=period.since,
        until=period.until,
        now=utc_now(),
        subaccount=period.subaccount,
    )


def _presets(today: date) -> list[dict[str, Any]]:
    month = today.replace(day=1)
    before = (month - timedelta(days=1)).replace(day=1)
    return [
        {"words": "Today", "first": today, "last": today},
        {"words": "This month", "first": month, "last": today},
        {"words": "Last month", "first": before, "last": month - timedelta(days=1)},
        {"words": "This year", "first": today.replace(month=1, day=1), "last": today},
    ]
