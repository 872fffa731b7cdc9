"""RFQs and quotes, asked by the requester (trader-1) and a maker."""

from apps.paper.testing import DECI, LINEAR, TAPERED
from tests.paper.server.contract.world import Ask, World

RFQS = "/communications/rfqs"
QUOTES = "/communications/quotes"
ONE_RFQ = f"{RFQS}/{{rfq_id}}"
ONE_QUOTE = f"{QUOTES}/{{quote_id}}"
RFQ = {"market_ticker": TAPERED, "rest_remainder": True, "contracts": 10}


def quote_body(world: World, **over: object) -> dict[str, object]:
    """A fair quote on trader-1's RFQ."""
    body = {"rfq_id": world.names["rfq"], "yes_bid": "0.4400", "no_bid": "0.5400", "rest_remainder": False}
    return body | over


REQUESTS = [
    Ask("GET", "/communications/id", 200),
    Ask("GET", RFQS, 200),
    Ask("GET", RFQS, 200, f"{RFQS}?limit=1&status=open&user_filter=self&market_ticker={LINEAR}&subaccount=0"),
    Ask("GET", RFQS, 200, f"{RFQS}?status=closed", member="maker"),
    Ask("POST", RFQS, 201, body=RFQ),
    Ask("POST", RFQS, 201, body=RFQ | {"contracts": None, "target_cost_dollars": "12.50", "subaccount": 0}),
    Ask("POST", RFQS, 201, body=RFQ | {"market_ticker": LINEAR, "replace_existing": True, "contracts_fp": "10.00"}),
    Ask("POST", RFQS, 400, body=RFQ | {"contracts_fp": "11.00"}),
    Ask("POST", RFQS, 400, body=RFQ | {"contracts": None, "contracts_fp": "1.50"}),
    Ask("POST", RFQS, 400, body=RFQ | {"market_ticker": "NONE"}),
    Ask("POST", RFQS, 400, body={"market_ticker": TAPERED}),
    Ask("POST", RFQS, 409, body=RFQ | {"market_ticker": LINEAR}),
    Ask("GET", ONE_RFQ, 200, f"{RFQS}/{{rfq}}"),
    Ask("GET", ONE_RFQ, 200, f"{RFQS}/{{rfq}}", member="trader-2"),
    Ask("GET", ONE_RFQ, 200, f"{RFQS}/{{cost_rfq}}"),
    Ask("GET", ONE_RFQ, 200, f"{RFQS}/{{deleted_rfq}}"),
    Ask("GET", ONE_RFQ, 404, f"{RFQS}/none"),
    Ask("DELETE", ONE_RFQ, 204, f"{RFQS}/{{rfq}}"),
    Ask("DELETE", ONE_RFQ, 404, f"{RFQS}/{{rfq}}", member="maker"),
    Ask("GET", QUOTES, 200),
    Ask("GET", QUOTES, 200, f"{QUOTES}?rfq_id={{rfq}}&status=open&rfq_user_filter=self&event_ticker={{event}}"),
    Ask("GET", QUOTES, 200, f"{QUOTES}?user_filter=self&limit=1", member="maker"),
    Ask("POST", QUOTES, 201, body=quote_body, member="maker"),
    Ask("POST", QUOTES, 400, body=lambda world: quote_body(world, yes_bid="0.4450"), member="maker"),
    Ask("POST", QUOTES, 400, body=lambda world: quote_body(world, yes_bid="0.4700"), member="maker"),
    Ask("POST", QUOTES, 400, body=lambda world: quote_body(world, yes_bid="0", no_bid="0"), member="maker"),
    Ask("POST", QUOTES, 400, body=lambda world: quote_body(world, rfq_id="none"), member="maker"),
    Ask("POST", QUOTES, 400, body=quote_body),
    Ask("GET", ONE_QUOTE, 200, f"{QUOTES}/{{quote}}"),
    Ask("GET", ONE_QUOTE, 200, f"{QUOTES}/{{quote}}", member="maker"),
    Ask("GET", ONE_QUOTE, 200, f"{QUOTES}/{{executed}}"),
    Ask("GET", ONE_QUOTE, 200, f"{QUOTES}/{{executed}}", member="maker"),
    Ask("GET", ONE_QUOTE, 200, f"{QUOTES}/{{accepted}}"),
    Ask("GET", ONE_QUOTE, 200, f"{QUOTES}/{{withdrawn}}"),
    Ask("GET", ONE_QUOTE, 404, f"{QUOTES}/{{quote}}", member="trader-2"),
    Ask("DELETE", ONE_QUOTE, 204, f"{QUOTES}/{{quote}}", member="maker"),
    Ask("DELETE", ONE_QUOTE, 404, f"{QUOTES}/{{accepted}}", member="maker"),
    Ask("PUT", f"{ONE_QUOTE}/accept", 204, f"{QUOTES}/{{quote}}/accept", body={"accepted_side": "no"}),
    Ask("PUT", f"{ONE_QUOTE}/accept", 400, f"{QUOTES}/{{quote}}/accept", body={"accepted_side": "maybe"}),
    Ask("PUT", f"{ONE_QUOTE}/accept", 400, f"{QUOTES}/{{accepted}}/accept", body={"accepted_side": "no"}),
    Ask("PUT", f"{ONE_QUOTE}/accept", 404, f"{QUOTES}/none/accept", body={"accepted_side": "no"}),
    Ask("PUT", f"{ONE_QUOTE}/confirm", 204, f"{QUOTES}/{{accepted}}/confirm", body={}, member="maker"),
    Ask("PUT", f"{ONE_QUOTE}/confirm", 404, f"{QUOTES}/{{quote}}/confirm", body={}, member="maker"),
]


def prepare(world: World) -> None:
    """RFQs of trader-1 with quotes of the maker in every state."""
    paper = world.paper
    with paper.client("trader-1") as client, paper.client("maker") as maker:

        def ask(**over: object) -> str:
            answer = client.post(RFQS, json=RFQ | over)
            assert answer.status_code == 201, answer.text
            return str(answer.json()["id"])

        def offer(rfq_id: str, **over: object) -> str:
            answer = maker.post(QUOTES, json=quote_body(world, rfq_id=rfq_id, **over))
            assert answer.status_code == 201, answer.text
            return str(answer.json()["id"])

        world.names["rfq"] = world.names["quote"] = ""
        world.names["executed"] = offer(ask(market_ticker=LINEAR), post_only=True)
        client.put(f"{QUOTES}/{world.names['executed']}/accept", json={"accepted_side": "yes"})
        maker.put(f"{QUOTES}/{world.names['executed']}/confirm", json={})
        paper.clock.step(15_000)
        world.names["deleted_rfq"] = ask(market_ticker=LINEAR)
        world.names["withdrawn"] = offer(world.names["deleted_rfq"])
        client.delete(f"{RFQS}/{world.names['deleted_rfq']}")
        world.names["rfq"] = ask(market_ticker=LINEAR, rest_remainder=False)
        world.names["quote"] = offer(world.names["rfq"])
        world.names["cost_rfq"] = ask(market_ticker=DECI, contracts=None, target_cost_dollars="7.5")
        world.names["accepted"] = offer(world.names["cost_rfq"])
        client.put(f"{QUOTES}/{world.names['accepted']}/accept", json={"accepted_side": "no"})
