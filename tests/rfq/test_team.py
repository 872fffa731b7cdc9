"""Working together: owners, hand-over, comments, who looks; what lowered roles and other desks may not (H4)."""

import uuid
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from apps.accounts.models import Membership, User
from apps.audit.models import AuditEntry
from apps.core.errors import DeskError
from apps.core.permissions import Actor
from apps.core.ports import commands
from apps.core.rfq import QuotePrices
from apps.core.timestamps import utc_now
from apps.orders.access import actor_of as actor_now
from apps.rfq.access import quotes_visible_to
from apps.rfq.models import Comment, Quote, Rfq
from apps.rfq.offers import Offer
from apps.rfq.selectors.team import members_of, team_rows_of
from apps.rfq.services import presence, team
from apps.rfq.services.incoming import incoming_get
from apps.rfq.services.quotes import quote_pull, quote_submit
from apps.rfq.services.requests import rfq_close
from tests.rfq.scene import RFQS, SOON, Scene, post
from tests.support.people import actor_of, make_desk, make_person
from tests.support.redis import live_redis, redis_process, redis_url

__all__ = ["live_redis", "redis_process", "redis_url"]


def code(call: Any) -> str:
    with pytest.raises(DeskError) as refused:
        call()
    return refused.value.code


def name(actor: Actor) -> str:
    return User.objects.get(pk=actor.user_id).username


def with_roles(scene: Scene, *roles: str) -> Actor:
    return replace(actor_of(make_person(scene.place.desk, *roles)), account_id=scene.place.account.pk)


def our_quote(scene: Scene, by: Actor, yes_bid: str = "0.4000", *, rfq_id: str = "") -> Quote:
    """Quote on a request of the maker; a new one without `rfq_id`."""
    rfq_id = (
        rfq_id or post(scene.maker, RFQS, market_ticker=scene.ask().ticker, contracts=10, rest_remainder=False)["id"]
    )
    offer = Offer(uuid.uuid4(), scene.place.account.pk, rfq_id, QuotePrices(Decimal(yes_bid), Decimal("0.5000")))
    quote = quote_submit(by, offer, incoming_get(scene.place.account.pk, "paper", rfq_id))
    scene.work()
    quote.refresh_from_db()
    return quote


def test_a_claim_of_what_another_has_needs_a_note_and_stays_on_record(scene: Scene) -> None:
    rfq = scene.request()

    assert code(lambda: team.claim(scene.other, rfq)) == "note_needed"
    taken = team.claim(scene.other, rfq, note="Anna is at lunch")

    assert taken.owner_id == scene.other.user_id
    said = Comment.objects.get(subject=f"rfq:{rfq.pk}")
    assert said.text == f"Took this over from {name(scene.quoter)}: Anna is at lunch"
    assert [one.pk for one in said.mentions.all()] == [scene.quoter.user_id]
    assert AuditEntry.objects.get(action="rfq.rfq.claimed").data["from"] == scene.quoter.user_id


def test_claiming_ones_own_again_changes_nothing(scene: Scene) -> None:
    rfq = scene.request()
    version = rfq.version

    team.claim(scene.quoter, rfq)
    rfq.refresh_from_db()

    assert (rfq.version, Comment.objects.count()) == (version, 0)


def test_of_two_who_claim_a_free_one_the_second_is_asked_for_a_note(scene: Scene) -> None:
    rfq = scene.request()
    Rfq.objects.update(owner=None)
    seen_by_both = Rfq.objects.get()

    team.claim(scene.quoter, seen_by_both)

    assert code(lambda: team.claim(scene.other, seen_by_both)) == "note_needed"
    rfq.refresh_from_db()
    assert rfq.owner_id == scene.quoter.user_id


def test_only_the_owner_or_a_lead_hands_over_and_only_to_who_may_trade(scene: Scene) -> None:
    rfq, viewer = scene.request(), with_roles(scene, "viewer")

    assert code(lambda: team.hand_over(scene.other, rfq, to=scene.other.user_id)) == "not_allowed"
    assert code(lambda: team.hand_over(scene.quoter, rfq, to=viewer.user_id)) == "cannot_trade"
    assert code(lambda: team.hand_over(scene.quoter, rfq, to=999_999)) == "not_found"
    team.hand_over(scene.lead, rfq, to=scene.other.user_id, note="you know this market")

    rfq.refresh_from_db()
    assert rfq.owner_id == scene.other.user_id
    assert AuditEntry.objects.get(action="rfq.rfq.handed_over").data["to"] == scene.other.user_id


def test_a_mention_names_a_member_and_nobody_else(scene: Scene) -> None:
    rfq = scene.request()
    outsider = make_person(make_desk(), "quoter")

    assert code(lambda: team.comment(scene.quoter, rfq, text=f"look @{outsider.username}")) == "bad_input"
    said = team.comment(scene.quoter, rfq, text=f"@{name(scene.lead).upper()}, look; write to me@nowhere.example")

    assert [one.pk for one in said.mentions.all()] == [scene.lead.user_id]
    assert Comment.objects.count() == 1


@pytest.mark.parametrize("text", ["", "   ", "x" * 501])
def test_a_comment_says_something_short(scene: Scene, text: str) -> None:
    rfq = scene.request()

    assert code(lambda: team.comment(scene.quoter, rfq, text=text)) == "bad_input"


