"""Settings of the desk, for one machine and for a team alike; only URLs differ.

Everything that an operator may change comes from the environment through `kalshi_desk.env`.
docs/configuration.md lists each variable.
"""

import resource
import secrets
from pathlib import Path

from csp.constants import NONCE, NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from kalshi_desk import env
from kalshi_desk.database import PROCESSES, connection_of, named

BASE_DIR = Path(__file__).resolve().parent.parent.parent
DATA_DIR = env.path("DESK_DATA", BASE_DIR / "var")

# demo: paper exchange, generated logins. team: real people, any environment.
DESK_MODE = env.choice("DESK_MODE", "demo", ("demo", "team"))
DEBUG = env.flag("DESK_DEBUG", False)
PORT = env.whole("PORT", 8000, minimum=1, maximum=65535)


def _secret_key() -> str:
    given = env.text("DESK_SECRET_KEY", "")
    if given:
        return given
    stored = DATA_DIR / "secret-key"
    if stored.is_file():
        return stored.read_text().strip()
    if DESK_MODE == "demo":
        # Tools such as fold_book sign nothing; `make run` writes the file before anything that does.
        return secrets.token_urlsafe(60)
    raise ImproperlyConfigured(
        f"DESK_SECRET_KEY is not set and {stored} does not exist. Set DESK_SECRET_KEY to 50 or more random characters."
    )


SECRET_KEY = _secret_key()
PUBLIC_ORIGINS = env.names("DESK_ORIGINS", f"http://127.0.0.1:{PORT},http://localhost:{PORT}")
ALLOWED_HOSTS = env.names("DESK_HOSTS", "127.0.0.1,localhost")
CSRF_TRUSTED_ORIGINS = PUBLIC_ORIGINS

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "channels",
    "csp",
    "apps.core",
    "apps.audit",
    "apps.accounts",
    "apps.vault",
    "apps.exchange",
    "apps.markets",
    "apps.orders",
    "apps.rfq",
    "apps.portfolio",
    "apps.fix",
    "apps.history",
    "apps.monitoring",
    "apps.data_api",
    "apps.operations",
    "apps.web",
    "apps.paper",
]

# Whose X-Forwarded-Proto is believed: this machine, and the networks that Docker makes.
PROXIES = env.names("DESK_PROXIES", "127.0.0.0/8,::1,172.16.0.0/12")

MIDDLEWARE = [
    "apps.monitoring.tracing.TraceMiddleware",
    "kalshi_desk.proxies.ProxyMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "apps.accounts.middleware.DeskMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "kalshi_desk.urls"
ASGI_APPLICATION = "kalshi_desk.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "apps.web.context.frame",
            ],
        },
    }
]

# --- storage ---------------------------------------------------------------------------------
DATABASE_URL = env.text("DATABASE_URL", f"sqlite:///{DATA_DIR / 'desk.sqlite3'}")
# Only a name: the server shows it, and `manage.py doctor` compares it with the role (docs/configuration.md).
DESK_PROCESS = env.choice("DESK_PROCESS", "", ("", *PROCESSES))
DATABASES = {"default": named(connection_of(DATABASE_URL), DESK_PROCESS)}
DATABASE_ROLES = env.text("DESK_DATABASE_ROLES", "desk")  # what the names of the processes' roles begin with
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = env.text("REDIS_URL", f"unix://{DATA_DIR / 'run' / 'redis.sock'}")
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        # redis-py 8 closes blocking readers after 5 s by default (STACK pitfall A).
        "OPTIONS": {"socket_timeout": 5, "serializer": "kalshi_desk.cache_format.PlainSerializer"},
        "KEY_PREFIX": "desk-cache",
    }
}

