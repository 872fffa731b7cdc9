"""Settings > Vault. Views see the secret only on its way in, and never send any of it back."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.accounts.access import accounts_visible
from apps.accounts.four_eyes import asking
from apps.accounts.permissions import requires
from apps.accounts.services import account_add
from apps.accounts.step_up import steps_up
from apps.core.errors import DeskError, NotAllowed, NotFound
from apps.core.permissions import Actor, Permission
from apps.vault import selectors, services
from apps.vault.forms import AccountForm, KeyForm, KeyGenerateForm, KeyIdForm, KeyImportForm
from apps.vault.models import ApiKey


def _actor(request: HttpRequest) -> Actor:
    actor: Actor = request.actor  # type: ignore[attr-defined]
    return actor


@requires(Permission.VAULT_VIEW)
@require_GET
def vault(request: HttpRequest) -> HttpResponse:
    actor = _actor(request)
    return render(request, "vault/vault.html", _page(actor))


def _page(actor: Actor, **more: Any) -> dict[str, Any]:
    return {
        "current": "vault",
        "keys": selectors.keys_visible(actor),
        "accounts": accounts_visible(actor),
        "may_manage": actor.may(Permission.VAULT_MANAGE),
        "account_form": AccountForm(),
        **more,
    }


@requires(Permission.VAULT_MANAGE)
@steps_up("vault")
@require_POST
def account_create(request: HttpRequest) -> HttpResponse:
    """Add an exchange account to the desk."""
    form = AccountForm(request.POST)
    if form.is_valid():
        try:
            account = account_add(request.desk, actor=_actor(request), **form.cleaned_data)  # type: ignore[attr-defined]
        except DeskError as exc:
            _explain(form, exc)
        else:
            messages.success(request, f"Account “{account.name}” added. Now add a key for it.")
            return redirect("vault")
    return render(request, "vault/vault.html", _page(_actor(request), account_form=form), status=422)


@requires(Permission.VAULT_MANAGE)
@steps_up("vault")
@sensitive_post_parameters("pem")
@require_http_methods(["GET", "POST"])
def key_import(request: HttpRequest) -> HttpResponse:
    """Add a key that the exchange made."""
    return _key_add(request, KeyImportForm, "vault/key_import.html")


@requires(Permission.VAULT_MANAGE)
@steps_up("vault")
@require_http_methods(["GET", "POST"])
def key_generate(request: HttpRequest) -> HttpResponse:
    """Make a pair here; its public half is uploaded at the exchange."""
    return _key_add(request, KeyGenerateForm, "vault/key_generate.html")


@sensitive_variables("form", "data", "files")
def _key_add(request: HttpRequest, form_class: Callable[..., KeyForm], template: str) -> HttpResponse:
    actor = _actor(request)
    named = request.GET.get("replaces", "")
    replaces = selectors.key_get(actor, int(named)) if named.isdecimal() and len(named) < 19 else None
    data, files = (request.POST, request.FILES) if request.method == "POST" else (None, None)
    form = form_class(data, files, actor=actor, replaces=replaces, initial=_first_choice(actor, request, replaces))
    if form.is_valid():
        try:
            row = services.key_add(actor, form.new_key())
        except (NotAllowed, NotFound):
            raise
        except DeskError as exc:
            _explain(form, exc)
        else:
            sealed = f"Key “{row.label}” is sealed in the vault."
            if row.is_waiting:
                messages.info(
                    request, f"{sealed} It signs nothing until a second person approves it (Team, Approvals)."
                )
            else:
                messages.success(request, sealed)
            return redirect("vault_key", key_id=row.pk)
    status = 422 if form.is_bound else 200
    context = {"current": "vault", "form": form, "replaces": replaces, "has_accounts": accounts_visible(actor).exists()}
    return render(request, template, context, status=status)


def _first_choice(actor: Actor, request: HttpRequest, replaces: ApiKey | None) -> dict[str, Any]:
    if replaces is not None:
        return {
            "account": replaces.account_id,
            "label": replaces.label,
            "purpose": replaces.purpose,
            "scopes": "read_write" if "write" in replaces.scopes else "read",
        }
    return {"account": request.GET.get("account") or actor.account_id}


@requires(Permission.VAULT_VIEW)
@require_GET
def key_detail(request: HttpRequest, key_id: int) -> HttpResponse:
    return _key_page(request, selectors.key_get(_actor(request), key_id))


def _key_page(request: HttpRequest, key: ApiKey, *, form: KeyIdForm | None = None, status: int = 200) -> HttpResponse:
    context = _key_context(request, key) | {"id_form": form or KeyIdForm()}
    return render(request, "vault/key.html", context, status=status)


def _key_context(request: HttpRequest, key: ApiKey) -> dict[str, Any]:
    """`since` is when a running test was asked for: the fragment polls until the row is newer."""
    since = request.GET.get("since", "")
    tested_ms = int(key.tested_at.timestamp() * 1000) if key.tested_at else 0
    return {
        "current": "vault",
        "key": key,
        "may_manage": _actor(request).may(Permission.VAULT_MANAGE),
        "since": since if since.isdecimal() and tested_ms <= int(since[:15]) else "",
    }


@requires(Permission.VAULT_VIEW)
@require_GET
def key_test_state(request: HttpRequest, key_id: int) -> HttpResponse:
    """The fragment that says what the last test found."""
    key = selectors.key_get(_actor(request), key_id)
    return render(request, "vault/_key_test.html", _key_context(request, key))


@requires(Permission.VAULT_MANAGE)
@require_POST
def key_test(request: HttpRequest, key_id: int) -> HttpResponse:
    """Queue a test; the answer is the fragment that polls for it, or the page without JavaScript."""
    key = selectors.key_get(_actor(request), key_id)
    since = int(key.tested_at.timestamp() * 1000) if key.tested_at else 0
    try:
        services.key_test_request(_actor(request), key_id)
    except DeskError as exc:
        messages.error(request, exc.text)
        return redirect("vault_key", key_id=key_id)
    if "HX-Request" in request.headers:
        return render(request, "vault/_key_test.html", _key_context(request, key) | {"since": str(since)})
    response = redirect("vault_key", key_id=key_id)
    response["Location"] += f"?since={since}"
    return response


@requires(Permission.VAULT_MANAGE)
@steps_up("vault")
@require_POST
def key_name(request: HttpRequest, key_id: int) -> HttpResponse:
    """Enter the id that the exchange gave to a pair made here."""
    form = KeyIdForm(request.POST)
    key = selectors.key_get(_actor(request), key_id)
    if form.is_valid():
        try:
            services.key_id_set(_actor(request), key_id, **form.cleaned_data)
        except DeskError as exc:
            _explain(form, exc)
        else:
            messages.success(request, "Key id saved. Test the key now.")
            return redirect("vault_key", key_id=key_id)
    return _key_page(request, key, form=form, status=422)


@requires(Permission.VAULT_MANAGE)
@steps_up("vault")
@require_http_methods(["GET", "POST"])
def key_revoke(request: HttpRequest, key_id: int) -> HttpResponse:
    """Ask first (GET), then revoke (POST)."""
    key = selectors.key_get(_actor(request), key_id)
    if request.method == "GET":
        return render(request, "vault/key_revoke.html", {"current": "vault", "key": key})
    try:
        waits = asking(_actor(request), lambda: services.key_revoke(_actor(request), key_id))
    except DeskError as exc:
        messages.error(request, exc.text)
        return redirect("vault_key", key_id=key_id)
    if waits:
        messages.info(request, "A second person was asked: it waits under Team, Approvals. The key still signs.")
        return redirect("vault_key", key_id=key_id)
    messages.success(request, f"Key “{key.label}” is revoked on this desk. Delete it at the exchange too.")
    return redirect("vault")


def _explain(form: forms.Form, exc: DeskError) -> None:
    """Put a refusal beside the field it is about."""
    named = {name: text for name, text in exc.fields.items() if name in form.fields}
    for name, text in named.items():
        form.add_error(name, text)
    if not named:
        form.add_error(None, exc.text)
