import assert from "node:assert/strict";
import { test } from "node:test";
import { centsText, fieldText, readChange } from "../../../static/js/orders/change-model.js";

/** 100 BUY YES at 21 cents, 20 filled. @param {Record<string, any>} over @returns {any} */
const order = (over = {}) => ({
  orderId: "EX-1",
  price: 2100,
  yesPrice: 2100,
  isInNo: false,
  count: 10_000,
  filled: 2_000,
  remaining: 8_000,
  ...over,
});
const TRADER = { mayAmend: true };

test("prices and counts are read as in the ticket, and what is in the form is what the order has", () => {
  const sent = (/** @type {string} */ price) => readChange(order(), { price, rest: "80" }, TRADER).params["price"];
  assert.deepEqual(["22", "21,5", "0.45", "0.5c"].map(sent), ["0.2200", "0.2150", "0.4500", "0.0050"]);
  assert.match(readChange(order(), { price: "0.5", rest: "80" }, TRADER).faults["price"] ?? "", /cents or dollars/);
  assert.match(readChange(order(), { price: "21", rest: "1,5" }, TRADER).faults["rest"] ?? "", /1\.5/);
  assert.deepEqual([2100, 2150, 555].map(centsText), ["21", "21.5", "5.55"]);
  for (const units of [1, 45, 99, 100, 2150, 9999]) {
    const typed = { price: fieldText(units), rest: "80" };
    assert.equal(readChange(order({ price: units, yesPrice: units }), typed, TRADER).words, "Nothing changes yet.");
  }
});

test("the same price and a smaller rest is a decrease to an absolute rest", () => {
  const change = readChange(order(), { price: "21", rest: "30" }, TRADER);
  assert.equal(change.command, "order.decrease");
  assert.deepEqual(change.params, {
    order_id: "EX-1",
    seen: { price: "0.2100", count: "100.00", filled: "20.00" },
    remaining: "30.00",
  });
  assert.match(change.words, /keeps its place/);
});

test("another price or a larger rest is an amend that names the new total, filled contracts included", () => {
  const dearer = readChange(order(), { price: "22.5", rest: "80" }, TRADER);
  assert.equal(dearer.command, "order.amend");
  assert.equal(dearer.params["price"], "0.2250");
  assert.equal(dearer.params["count"], "100.00");
  const larger = readChange(order(), { price: "21", rest: "100" }, TRADER);
  assert.equal(larger.params["count"], "120.00");
  assert.match(larger.words, /120 in all: 20 filled, 100 left/);
});

test("a NO order is amended on the YES leg", () => {
  const row = order({ price: 2000, yesPrice: 8000, isInNo: true });
  const change = readChange(row, { price: "25", rest: "80" }, TRADER);
  assert.equal(change.params["price"], "0.7500");
  assert.equal(change.params["seen"].price, "0.8000");
});

test("nothing is sent for what is there already, or for what cannot be read", () => {
  assert.equal(readChange(order(), { price: "21", rest: "80" }, TRADER).command, "");
  const wrong = readChange(order(), { price: "", rest: "0" }, TRADER);
  assert.equal(wrong.command, "");
  assert.deepEqual(Object.keys(wrong.faults), ["price", "rest"]);
});

test("who may only cancel may only make it smaller", () => {
  const lead = { mayAmend: false };
  assert.equal(readChange(order(), { price: "21", rest: "30" }, lead).command, "order.decrease");
  assert.deepEqual(Object.keys(readChange(order(), { price: "22", rest: "30" }, lead).faults), ["price"]);
  assert.deepEqual(Object.keys(readChange(order(), { price: "21", rest: "90" }, lead).faults), ["rest"]);
});