# --- people ----------------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.ScryptPasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 10},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_ADAPTER = "apps.accounts.adapter.DeskAccountAdapter"
ACCOUNT_SESSION_REMEMBER = False
# Passwords are counted in the database: apps.accounts.tries. Many people may share one address, that of a proxy.
ACCOUNT_RATE_LIMITS = {"login": None}
MFA_RATE_LIMITS = {"webauthn_login": "60/m/ip"}
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_ADAPTER = "apps.accounts.adapter.DeskMfaAdapter"
MFA_FORMS = {
    "authenticate": "apps.accounts.factors.OnceAuthenticateForm",
    "reauthenticate": "apps.accounts.factors.OnceReauthenticateForm",
    "activate_totp": "apps.accounts.factors.OnceActivateForm",
    "add_webauthn": "apps.accounts.passkey_forms.AddPasskeyForm",
    "authenticate_webauthn": "apps.accounts.passkey_forms.UsePasskeyForm",
    "login_webauthn": "apps.accounts.passkey_forms.SignInPasskeyForm",
    "reauthenticate_webauthn": "apps.accounts.passkey_forms.ConfirmPasskeyForm",
}
MFA_PASSKEY_LOGIN_ENABLED = True
# Who must have a second factor on desks that have not said so themselves (Team > People).
SECOND_FACTOR = env.choice(
    "DESK_SECOND_FACTOR", "nobody" if DESK_MODE == "demo" else "everybody", ("nobody", "risky", "everybody")
)
# A finger, a face or a PIN each time: a passkey alone is two factors then.
MFA_WEBAUTHN_USER_VERIFICATION = "required"
# The host that passkeys are made for, once and for all: they open nothing under another name. An address with numbers
# has no passkeys, so the demo has them at http://localhost.
PASSKEY_HOST = env.text("DESK_PASSKEY_HOST", env.passkey_host(PUBLIC_ORIGINS))
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"

SESSION_ENGINE = "django.contrib.sessions.backends.db"
SESSION_COOKIE_AGE = env.whole("DESK_SESSION_HOURS", 12, minimum=1, maximum=72) * 3600
# Open pages do not count, only what a person does in them. 0: a sign-in lasts its hours, used or not.
SESSION_IDLE_S = env.whole("DESK_IDLE_MINUTES", 0 if DESK_MODE == "demo" else 30, maximum=1440) * 60
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = env.flag("DESK_SECURE_COOKIES", False)
CSRF_COOKIE_SECURE = SESSION_COOKIE_SECURE
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True
CSRF_USE_SESSIONS = False

SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF],
        # AG Grid and the chart put their own style elements in; they carry the page's nonce.
        "style-src": [SELF, NONCE],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "report-uri": ["/csp-report"],
    }
}

# --- mail: off until there is a host ------------------------------------------------------------
# console: mails are printed by the process that sends them, for trying out.
EMAIL_BACKEND = f"django.core.mail.backends.{env.choice('DESK_MAIL', 'smtp', ('smtp', 'console'))}.EmailBackend"
EMAIL_HOST = env.text("DESK_MAIL_HOST", "")
EMAIL_PORT = env.whole("DESK_MAIL_PORT", 587, minimum=1, maximum=65535)
EMAIL_HOST_USER = env.text("DESK_MAIL_USER", "")
EMAIL_HOST_PASSWORD = env.text("DESK_MAIL_PASSWORD", "")
EMAIL_USE_TLS = env.flag("DESK_MAIL_TLS", True)
EMAIL_TIMEOUT = 5
DEFAULT_FROM_EMAIL = env.text("DESK_MAIL_FROM", "kalshi-desk@localhost")

# --- words, time, files ----------------------------------------------------------------------
LANGUAGE_CODE = "en-us"
USE_I18N = False
USE_TZ = True
TIME_ZONE = "UTC"
STATIC_URL = "/static/"
STATIC_ROOT = env.path("DESK_STATIC", DATA_DIR / "static")
STATICFILES_DIRS = [BASE_DIR / "static"]
STATICFILES_FINDERS = [
    "django.contrib.staticfiles.finders.FileSystemFinder",
    "apps.web.npm.NodeModulesFinder",
]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "apps.web.npm.ModuleManifestStorage"},
}
NODE_MODULES = BASE_DIR / "node_modules"

