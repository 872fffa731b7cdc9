"""The desk that all histories of a process use: set up once, its orders emptied before each."""

from datetime import timedelta

from django.db import connection

from apps.accounts.models import Membership
from apps.paper.testing import LINEAR
from tests.faults.world import start_time
from tests.orders.conftest import Place, build_place, make_market
from tests.support.people import make_person


def build() -> Place:
    """Two traders, a lead, an account, a market that stays open. The trail's triggers are off: it is emptied, too."""
    on_table = " ON audit_auditentry" if connection.vendor == "postgresql" else ""
    with connection.cursor() as cursor:
        for trigger in ("audit_no_delete", "audit_no_truncate"):
            cursor.execute(f"DROP TRIGGER IF EXISTS {trigger}{on_table}")
    place = build_place()
    Membership.objects.filter(desk=place.desk).update(roles=["trader"])
    make_person(place.desk, "lead")
    make_market(ticker=LINEAR, close_time=start_time() + timedelta(days=365))
    return place
