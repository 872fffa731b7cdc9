"""What templates of sign-in and second factors ask."""

from django import template
from django.http import HttpRequest

from apps.accounts import passkeys

register = template.Library()


@register.filter
def has_passkeys_here(request: HttpRequest) -> bool:
    """Do passkeys work at the address that this page was asked for at?"""
    return passkeys.is_here(request)


@register.simple_tag
def passkey_origins() -> list[str]:
    """Where they do."""
    return passkeys.origins()


@register.simple_tag(takes_context=True)
def own_passkeys(context: template.Context) -> list[dict[str, object]]:
    """The signed-in person's, in the order in which they were added."""
    return [passkeys.passkey_row(one) for one in passkeys.passkeys_of(context["request"].user)]
