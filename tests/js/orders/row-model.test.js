import assert from "node:assert/strict";
import { test } from "node:test";
import { arrangeGroups, averageOf, fromDesk, groupRows, isChosen, tabOf } from "../../../static/js/orders/row-model.js";

const PEOPLE = { 7: "Ann", 8: "Bob" };

/** A resting order of the topic that no test should depend on; override what matters. @param {Record<string, any>} over */
function deskRow(over = {}) {
  return {
    key: "intent:1",
    v: 3,
    ticker: "KXFED-26DEC-T4.00",
    subaccount: 0,
    book_side: "bid",
    price: "0.3100",
    outcome_side: "yes",
    outcome_price: "0.3100",
    entered_as: "buy_yes",
    count: "100.00",
    filled: "0.00",
    remaining: "100.00",
    fill_cost: "0.0000",
    fees: "0.0000",
    state: "resting",
    state_text: "Resting",
    is_working: true,
    cancel: "",
    cancel_text: "",
    error: "",
    evidence: "",
    order_id: "EX-1",
    client_order_id: "c-1",
    is_external: false,
    time_in_force: "good_till_canceled",
    post_only: false,
    reduce_only: false,
    created_ms: 1_000,
    updated_ms: 2_000,
    expires_ms: null,
    placed_by: 7,
    ...over,
  };
}

test("a row becomes whole units and words", () => {
  const row = fromDesk(deskRow({ filled: "40.50", remaining: "59.50", state_text: "Resting, partly filled" }), PEOPLE);
  assert.equal(row.price, 3100);
  assert.equal(row.filled, 4050);
  assert.equal(row.remaining, 5950);
  assert.equal(row.side, "BUY YES");
  assert.equal(row.person, "Ann");
  assert.equal(row.stateText, "resting, partly filled");
  assert.equal(row.tone, "partly");
  assert.equal(row.canCancel, true);
});

test("what an unknown order filled is not known, and there is nothing to cancel by", () => {
  const row = fromDesk(
    deskRow({ state: "unknown", state_text: "Sent, not confirmed", evidence: "Not listed so far" }),
    {},
  );
  assert.equal(row.tab, "unknown");
  assert.equal(row.filled, null);
  assert.equal(row.remaining, null);
  assert.equal(row.isWorking, false);
  assert.equal(row.canCancel, false);
  assert.equal(row.reason, "Not listed so far");
});

test("a cancel on its way takes the button away; one without an answer gives it back and says so", () => {
  const sent = fromDesk(deskRow({ cancel: "sending", cancel_text: "Cancelling" }), PEOPLE);
  assert.deepEqual([sent.canCancel, sent.isCancelling, sent.stateText], [false, true, "Cancelling"]);
  const open = fromDesk(deskRow({ cancel: "unknown", cancel_text: "Cancel sent, not confirmed" }), PEOPLE);
  assert.deepEqual([open.canCancel, open.isCancelling], [true, true]);
  const refused = fromDesk(deskRow({ cancel: "refused", cancel_text: "Cancel refused" }), PEOPLE);
  assert.deepEqual([refused.canCancel, refused.isCancelling], [true, false]);
});

test("a change that was refused is told as the reason, one without an answer as the state", () => {
  const refused = fromDesk(deskRow({ change: "refused", change_text: "Not changed: too late" }), PEOPLE);
  assert.equal(refused.reason, "Not changed: too late");
  assert.equal(refused.stateText, "resting");
  const open = fromDesk(deskRow({ change: "unknown", change_text: "Change to 20 left sent" }), PEOPLE);
  assert.equal(open.stateText, "Change to 20 left sent");
});

test("each state has its tab", () => {
  const tabs = [
    "committed",
    "sending",
    "accepted",
    "resting",
    "unknown",
    "not_seen",
    "executed",
    "canceled",
    "refused",
  ];
  assert.deepEqual(
    tabs.map((state) => tabOf({ state })),
    ["working", "working", "working", "working", "unknown", "unknown", "filled", "cancelled", "rejected"],
  );
});

