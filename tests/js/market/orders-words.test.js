import assert from "node:assert/strict";
import { test } from "node:test";

import { createOrderNotices, fillWords } from "../../../static/js/market/order-notices.js";
import { orderAt, orderWords } from "../../../static/js/market/order-words.js";
import { previewChanges, previewLine } from "../../../static/js/market/ticket-preview.js";

const LOOK = { step: 100, format: /** @type {const} */ ("cents") };

test("the bid column buys what is shown", () => {
  assert.deepEqual(orderAt("yes", "bid", 4200, 0), { side: "buy_yes", price: 4200 });
  assert.deepEqual(orderAt("no", "bid", 5800, 0), { side: "buy_no", price: 5800 });
});

test("the ask column sells what is held, and else buys the other outcome at a dollar less", () => {
  assert.deepEqual(orderAt("yes", "ask", 4400, 100), { side: "sell_yes", price: 4400 });
  assert.deepEqual(orderAt("yes", "ask", 4400, -100), { side: "buy_no", price: 5600 });
  assert.deepEqual(orderAt("no", "ask", 5600, -100), { side: "sell_no", price: 5600 });
  assert.deepEqual(orderAt("no", "ask", 5600, 100), { side: "buy_yes", price: 4400 });
});

test("an order in words follows the person's price format", () => {
  const wanted = /** @type {const} */ ({ side: "buy_no", price: 5650 });

  assert.equal(orderWords(wanted, 10_000, { ...LOOK, step: 10 }), "Buy 100 NO at 56.5¢");
  assert.equal(orderWords(wanted, 10_000, { step: 10, format: "dollars" }), "Buy 100 NO at $0.565");
});

const PREVIEW = {
  cost: "42.0000",
  proceeds: "0.0000",
  fee: "1.7100",
  fee_worst: "2.0000",
  worst_case: "44.0000",
  payout: "100.0000",
  position_after: "100.00",
  balance_after: "1000.0000",
  reasons: {},
  refusal: null,
};

test("a preview that still holds has no changes, whatever the cash does", () => {
  assert.deepEqual(previewChanges(PREVIEW, { ...PREVIEW, balance_after: "900.0000" }), []);
});

test("a changed fee, position or a new refusal is named with both values", () => {
  const fresh = { ...PREVIEW, fee: "0.9000", position_after: "-20.00", refusal: { text: "The market has closed." } };

  assert.deepEqual(previewChanges(PREVIEW, fresh), [
    "the fee is $0.90, was $1.71",
    "the position after is 20 NO, was 100 YES",
    "The market has closed.",
  ]);
  assert.deepEqual(previewChanges({ ...PREVIEW, fee: null }, PREVIEW), ["the fee is $1.71, was not known"]);
});

test("what is not known says so, what was not told is not shown", () => {
  assert.deepEqual(previewLine("fee", { ...PREVIEW, fee: null, reasons: { fee: "no schedule" } }), {
    text: "not known",
    title: "no schedule",
    isPresent: true,
  });
  assert.equal(previewLine("fee_maker", PREVIEW).isPresent, false);
  assert.equal(previewLine("worst_case", PREVIEW).text, "-$44.00");
  assert.equal(previewLine("cost", { ...PREVIEW, cost: "0.0000", proceeds: "58.0000" }).text, "+$58.00");
});

function notices() {
  /** @type {{toasts: string[], said: string[], noted: string[]}} */
  const heard = { toasts: [], said: [], noted: [] };
  const made = createOrderNotices({
    toast: ({ title }) => heard.toasts.push(title),
    announce: (text) => heard.said.push(text),
    notice: ({ title }) => heard.noted.push(title),
    look: LOOK,
  });
  return { heard, made };
}

test("a refusal is a toast for the tab that sent the order, once, and for no other", () => {
  const { heard, made } = notices();
  made.track("mine");
  const rows = ["mine", "theirs"].map((key) => ({ idempotency_key: key, state: "refused", error: "No funds." }));

  made.showOrders(rows);
  made.showOrders(rows);

  assert.deepEqual(heard.toasts, ["Order refused"]);
});

test("fills are spoken and noted, but not those that were there before", () => {
  const { heard, made } = notices();
  const fill = { key: "t1", ticker: "T", outcome_side: "yes", outcome_price: "0.3100", count: "40.00", fee: "0.6000" };
  made.showFills([fill]);
  assert.deepEqual(heard.said, []);

  made.showFills([fill, { ...fill, key: "t2" }]);

  assert.deepEqual(heard.said, ["Filled: bought 40 YES at 31¢, fee $0.60."]);
  assert.deepEqual(heard.noted, heard.said);
  assert.equal(fillWords({ ...fill, outcome_side: "no" }, LOOK), "Filled: bought 40 NO at 31¢, fee $0.60.");
});
