"""A worker of the history in a process of its own, for tests that kill it: `python -m tests.history.killed_worker`.

Everything it needs is made from the same seed and time in each process: the exchange is the same one for all of them,
the database file is the one that the last one left behind. Prints "whole" when nothing is missing and nothing twice.
"""

import os
import sys

NOW_MS = 1_795_262_400_000
FILLS = 600


def main() -> int:
    os.environ["DJANGO_SETTINGS_MODULE"] = "kalshi_desk.settings.test"
    import django

    django.setup()
    from django.core.management import call_command

    from apps.accounts.models import ExchangeAccount
    from apps.core import killpoints
    from apps.exchange import live
    from apps.history.models import HistoryAccount
    from apps.history.sync import listing, walk, work
    from apps.paper.testing import InProcessPaper
    from tests.history.rig import Line, Rig
    from tests.history.truth import assert_same
    from tests.support.people import make_account, make_desk

    setattr(live, "publish_rows", lambda topic, rows, **_: True)  # noqa: B010 - no Redis here
    setattr(listing, "PAGE", 50)  # noqa: B010
    setattr(walk, "ROWS_PER_TRANSACTION", 20)  # noqa: B010
    paper = InProcessPaper(now_ms=NOW_MS)
    line = Line(paper)
    client = line.client()
    setattr(walk, "client_for", lambda account_id, *, write: client)  # noqa: B010
    setattr(walk, "environment_client", lambda environment: client)  # noqa: B010
    with killpoints.handled_by(lambda name: None):
        call_command("migrate", verbosity=0)
    account = ExchangeAccount.objects.first() or make_account(make_desk())
    rig = Rig(account, paper, line)
    rig.past_day(FILLS)
    work.states_ensure(account.pk)
    HistoryAccount.objects.update(leased_until=None)  # the dead one's lease has run out
    rig.work()
    assert_same(rig)
    print("whole")
    return 0


if __name__ == "__main__":
    sys.exit(main())