def test_other_desks_see_nothing_of_it(scene: Scene) -> None:
    rfq = scene.request()
    stranger = actor_of(make_person(make_desk(), "quoter", "lead"))
    theirs: dict[str, Any] = {"subject": f"rfq:{rfq.pk}", "text": "hello", "to": stranger.user_id, "note": "mine now"}

    for command in ("team.claim", "team.hand_over", "team.comment", "team.look"):
        assert code(lambda name=command: commands[name].handler(stranger, theirs)) == "not_found", command
    for call in (
        lambda: team.claim(stranger, rfq, note="mine now"),
        lambda: team.comment(stranger, rfq, text="hello"),
        lambda: team.look(stranger, rfq),
        lambda: scene.accept(rfq, "any", "yes", "0.35", by=stranger),
    ):
        assert code(call) == "not_found"


def test_only_the_owner_or_a_lead_takes_a_quote(scene: Scene) -> None:
    rfq = scene.request()
    quote_id = scene.quote(rfq, "0.3000", "0.6500")
    scene.hear()

    assert code(lambda: scene.accept(rfq, quote_id, "yes", "0.35", by=scene.other)) == "not_owner"
    team.claim(scene.other, rfq, note="taking over")
    assert code(lambda: scene.accept(rfq, quote_id, "yes", "0.35")) == "not_owner"
    accept = scene.accept(rfq, quote_id, "yes", "0.35", by=scene.other)

    scene.work()
    accept.refresh_from_db()
    assert accept.state == "awaiting"


def test_a_lead_who_may_trade_takes_what_others_own_and_not_once_lowered(scene: Scene) -> None:
    rfq = scene.request()
    quote_id = scene.quote(rfq, "0.3000", "0.6500")
    scene.hear()
    lead = with_roles(scene, "lead", "quoter")
    accept = scene.accept(rfq, quote_id, "yes", "0.35", by=lead)
    Membership.objects.filter(user_id=lead.user_id).update(roles=["quoter"])

    scene.work()  # the right is asked for again right before it is sent

    accept.refresh_from_db()
    assert (accept.state, accept.error_code) == ("refused", "not_owner")


def test_only_the_owner_or_a_lead_reprices_a_quote_and_any_quoter_pulls_it(scene: Scene) -> None:
    quote = our_quote(scene, scene.quoter)
    rfq_id = quote.incoming.rfq_id

    assert code(lambda: our_quote(scene, scene.other, "0.4100", rfq_id=rfq_id)) == "not_owner"
    newer = our_quote(scene, with_roles(scene, "lead", "quoter"), "0.4200", rfq_id=rfq_id)
    assert newer.state == "open"

    assert quote_pull(scene.other, newer).pull_wanted_at is not None


@pytest.mark.parametrize("roles", [["viewer"], ["trader"], []])
def test_whoever_was_lowered_a_second_ago_can_neither_claim_nor_be_handed_to(scene: Scene, roles: list[str]) -> None:
    rfq = scene.request()
    Membership.objects.filter(user_id=scene.other.user_id).update(roles=roles)
    lowered = actor_now(user_id=scene.other.user_id, desk_id=scene.other.desk_id)
    assert lowered is not None

    assert code(lambda: team.claim(lowered, rfq, note="mine")) == "not_allowed"
    assert code(lambda: team.hand_over(scene.quoter, rfq, to=lowered.user_id)) == "cannot_trade"


def test_a_lead_without_the_right_to_trade_still_pulls_and_closes(scene: Scene) -> None:
    rfq, quote = scene.request(), our_quote(scene, scene.quoter)

    assert rfq_close(scene.lead, rfq).close_wanted_at is not None
    assert quote_pull(scene.lead, quote).pull_wanted_at is not None


def test_who_looks_is_shown_until_it_runs_out(scene: Scene, live_redis: Any) -> None:
    rfq = scene.request()
    until = team.look(scene.lead, rfq)

    rows = team_rows_of(scene.place.account.pk)
    assert [(one["id"], one["until_ms"]) for one in rows[f"rfq:{rfq.pk}"]["watchers"]] == [(scene.lead.user_id, until)]
    assert presence.looking(scene.place.account.pk, now_ms=until) == {}


def test_looking_and_listing_go_on_without_redis(scene: Scene, settings: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    rfq = scene.request()

    assert team.look(scene.lead, rfq) > int(utc_now().timestamp() * 1000)
    assert team_rows_of(scene.place.account.pk) == {}


def test_the_row_tells_browsers_whose_it_is_and_what_was_said(scene: Scene, published: Any) -> None:
    rfq = scene.request()
    answer = commands["team.comment"].handler(
        scene.quoter, {"subject": f"rfq:{rfq.pk}", "text": f"@{name(scene.lead)} agreed?"}
    )

    row = published.rows("rfqteam")[-1]
    assert row is not None
    assert row["v"] < answer["team"]["v"]
    assert [(one["text"], [who["id"] for who in one["mentions"]]) for one in row["comments"]] == [
        (f"@{name(scene.lead)} agreed?", [scene.lead.user_id])
    ]
    assert row["owner"]["id"] == scene.quoter.user_id
    assert team_rows_of(scene.place.account.pk)[f"rfq:{rfq.pk}"]["comments"] == row["comments"]


def test_members_say_who_may_be_handed_to(scene: Scene) -> None:
    may = {one["id"]: one["may_trade"] for one in members_of(scene.quoter)}

    assert (may[scene.other.user_id], may[scene.lead.user_id]) == (True, False)
    assert quotes_visible_to(scene.lead).count() == 0


def test_the_second_accept_of_anybody_is_told_who_was_first(scene: Scene) -> None:
    rfq = scene.request()
    quote_id = scene.quote(rfq, "0.3000", "0.6500")
    scene.hear()
    scene.accept(rfq, quote_id, "yes", "0.35", now=utc_now() + SOON)

    assert code(lambda: scene.accept(rfq, quote_id, "yes", "0.35", by=scene.other)) == "accept_taken"
