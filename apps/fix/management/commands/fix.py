"""FIX sessions from the server's shell, as a person of the desk and with that person's permissions."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.accounts.access import account_get, presence_load
from apps.accounts.models import User
from apps.core.errors import DeskError
from apps.core.permissions import Actor
from apps.fix import routes, services
from apps.fix.models import FixMessage, FixRoute, FixSession
from apps.fix.selectors import KINDS, decoded, message_name, target_words


class Command(BaseCommand):
    help = "List, define, start, stop and reset FIX sessions, and recover execution reports by drop copy."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--as", dest="username", required=True, help="who does it (role operator; list: any role)")
        actions = parser.add_subparsers(dest="action", required=True)
        actions.add_parser("list", help="every session of the desk and how it is")
        messages = actions.add_parser("messages", help="the newest messages of a session, tag by tag")
        messages.add_argument("session", type=int)
        messages.add_argument("--count", type=int, default=20)
        define = actions.add_parser("define", help="make or change the session of one kind of an account")
        define.add_argument("account", type=int, help="row id of the account")
        define.add_argument("kind", choices=sorted(KINDS))
        define.add_argument("--listener", action="store_true", help="20126=Y: reads, never sends")
        define.add_argument("--heartbeat", type=int, default=30, metavar="SECONDS")
        define.add_argument("--cents", action="store_true", help="prices in cents instead of dollars (no 21005)")
        define.add_argument("--cancel-on-disconnect", action="store_true", help="8013=Y")
        define.add_argument("--settlements", action="store_true", help="20127=Y, on rt")
        define.add_argument("--symbols", nargs="*", default=[], metavar="TICKER", help="books to follow, on mmd")
        for name in ("start", "stop", "reset"):
            action = actions.add_parser(name)
            action.add_argument("session", type=int, help="row id, see list")
            action.add_argument("--why", required=True)
        recover = actions.add_parser("recover", help="ask for execution reports by drop copy")
        recover.add_argument("account", type=int)
        recover.add_argument("--begin", default="", metavar="ExecID", help="inclusive; default: the last one seen")
        recover.add_argument("--end", default="", metavar="ExecID", help="inclusive; default: the newest")
        recover.add_argument("--margin", action="store_true", help="of the margin exchange")
        recover.add_argument("--why", required=True)

        route = actions.add_parser("route", help="say how orders, quotes or requests of an account leave")
        route.add_argument("account", type=int, help="row id of the account")
        route.add_argument("way", choices=FixRoute.Way.values)
        route.add_argument("--what", choices=FixRoute.What.values, default=FixRoute.What.ORDERS.value)
        route.add_argument("--better", action="store_true", help="requests: take a better quote where there is one")
        route.add_argument("--why", required=True)

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(username=options["username"], is_active=True).first()
        presence = presence_load(user.pk, {}) if user else None
        if presence is None:
            raise CommandError(f"{options['username']} is nobody of a desk here.")
        try:
            self._act(presence.actor, options)
        except DeskError as exc:
            raise CommandError(exc.text) from None

    def _act(self, actor: Actor, options: dict[str, Any]) -> None:
        action = options["action"]
        if action == "list":
            for row in services.sessions_visible_to(actor):
                self.stdout.write(self._line(row))
        elif action == "messages":
            for message in services.messages_visible_to(actor, options["session"], count=options["count"]):
                self._show(message)
        elif action == "define":
            row = services.session_define(
                actor,
                options["account"],
                options["kind"],
                is_listener=options["listener"],
                heartbeat=options["heartbeat"],
                use_dollars=not options["cents"],
                cancel_on_disconnect=options["cancel_on_disconnect"],
                receive_settlements=options["settlements"],
                symbols=options["symbols"],
            )
            self.stdout.write(self._line(row))
        elif action == "route":
            set_to = routes.route_set(
                actor,
                options["account"],
                options["way"],
                why=options["why"],
                what=options["what"],
                prefers_better=options["better"],
            )
            what, way = set_to.get_what_display(), set_to.get_way_display()
            self.stdout.write(f"{what} of account {options['account']} leave by {way}.")
        elif action == "recover":
            account = account_get(actor, options["account"])
            found = services.recovery_request(
                actor,
                account.pk,
                begin=options["begin"],
                end=options["end"],
                why=options["why"],
                is_margin=options["margin"],
            )
            self.stdout.write(f"Recovery {found.pk} from {found.begin} to {found.end or 'the newest'} is asked for.")
        else:
            act = {
                "start": services.session_start,
                "stop": services.session_stop,
                "reset": services.session_reset,
            }[action]
            self.stdout.write(self._line(act(actor, options["session"], why=options["why"])))

    def _show(self, message: FixMessage) -> None:
        way = "out" if message.is_outgoing else "in"
        self.stdout.write(f"{message.at:%Y-%m-%d %H:%M:%S.%f} {way} {message.seq} {message_name(message.msg_type)}")
        for one in decoded(message):
            meaning = f" ({one.meaning})" if one.meaning else ""
            self.stdout.write(f"    {one.tag} {one.name} = {one.value}{meaning}")

    def _line(self, row: FixSession) -> str:
        mode = " listener" if row.is_listener else ""
        numbers = f"in {row.next_in}, out {row.next_out}"
        wanted = "wanted" if row.is_wanted else "not wanted"
        name = f"{row.account.environment}/{row.account.name}"
        kind = f"{target_words(row.kind)}{mode}"
        return f"{row.pk}  {name}  {kind}  {wanted}, {row.state}  {numbers}  {row.state_text}".rstrip()
