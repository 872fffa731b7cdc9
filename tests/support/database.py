"""A migrated SQLite database, made once and copied: to migrate an empty one takes seconds of CPU each time."""

import fcntl
import hashlib
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from importlib.metadata import version
from pathlib import Path

from tests.support.manage import own_environment

ROOT = Path(__file__).resolve().parent.parent.parent
# Kept from run to run, like pytest's own cache.
FOLDER = ROOT / ".pytest_cache"


def copy_migrated(target: Path) -> None:
    """Write a database with all migrations applied to `target`; the first caller of all makes the original."""
    target.parent.mkdir(parents=True, exist_ok=True)
    for suffix in ("", "-wal", "-shm", "-journal"):
        target.with_name(target.name + suffix).unlink(missing_ok=True)
    with _original() as original:
        shutil.copyfile(original, target)


def make_ahead() -> threading.Thread:
    """Make the original in the background, while tests that need no database run; others wait for it."""

    def make() -> None:
        with suppress(subprocess.CalledProcessError), _original():  # the first test that needs it says what is wrong
            pass

    thread = threading.Thread(target=make, name="migrated-database")
    thread.start()
    return thread


@contextmanager
def _original() -> Iterator[Path]:
    """The migrated database, made if it is not there; nobody else makes or replaces it within the block."""
    FOLDER.mkdir(exist_ok=True)
    original = FOLDER / f"migrated-{_key()}.sqlite3"
    with (FOLDER / "migrated.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not original.exists():
            for old in FOLDER.glob("migrated-*.sqlite3"):
                old.unlink()
            _migrate(original)
        yield original


def _key() -> str:
    """Return a name that another set of migrations does not have."""
    digest = hashlib.sha256(f"{ROOT} {version('Django')} {version('django-allauth')}".encode())
    for file in sorted(ROOT.glob("apps/*/migrations/*.py")):
        digest.update(f"{file.relative_to(ROOT)}\n".encode() + file.read_bytes())
    return digest.hexdigest()[:16]


def _migrate(original: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "desk.sqlite3"
        environment = own_environment() | {
            "DESK_SECRET_KEY": "only-for-an-empty-database-of-tests-0123456789",
            "DESK_DATA": folder,
            "DJANGO_SETTINGS_MODULE": "kalshi_desk.settings.base",
            "DATABASE_URL": f"sqlite:///{made}",
        }
        # Models are rendered a thousand times and none is let go: there is nothing for the collector to find.
        program = "import gc, manage; gc.disable(); manage.main()"
        command = [sys.executable, "-c", program, "migrate", "--verbosity", "0"]
        subprocess.run(command, cwd=ROOT, env=environment, check=True)
        half = original.with_suffix(".half")
        half.unlink(missing_ok=True)
        with closing(sqlite3.connect(made)) as source, closing(sqlite3.connect(half)) as copy:
            source.backup(copy)
        half.rename(original)
