from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.audit import services, witness
from apps.audit.models import AuditEntry


class Command(BaseCommand):
    help = "Check the audit chain of every desk (or of one) against itself and the noted heads; print each head."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--desk", type=int, help="only this desk id (0: the installation itself)")
        parser.add_argument(
            "--expect",
            metavar="SEQUENCE:DIGEST",
            help="with --desk: a head printed earlier and kept elsewhere; shows entries cut off at the end",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        expected = self._expected(options["expect"])
        if expected and options["desk"] is None:
            raise CommandError("--expect needs --desk: a head belongs to one desk.")
        try:
            noted = set(witness.heads_noted())
        except witness.WitnessBroken:
            noted = set()  # every check below says so
        desks = (
            [options["desk"]]
            if options["desk"] is not None
            else sorted(set(AuditEntry.objects.values_list("desk_id", flat=True).distinct()) | noted)
        )
        broken = 0
        for desk_id in desks:
            result = services.verify(desk_id, expected=expected) if expected else witness.check(desk_id)
            if result.is_intact:
                compared = f", {result.witnessed} noted heads agree" if result.witnessed else ""
                self.stdout.write(
                    f"desk {desk_id}: {result.entries} entries, intact, head {result.entries}:{result.head}{compared}"
                )
            else:
                broken += 1
                self.stderr.write(f"desk {desk_id}: BROKEN at entry {result.sequence}: {result.problem}")
        if broken:
            raise CommandError(
                f"{broken} of {len(desks)} chains are broken. Keep the database file and compare backups."
            )

    @staticmethod
    def _expected(raw: str | None) -> tuple[int, str] | None:
        if raw is None:
            return None
        sequence, _, digest = raw.partition(":")
        if not sequence.isdecimal() or len(digest) != 64:
            raise CommandError("--expect is SEQUENCE:DIGEST as printed by this command.")
        return int(sequence), digest
