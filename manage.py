#!/usr/bin/env python
"""Entry point of every management command of the desk."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kalshi_desk.settings.base")
    if sys.argv[1:2] == ["kill"]:
        # Before Django: what counts is when the last order is off the exchange.
        from apps.monitoring import killing

        code = killing.main(sys.argv[2:])
        if code is not None:
            sys.exit(code)
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
