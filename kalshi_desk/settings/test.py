"""Settings of the test suite: everything real but the clock's patience."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

if "DESK_DATA" not in os.environ:
    os.environ["DESK_DATA"] = tempfile.mkdtemp(prefix="desk-test-")
    atexit.register(shutil.rmtree, os.environ["DESK_DATA"], ignore_errors=True)
os.environ.setdefault("DESK_SECRET_KEY", "test-only-key-that-signs-nothing-outside-the-test-suite-0123456789")

from kalshi_desk.settings.base import *  # noqa: F403 - tests run on the base settings
from kalshi_desk.settings.base import DATA_DIR, DATABASES

# One hash round instead of argon2's: tests create hundreds of people.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
if DATABASES["default"]["ENGINE"] == "kalshi_desk.sqlite":
    # A file, because browser and process tests open it from several processes.
    DATABASES["default"]["TEST"] = {"NAME": str(Path(DATA_DIR) / "test.sqlite3")}
    # No power is cut here; and a thread that waits for the write lock is no fault of the desk when the machine is slow.
    _options = DATABASES["default"]["OPTIONS"]
    _quick = _options["init_command"].replace("synchronous=FULL", "synchronous=OFF")
    DATABASES["default"]["OPTIONS"] = {**_options, "init_command": _quick, "timeout": 120}
VAULT_PUBLIC_KEY_FILE = Path(DATA_DIR) / "vault" / "public.pem"
VAULT_PRIVATE_KEY_FILE = str(Path(DATA_DIR) / "vault" / "private.pem")
