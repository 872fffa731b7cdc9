import assert from "node:assert/strict";
import { test } from "node:test";
import { previewLine } from "../../../static/js/market/ticket-preview.js";

const DATA = {
  fee: "1.750000",
  fee_worst: "2.000000",
  fee_trade: "1.746000",
  fee_rounding: "0.004000",
  rebate: "0.010000",
  fee_maker: "0.440000",
  fee_maker_worst: "0.500000",
  fee_free_until: null,
  tokens: { cost: 10, left: 80, capacity: 100, rate: 10, degraded: false },
};

test("the fee says both splits, and its parts on a closer look", () => {
  const line = previewLine("fee", DATA);
  assert.equal(line.text, "$1.75 / $2.00");
  assert.match(line.title, /trade fee \$1\.75, rounding \$0\.00\. Contract by contract, \$0\.01 comes back\./);
  assert.equal(previewLine("fee_maker", DATA).text, "$0.44 / $0.50");
  assert.equal(previewLine("fee_maker", {}).isPresent, false);
});

test("an order that takes at a better price than its limit says the fee there, which may be larger", () => {
  const fee_now = { price: "0.8500", fee: "0.480000", fee_worst: "0.490000" };
  assert.equal(previewLine("fee_now", { ...DATA, fee_now }).text, "$0.48 / $0.49 at 85¢");
  assert.equal(previewLine("fee_now", { ...DATA, fee_now: null }).isPresent, false);
});

test("tokens say what the order takes and when it has to wait", () => {
  assert.equal(previewLine("tokens", DATA).text, "10 of 80 left");
  assert.equal(previewLine("tokens", { tokens: { ...DATA.tokens, left: 4 } }).text, "10 of 4 left, waits for more");
  assert.match(previewLine("tokens", { tokens: { ...DATA.tokens, degraded: true } }).title, /this process alone/);
  assert.equal(previewLine("tokens", {}).isPresent, false);
});

test("limits name the one that is broken, else the nearest, and all of them on a closer look", () => {
  const size = { name: "max_count", use: "210", limit: "500", ok: true, text: "", share: 420 };
  const open = {
    name: "max_open_contracts",
    use: "210",
    limit: "250",
    ok: true,
    text: "",
    within: "in KXA",
    share: 840,
  };
  const loss = { name: "max_daily_loss", use: null, limit: "100", ok: true, text: "", share: null };
  const line = previewLine("limits", { limits: [size, open, loss] });
  assert.equal(line.text, "kept, open 84%");
  assert.match(line.title, /max open contracts in KXA: 210 of 250; max daily loss: not known of 100/);
  assert.equal(previewLine("limits", { limits: [size, { ...open, ok: false }] }).text, "over max open contracts");
  assert.equal(previewLine("limits", { limits: [loss] }).text, "kept");
});

test("a dated change of the fee says when, which rates, and what rests until then", () => {
  const change = {
    at: "2026-12-03T14:00:00Z",
    taker: "0.035",
    maker: "0.00875",
    taker_before: "0.07",
    maker_before: "0",
    fee_maker: "0.030000",
    fee_maker_worst: "0.040000",
  };
  const text = (/** @type {object} */ over) => previewLine("fee_change", { fee_change: { ...change, ...over } }).text;
  assert.equal(text({}), "3 Dec 14:00 UTC: taker 0.07 → 0.035, maker 0 → 0.00875; resting then $0.03 / $0.04");
  assert.equal(
    text({ at: "2027-01-31T00:00:30Z", maker: "0", fee_maker: null, fee_maker_worst: null }),
    "31 Jan 00:00:30 UTC: taker 0.07 → 0.035",
  );
  assert.match(text({ taker: null, maker: null, fee_maker: null }), /to a fee that is not known$/);
  assert.equal(previewLine("fee_change", { fee_change: null }).isPresent, false);
});

test("maintenance ahead says what becomes of an order that rests", () => {
  const text = (/** @type {boolean} */ cancels) =>
    previewLine("maintenance", { maintenance: { text: "Maintenance from A to B, in 3 h", cancels } }).text;
  assert.equal(text(true), "from A to B, in 3 h: this order is cancelled when trading pauses");
  assert.match(text(false), /stays on the book$/);
  assert.equal(previewLine("maintenance", { maintenance: null }).isPresent, false);
});