# --- celery ----------------------------------------------------------------------------------
CELERY_BROKER_URL = (
    REDIS_URL.replace("unix://", "redis+socket://", 1) + "?virtual_host=3"
    if REDIS_URL.startswith("unix://")
    else REDIS_URL
)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# Without these, queueing a task while Redis is away tries a hundred times and blocks its caller (an
# order, the gateway's database thread) for minutes, whatever `retry=False` says: it is the channel
# that retries. Every task has a sweep or a beat behind it, so failing at once loses nothing.
CELERY_BROKER_TRANSPORT_OPTIONS = {"max_retries": 1, "interval_start": 0, "interval_step": 0.1, "interval_max": 0.1}
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TASK_ROUTES = {
    "apps.orders.tasks.order_send": {"queue": "orders"},
    "apps.orders.tasks.batch_send": {"queue": "orders"},
    "apps.orders.tasks.change_send": {"queue": "orders"},
    "apps.portfolio.tasks.subaccount_send": {"queue": "orders"},
    "apps.orders.tasks.cancel_send": {"queue": "urgent"},
    "apps.orders.tasks.group_send": {"queue": "urgent"},
    "apps.rfq.tasks.rfq_send": {"queue": "orders"},
    "apps.rfq.tasks.accept_send": {"queue": "orders"},
    "apps.rfq.tasks.quote_send": {"queue": "orders"},
    "apps.rfq.tasks.incoming_read": {"queue": "orders"},  # somebody waits for it, to quote
    "apps.rfq.tasks.rfq_close": {"queue": "urgent"},
    "apps.rfq.tasks.quote_pull": {"queue": "urgent"},
    "apps.rfq.tasks.confirm_send": {"queue": "urgent"},
    "apps.monitoring.tasks.kill_sweep": {"queue": "urgent"},
    # Never behind the sync of an account: it watches windows of three seconds.
    "apps.rfq.tasks.own_quotes_sync": {"queue": "orders"},
    "apps.*.tasks.*_sync": {"queue": "sync"},
}
# Celery names are given in full, so that nobody has to search who runs what when.
CELERY_BEAT_SCHEDULE: dict[str, dict[str, object]] = {
    "audit-heads": {"task": "apps.accounts.tasks.audit_heads_note", "schedule": 60.0},
    "accounts-changes-expire": {"task": "apps.accounts.tasks.changes_expire", "schedule": 60.0},
    "exchange-status": {"task": "apps.exchange.tasks.status_refresh", "schedule": 10.0},
    "exchange-news": {"task": "apps.exchange.tasks.news_sync", "schedule": 60.0},
    "markets-catalogue": {"task": "apps.markets.tasks.catalogue_sync", "schedule": 60.0},
    "markets-milestones": {"task": "apps.markets.tasks.milestones_sync", "schedule": 60.0},
    "markets-live-data": {
        "task": "apps.markets.tasks.live_data_watched",
        "schedule": 3.0,
        "options": {"expires": 10},
    },
    "orders-sweep": {"task": "apps.orders.tasks.intents_sweep", "schedule": 5.0},
    "orders-queue-positions": {"task": "apps.orders.tasks.queue_positions_refresh", "schedule": 5.0},
    "orders-reconcile": {"task": "apps.orders.tasks.accounts_reconcile", "schedule": 30.0},
    "monitoring-kill": {"task": "apps.monitoring.tasks.kill_sweep", "schedule": 2.0},
    "monitoring-walls": {"task": "apps.monitoring.tasks.walls_publish", "schedule": 2.0},
    "monitoring-alerts": {
        "task": "apps.monitoring.alerts.tasks.alerts_look",
        "schedule": 2.0,
        "options": {"expires": 30},
    },
    "monitoring-alerts-states": {
        "task": "apps.monitoring.alerts.tasks.alerts_look_states",
        "schedule": 10.0,
        "options": {"expires": 30},
    },
    "monitoring-alerts-mail": {
        "task": "apps.monitoring.alerts.tasks.alerts_send_sync",
        "args": ("mail",),
        "schedule": 3.0,
        "options": {"expires": 30},
    },
    "monitoring-alerts-webhooks": {
        "task": "apps.monitoring.alerts.tasks.alerts_send_sync",
        "args": ("webhook",),
        "schedule": 3.0,
        "options": {"expires": 30},
    },
    "monitoring-alerts-tidy": {"task": "apps.monitoring.alerts.tasks.alerts_tidy", "schedule": 3600.0},
    "monitoring-beats": {"task": "apps.monitoring.tasks.beats_send", "schedule": 10.0},
    "monitoring-emergency": {"task": "apps.monitoring.tasks.emergency_keys_write", "schedule": 60.0},
    "rfq-sweep": {"task": "apps.rfq.tasks.rfq_sweep", "schedule": 1.0},
    "rfq-stand-by": {"task": "apps.rfq.tasks.own_quotes_sync", "schedule": 1.0},
    "rfq-markouts": {"task": "apps.rfq.tasks.rfq_markouts", "schedule": 2.0},
    "rfq-read": {"task": "apps.rfq.tasks.accounts_rfqs_read", "schedule": 30.0},
    "subaccounts-sweep": {"task": "apps.portfolio.tasks.subaccounts_sweep", "schedule": 5.0},
    "subaccounts-read": {"task": "apps.portfolio.tasks.subaccounts_read", "schedule": 30.0},
    "database-checkpoint": {"task": "apps.web.tasks.database_checkpoint", "schedule": 5.0},
    "history-reconcile": {"task": "apps.history.tasks.accounts_reconcile", "schedule": 60.0},
    "history-sweep": {"task": "apps.history.tasks.history_sweep", "schedule": 15.0},
    "operations-backup": {"task": "apps.operations.tasks.backup_sync", "schedule": 600.0},
    "operations-restored": {"task": "apps.operations.tasks.restorations_sync", "schedule": 15.0},
    "portfolio-refresh": {"task": "apps.portfolio.tasks.portfolios_refresh", "schedule": 15.0},
}
CELERY_BEAT_SCHEDULER = "kalshi_desk.celery_beat:FixedScheduler"
CELERY_BEAT_SCHEDULE_FILENAME = str(DATA_DIR / "run" / "beat-schedule")