test("the average price is exact, half up, and told in the prices of what was entered", () => {
  assert.equal(averageOf(deskRow({ filled: "3.00", fill_cost: "1.000000" })), 3333);
  assert.equal(averageOf(deskRow({ filled: "0.00" })), null);
  assert.equal(averageOf(deskRow({ filled: "3.00", fill_cost: null })), null);
  // 250 contracts of NO bought at 20 cents.
  const no = { book_side: "ask", outcome_side: "no", entered_as: "buy_no", filled: "250.00", fill_cost: "50.0000" };
  assert.equal(averageOf(deskRow(no)), 2000);
  // The same match as a sale of YES: at 80 cents.
  assert.equal(averageOf(deskRow({ ...no, entered_as: "sell_yes" })), 8000);
  // Large enough that a binary fraction would not hold the product.
  assert.equal(averageOf(deskRow({ filled: "99999999.00", fill_cost: "55999999.440000" })), 5600);
});

test("filters say the same as the server's: side as entered, person, part of a ticker, start of an id", () => {
  const all = { tab: "all", q: "", side: "", person: "", subaccount: "" };
  const external = deskRow({ is_external: true, entered_as: "", placed_by: null, book_side: "ask", order_id: "XYZ-1" });
  assert.equal(isChosen(deskRow(), { ...all, side: "buy_yes" }), true);
  assert.equal(isChosen(external, { ...all, side: "buy_no" }), true);
  assert.equal(isChosen(deskRow({ entered_as: "sell_no" }), { ...all, side: "buy_yes" }), false);
  assert.equal(isChosen(deskRow(), { ...all, person: "7" }), true);
  assert.equal(isChosen(deskRow(), { ...all, person: "8" }), false);
  assert.equal(isChosen(external, { ...all, person: "external" }), true);
  assert.equal(isChosen(deskRow({ subaccount: 12 }), { ...all, subaccount: "12" }), true);
  assert.equal(isChosen(deskRow({ subaccount: 1 }), { ...all, subaccount: "12" }), false);
  assert.equal(isChosen(deskRow(), { ...all, q: "dec-t4" }), true);
  assert.equal(isChosen(external, { ...all, q: "xyz" }), true);
  assert.equal(isChosen(external, { ...all, q: "yz" }), false);
  assert.equal(isChosen(deskRow(), { ...all, tab: "filled" }), false);
});

test("groups come by name, each head before its rows, rows in the order they were sorted", () => {
  const rows = [
    fromDesk(deskRow({ key: "intent:3", ticker: "B" }), PEOPLE),
    fromDesk(deskRow({ key: "intent:2", ticker: "A", remaining: "10.00" }), PEOPLE),
    fromDesk(deskRow({ key: "intent:1", ticker: "B", placed_by: 8, remaining: "5.00" }), PEOPLE),
  ];
  const heads = groupRows(rows, "market");
  assert.deepEqual(
    heads.map(({ name, orders, remaining }) => [name, orders, remaining]),
    [
      ["B", 2, 10_500],
      ["A", 1, 1_000],
    ],
  );
  const nodes = [...heads, ...rows].map((data) => ({ data }));
  arrangeGroups(nodes, "market");
  assert.deepEqual(
    nodes.map((node) => node.data.key),
    ["group:A", "intent:2", "group:B", "intent:3", "intent:1"],
  );
  assert.deepEqual(
    groupRows(rows, "person").map((head) => head.name),
    ["Ann", "Bob"],
  );
  assert.deepEqual(groupRows(rows, ""), []);
});

test("orders are grouped by the order group that they are in, by its name where one is known", () => {
  const names = new Map([["og-1", "Hedge"]]);
  const rows = ["og-1", "", "og-234567890", "og-1"].map((id, at) =>
    fromDesk(deskRow({ key: `intent:${at}`, order_group_id: id }), PEOPLE, names),
  );
  assert.deepEqual(
    groupRows(rows, "order_group").map(({ name, orders }) => [name, orders]),
    [
      ["Hedge", 2],
      ["In no order group", 1],
      ["Group og-23456", 1],
    ],
  );
});
