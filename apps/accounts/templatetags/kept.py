"""`{% kept "orders" %}`: what a person keeps of a page's lists, as JSON for its scripts."""

from typing import Any

from django import template
from django.utils.html import json_script
from django.utils.safestring import SafeString

from apps.accounts.kept import preferences_of

register = template.Library()


@register.simple_tag(takes_context=True)
def kept(context: dict[str, Any], prefix: str) -> SafeString:
    actor = getattr(context.get("request"), "actor", None)
    return json_script(preferences_of(actor, prefix) if actor else {}, "kept-data")
