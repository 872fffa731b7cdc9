"""What a team's real installation tightens. It only ever refuses more than `base`."""

from django.core.exceptions import ImproperlyConfigured

from apps.core import killpoints
from kalshi_desk import env
from kalshi_desk.settings.base import *  # noqa: F403 - production is base plus refusals
from kalshi_desk.settings.base import DEBUG, DESK_MODE, PUBLIC_ORIGINS, SECRET_KEY, SESSION_COOKIE_SECURE


def _refuse(problem: str, hint: str) -> None:
    raise ImproperlyConfigured(f"production settings refuse to start: {problem} {hint}")


if DEBUG:
    _refuse("DESK_DEBUG is on.", "Unset it: error pages with code would be public.")
if DESK_MODE != "team":
    _refuse("DESK_MODE is not 'team'.", "Set DESK_MODE=team: demo mode has generated logins.")
if len(SECRET_KEY) < 50 or len(set(SECRET_KEY)) < 10 or SECRET_KEY.startswith(("django-insecure", "change-me")):
    _refuse("DESK_SECRET_KEY is short or a default.", "Use 50 or more random characters.")
if not SESSION_COOKIE_SECURE:
    _refuse("cookies would travel unencrypted.", "Set DESK_SECURE_COOKIES=1 and serve over https.")
if any(not origin.startswith("https://") for origin in PUBLIC_ORIGINS):
    _refuse("DESK_ORIGINS has an origin without https.", "List full origins, such as https://desk.example.org.")
if env.text(killpoints.VARIABLE, ""):
    _refuse(f"{killpoints.VARIABLE} is set.", "Unset it: it kills processes on purpose, for tests.")
if env.text(killpoints.FILE_VARIABLE, ""):
    _refuse(f"{killpoints.FILE_VARIABLE} is set.", "Unset it: it kills processes on purpose, for tests.")
if env.text(killpoints.TRACE_VARIABLE, ""):
    _refuse(f"{killpoints.TRACE_VARIABLE} is set.", "Unset it: it writes a line at each step, for benchmarks.")

SESSION_COOKIE_NAME = "__Host-desk-session"
CSRF_COOKIE_NAME = "__Host-desk-csrf"
SECURE_SSL_REDIRECT = True
SECURE_HSTS_SECONDS = 31_536_000
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