# --- exchange --------------------------------------------------------------------------------
# Source: docs/getting_started/api_environments and demo_env; the second host of each pair is the
# older documented one and is tried when the first cannot be reached.
_PAPER_PORT = env.whole("DESK_PAPER_PORT", 18080, minimum=1, maximum=65535)
EXCHANGE_HOSTS: dict[str, dict[str, list[str]]] = {
    "paper": {
        "rest": [f"http://127.0.0.1:{_PAPER_PORT}"],
        "ws": [f"ws://127.0.0.1:{_PAPER_PORT}"],
    },
    "demo": {
        "rest": ["https://external-api.demo.kalshi.co", "https://demo-api.kalshi.co"],
        "ws": ["wss://external-api-ws.demo.kalshi.co", "wss://demo-api.kalshi.co"],
    },
    "production": {
        "rest": ["https://external-api.kalshi.com", "https://api.elections.kalshi.com"],
        "ws": ["wss://external-api-ws.kalshi.com", "wss://api.elections.kalshi.com"],
    },
}
# Environments that people may add accounts for. Production is opt-in.
EXCHANGE_ENVIRONMENTS = env.names("DESK_ENVIRONMENTS", "paper,demo,production")

# Source: docs/fix/connectivity, docs/fix-margin/connectivity; KalshiNR's port, the others lie behind it; of margin's
# market data KalshiMD's, for which the page names no host in production. The paper exchange announces its own.
# ca: PEM of what signed the certificate; pin: SHA-256 of the certificate itself.
FIX_ENDPOINTS: dict[str, dict[str, str]] = {
    name: {
        "url": env.text(f"DESK_FIX_{name.upper().replace('.', '_')}", known),
        "ca": env.text(f"DESK_FIX_{name.upper().replace('.', '_')}_CA", ""),
        "pin": env.text(f"DESK_FIX_{name.upper().replace('.', '_')}_PIN", ""),
        "file": str(DATA_DIR / "paper" / "paper.json") if name.startswith("paper") else "",
    }
    for name, known in (
        ("paper", ""),
        ("demo", "tls://fix.demo.kalshi.co:8228"),
        ("production", "tls://mm.fix.elections.kalshi.com:8228"),
        ("paper.margin", ""),
        ("paper.market_data", ""),
        ("demo.margin", "tls://margin-fix.demo.kalshi.co:8228"),
        ("demo.market_data", "tls://margin-marketdata.fix.demo.kalshi.co:8233"),
        ("production.margin", "tls://margin-fix-api.fix.elections.kalshi.com:8228"),
        ("production.market_data", ""),
    )
}
# The leg that prices of side 2 are in, which the documentation leaves open.
FIX_SELLS_IN_NO = env.choice("DESK_FIX_SELL_PRICE", "yes", ("yes", "no")) == "no"
FIX_STORE_DIR = DATA_DIR / "fix"

