"""manage.py in a process of its own, as whoever runs the desk would call it."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def own_environment() -> dict[str, str]:
    """Return this process's environment without what the tests set for themselves."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("DESK_", "DJANGO_"))}


def manage(*arguments: str, within: float, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `manage.py` and return how it ended, whatever that was.

    within: seconds until it is ended. variables: added to the environment (DESK_DATA names the desk).
    """
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=own_environment() | variables,
        capture_output=True,
        text=True,
        timeout=within,
        check=False,
    )
