import assert from "node:assert/strict";
import { test } from "node:test";
import { cellsOf, cents, chosen, contracts } from "../../../static/js/fix/wall-model.js";

const report = (/** @type {number} */ id, over = {}) => ({
  id,
  at_ms: id,
  sent_ms: id,
  type: "F",
  ticker: "KXFED-T4",
  order_id: `o-${id}`,
  client_order_id: "",
  exec_id: `4;${id}`,
  side: "buy YES",
  price: "0.5600",
  count: "10.00",
  last_price: null,
  last_count: null,
  filled: "4.00",
  remaining: "6.00",
  ...over,
});
const known = new Set(["F", "0"]);
const every = new Set(["F", "0", "other"]);

test("newest first, of the chosen types", () => {
  const rows = [report(1), report(3, { type: "0" }), report(2, { type: "E" })];
  const ids = (/** @type {Set<string>} */ types) => chosen(rows, { types, known, text: "" }).map((row) => row.id);
  assert.deepEqual(ids(every), [3, 2, 1]);
  assert.deepEqual(ids(new Set(["F"])), [1]);
  assert.deepEqual(ids(new Set(["other"])), [2]);
});

test("the text is looked for in market, order and client id, capitals or not", () => {
  const rows = [report(1), report(2, { ticker: "KXCPI" }), report(3, { ticker: "KXCPI", client_order_id: "Desk-9" })];
  const ids = (/** @type {string} */ text) => chosen(rows, { types: every, known, text }).map((row) => row.id);
  assert.deepEqual(ids("kxfed"), [1]);
  assert.deepEqual(ids(" O-2 "), [2]);
  assert.deepEqual(ids("desk-9"), [3]);
  assert.deepEqual(ids("nothing"), []);
});

test("prices are cents, exactly", () => {
  assert.equal(cents("0.5600"), "56¢");
  assert.equal(cents("0.5650"), "56.5¢");
  assert.equal(cents("0.0025"), "0.25¢");
  assert.equal(cents("0.0500"), "5¢");
  assert.equal(cents("1.0000"), "100¢");
  assert.equal(cents("0.0000"), "0¢");
  assert.equal(cents(null), "-");
});

test("a trade shows its own size and price, another report the order's", () => {
  assert.equal(contracts("2.50"), "2.50");
  const time = () => "12:00:00";
  assert.deepEqual([cellsOf(report(1), time).count, cellsOf(report(1), time).price], ["10", "56¢"]);
  const trade = cellsOf(report(1, { last_count: "4.00", last_price: "0.5500" }), time);
  assert.deepEqual([trade.count, trade.price, trade.remaining], ["4", "55¢", "6"]);
});