# Beginnings of tickers of markets, other than combos, that have the short windows of high volatility (docs/rfq.md).
RFQ_FAST_MARKETS = tuple(env.names("DESK_RFQ_FAST"))
# The schema says that portfolio_value is what positions are worth, a changelog entry that it includes the cash.
PORTFOLIO_VALUE_INCLUDES_CASH = env.flag("DESK_PORTFOLIO_VALUE_INCLUDES_CASH", False)

# --- data API --------------------------------------------------------------------------------
TABS_PER_PERSON = env.whole("DESK_TABS", 30, minimum=1, maximum=10_000)  # open at once, in one web process
# Open at once in one web process; each takes a file. At this many whoever acts takes the place of the oldest viewer.
_FILES = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
_SOCKETS = 10_000 if _FILES == resource.RLIM_INFINITY else min(10_000, _FILES * 3 // 4)
SOCKETS_AT_MOST = env.whole("DESK_SOCKETS", _SOCKETS, minimum=1, maximum=1_000_000)
DATA_API_PER_MINUTE = env.whole("DESK_API_PER_MINUTE", 120, minimum=1, maximum=6000)  # calls of one token

# --- monitoring ------------------------------------------------------------------------------
METRICS_TOKEN = env.text("DESK_METRICS_TOKEN", "")  # of a scraper; without it only this machine may read /metrics
# "host:port" inside this network that webhooks of alerts may go to all the same; everything else has to be outside.
ALERT_WEBHOOK_INSIDE = env.names("DESK_ALERT_INSIDE")

# --- backups: docs/runbook.md ------------------------------------------------------------------
BACKUP_DIR = env.text("DESK_BACKUP_DIR", "")  # where the nightly one goes; "" for none
BACKUP_DATABASE_URL = env.text("DESK_BACKUP_DATABASE_URL", "")  # of a role that reads all, where the workers' does not
BACKUP_TO = env.text("DESK_BACKUP_TO", "")  # the public key that it is made for
BACKUP_HOUR = env.whole("DESK_BACKUP_HOUR", 4, minimum=0, maximum=23)  # UTC
BACKUP_KEEP = env.whole("DESK_BACKUP_KEEP", 14, minimum=1, maximum=10_000)  # files

# --- trail -----------------------------------------------------------------------------------
# Better on another disk or machine than the database: docs/security.md.
AUDIT_WITNESS_FILE = env.path("DESK_AUDIT_WITNESS", DATA_DIR / "audit" / "heads.ndjson")

# --- vault -----------------------------------------------------------------------------------
# The web process gets only the public half. The private half is the signer's, whose socket workers and the gateway get;
# without a signer they get the private half itself.
VAULT_PUBLIC_KEY_FILE = env.path("DESK_VAULT_PUBLIC_KEY", DATA_DIR / "vault" / "public.pem")
VAULT_PRIVATE_KEY_FILE = env.credential("DESK_VAULT_PRIVATE_KEY")
# Files with a passphrase that the private half is sealed by: the first seals, any opens. None: it is plain PEM.
VAULT_PASSPHRASE_FILES = env.credentials("DESK_VAULT_PASSPHRASE")
SIGNER_SOCKET = env.text("DESK_SIGNER", "")
SIGNER_PEERS = env.names("DESK_SIGNER_PEERS")  # users whose programs may ask the signer, where it has one of its own

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"trace": {"()": "kalshi_desk.logs.TraceFilter"}},
    "formatters": {
        "line": {
            "()": "kalshi_desk.logs.LineFormatter",
            "fmt": "%(asctime)s %(levelname)s %(name)s [%(trace)s] %(message)s",
        },
        "json": {"()": "kalshi_desk.logs.JsonFormatter"},
    },
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "formatter": env.choice("DESK_LOG_FORMAT", "line", ("line", "json")),
            "filters": ["trace"],
        }
    },
    "root": {"handlers": ["stderr"], "level": env.choice("DESK_LOG", "INFO", ("DEBUG", "INFO", "WARNING"))},
    "loggers": {
        # One line per request is noise on a desk with sockets; the errors stay.
        "daphne": {"level": "WARNING"},
        "django.channels.server": {"level": "WARNING"},
        # Every task received and done, ten a second, would hide what matters.
        "celery.worker.strategy": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING"},
        "httpx": {"level": "WARNING"},
        "httpcore": {"level": "WARNING"},
    },
}
