import assert from "node:assert/strict";
import { test } from "node:test";
import {
  TENTHS,
  firstDraft,
  hit,
  movedBid,
  previewWords,
  readBid,
  readQuote,
  sendWords,
  sideGrid,
  widthOf,
  widthWords,
  worstContracts,
} from "../../../../static/js/rfq/maker/ticket-model.js";

const CENTS = Array.from({ length: 99 }, (_, at) => (at + 1) * 100);

/** @param {Record<string, any>} [over] @returns {any} */
const request = (over = {}) => ({
  rfq_id: "r1",
  is_combo: false,
  contracts: "100.00",
  target_cost: null,
  fair: "0.4000",
  position: "0.00",
  suggested_yes: "0.3800",
  suggested_no: "0.5800",
  ...over,
});

/** @param {Record<string, any>} [over] @returns {any} */
const draft = (over = {}) => ({
  yes: "38",
  no: "58",
  sides: "both",
  policy: "manual",
  insists: false,
  maxMove: "",
  endsIn: "",
  postOnly: false,
  restRemainder: false,
  ...over,
});

test("arrows move a bid along the market's own grid, from the suggestion when nothing is typed", () => {
  assert.equal(movedBid("38", 1, CENTS, null), "39");
  assert.equal(movedBid("38", -5, CENTS, null), "33");
  assert.equal(movedBid("38.5", 1, CENTS, null), "39");
  assert.equal(movedBid("", 1, CENTS, 3_800), "38");
  assert.equal(movedBid("38", 1, TENTHS, null), "38.1");
  assert.equal(movedBid("99", 5, CENTS, null), "99");
});

test("a NO bid is on the grid when the ask that it becomes is", () => {
  const prices = [10, 100, 200]; // one cent and two, and a tenth of a cent
  assert.deepEqual(sideGrid(prices, "no"), [9_800, 9_900, 9_990]);
  assert.equal(readBid("99.9", sideGrid(prices, "no")).fault, "");
  assert.match(readBid("99.8", sideGrid(prices, "no")).fault, /between this market's steps. The next lower one is 99¢/);
  assert.match(readBid("", CENTS).fault, /Enter a price/);
  assert.equal(readBid("38.25", null).fault, ""); // an unknown grid refuses nothing: the desk checks
});

test("the width has a guard: together over a dollar is refused", () => {
  assert.equal(widthOf(3_800, 0), null);
  assert.deepEqual(widthWords(widthOf(3_800, 5_800)), { text: "4¢", tone: "" });
  assert.equal(widthWords(0).tone, "warning");
  assert.equal(widthWords(-100).tone, "danger");
  const read = readQuote(draft({ yes: "45", no: "58" }), request(), CENTS);
  assert.equal(read.values, null);
  assert.match(read.faults["yes_bid"] ?? "", /3¢ over \$1/);
});

test("the worst size of a target cost never understates, by either reading", () => {
  assert.equal(worstContracts(request(), 3_800), 10_000);
  // $100 at 60 cents are 166.67 contracts, at 40 cents 250.
  assert.equal(worstContracts(request({ contracts: null, target_cost: "100.0000" }), 4_000), 25_000);
  assert.equal(worstContracts(request({ contracts: "0.00", target_cost: "100.0000" }), 3_000), 33_334);
  assert.equal(worstContracts(request({ contracts: null }), 4_000), null);
  assert.equal(worstContracts(request(), 0), null);
});

test("a hit says contracts, cost, edge, and what we would hold and risk", () => {
  assert.deepEqual(hit(request(), "yes", 3_800), {
    contracts: "100",
    cost: "$38",
    after: "100 YES",
    risk: "$38",
    edge: 200,
  });
  assert.deepEqual(hit(request({ position: "150.00" }), "no", 5_800), {
    contracts: "100",
    cost: "$58",
    after: "50 YES",
    risk: "$21",
    edge: 200,
  });
  assert.equal(hit(request({ position: null }), "yes", 3_800).after, "not known");
  assert.equal(hit(request(), "yes", 0).contracts, "-");
});

test("what is sent are exact values; a side that is not quoted is zero", () => {
  assert.deepEqual(readQuote(draft({ sides: "yes", no: "x", postOnly: true, endsIn: "60" }), request(), CENTS).values, {
    rfq_id: "r1",
    yes_bid: "0.3800",
    no_bid: "0.0000",
    post_only: true,
    rest_remainder: false,
    policy: "manual",
    ends_in_s: 60,
  });
  assert.equal(readQuote(draft({ policy: "auto", maxMove: "1.5" }), request(), CENTS).values?.["max_move"], "0.0150");
});

test("what cannot work is said next to its field", () => {
  const faults = (/** @type {any} */ over, /** @type {any} */ row = {}) =>
    readQuote(draft(over), request(row), CENTS).faults;
  assert.match(faults({ policy: "auto" })["max_move"] ?? "", /against us/);
  assert.match(faults({ endsIn: "10" })["ends_in_s"] ?? "", /30 s/);
  assert.match(faults({ endsIn: "soon" })["ends_in_s"] ?? "", /Whole seconds/);
  assert.match(faults({}, { is_combo: true })["policy"] ?? "", /3 s to confirm/);
  assert.deepEqual(faults({ insists: true, endsIn: "5" }, { is_combo: true }), {});
  assert.equal(readQuote(draft({ insists: true }), request({ is_combo: true }), CENTS).values?.["insists"], true);
});

test("a ticket opens with the suggestions, or with what our open quote says", () => {
  assert.deepEqual([firstDraft(request(), undefined).yes, firstDraft(request(), undefined).policy], ["38", "manual"]);
  assert.equal(firstDraft(request({ is_combo: true }), undefined).policy, "auto");
  const open = { yes_bid: "0.3610", no_bid: "0.0000", policy: "auto", max_move: "0.0200", post_only: true };
  const again = firstDraft(request(), open);
  assert.deepEqual([again.yes, again.no, again.sides, again.maxMove, again.postOnly], ["36.1", "", "yes", "2", true]);
});

test("the button says what it sends", () => {
  assert.equal(sendWords(3_820, 5_890, false), "Quote YES 38.2¢ · NO 58.9¢");
  assert.equal(sendWords(0, 5_890, true), "Replace with NO 58.9¢");
  assert.equal(sendWords(0, 0, false), "Quote");
});

test("the desk's preview adds fees, and what to be warned of", () => {
  const told = {
    yes: { bid: "0.3800", fee: "1.6500", fee_worst: "1.7000", fee_maker: "0.4200", edge_total: "2.0000" },
    no: { bid: "0.0000", fee: null, fee_worst: null, fee_maker: null, edge_total: null },
    cash: "25000.0000",
    warnings: [{ code: "crosses", text: "It would take from the book." }],
    limits: [
      { name: "max_count", ok: true, text: "" },
      { name: "max_notional", ok: false, text: "Over your limit of $10." },
    ],
    approval: "",
  };
  assert.deepEqual(previewWords(told), {
    lines: [
      ["Fee if YES is hit", "$0.42 / $1.65 / $1.70"],
      ["Edge of YES in all", "$2"],
      ["Cash", "$25,000"],
    ],
    warnings: ["It would take from the book.", "Over your limit of $10."],
  });
  assert.deepEqual(previewWords({ yes: { bid: "0.1000" } }).lines, [["Fee if YES is hit", "not known"]]);
});
