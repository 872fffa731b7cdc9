"""What the RFQ desk offers to whoever looks at a page: a control is drawn only when the desk would take its command."""

from django import template
from django.template import Context

from apps.core import ports
from apps.core.permissions import Actor

register = template.Library()

_PREFIXES = ("rfq.", "combo.", "quote.", "confirm.", "rule.", "fair.", "filter.", "team.", "approval.")
_TOPICS = ("rfqs", "quotes", "confirms", "incoming", "rules", "decisions", "rfqteam")


@register.simple_tag(takes_context=True)
def rfq_offers(context: Context) -> list[str]:
    """Return the socket commands ("quote.send") and topics ("incoming") that the person may use, sorted.

    For showing and hiding only: the socket and the services decide.
    """
    actor: Actor | None = getattr(context.get("request"), "actor", None)
    if actor is None:
        return []
    names = [name for name, one in ports.commands.items() if name.startswith(_PREFIXES) and actor.may(one.permission)]
    names += [kind for kind in _TOPICS if kind in ports.topics and actor.may(ports.topics[kind].permission)]
    return sorted(names)
