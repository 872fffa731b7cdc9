"""Template tags of the frame. Icons come from lucide-static (ISC), inlined: the policy allows no inline style."""

import re
from functools import lru_cache
from pathlib import Path

from django import template
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.forms import BoundField, CheckboxInput
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

register = template.Library()

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_DRAWING = re.compile(r"<svg[^>]*>(.*)</svg>", re.DOTALL)


@lru_cache(maxsize=256)
def icon_drawing(name: str) -> str:
    """Return the inside of a lucide icon's svg element.

    Raises:
        ImproperlyConfigured: no such icon, or the npm packages are not installed.
    """
    icons = Path(settings.NODE_MODULES) / "lucide-static" / "icons"
    if not _NAME.fullmatch(name):
        raise ImproperlyConfigured(f"{name!r} is not an icon name.")
    if not icons.is_dir():
        raise ImproperlyConfigured(f"{icons} is missing. Run `npm ci` (or `make install`) in the project's folder.")
    try:
        drawing = _DRAWING.search((icons / f"{name}.svg").read_text())
    except FileNotFoundError:
        raise ImproperlyConfigured(f"lucide-static has no icon {name!r}. See its folder icons.") from None
    if drawing is None:
        raise ImproperlyConfigured(f"{name}.svg of lucide-static is not readable.")
    return " ".join(drawing[1].split())


@register.simple_tag
def icon(name: str, css: str = "", label: str = "") -> SafeString:
    """`{% icon "search" %}`, `{% icon "x" "icon--small" %}`. Silent for screen readers unless `label` is given."""
    return format_html(
        '<svg class="icon{}{}" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-linecap="round" '
        'stroke-linejoin="round" {}>{}</svg>',
        " " if css else "",
        css,
        format_html('role="img" aria-label="{}"', label) if label else mark_safe('aria-hidden="true"'),
        mark_safe(icon_drawing(name)),  # noqa: S308 - a file of an installed package, never data
    )


@register.filter
def as_input(field: BoundField) -> SafeString:
    """The field's own widget with the class that styles it."""
    given = field.field.widget.attrs.get("class", "")
    css = given if is_checkbox(field) else f"field__input {given}".strip()
    return field.as_widget(attrs={"class": css} if css else None)


@register.filter
def is_checkbox(field: BoundField) -> bool:
    return isinstance(field.field.widget, CheckboxInput)
