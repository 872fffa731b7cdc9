import assert from "node:assert/strict";
import { test } from "node:test";
import { fieldText, FIELDS, readCriteria } from "../../../../static/js/rfq/maker/filter-model.js";
import {
  cells,
  edgeText,
  edges,
  held,
  listed,
  paceMs,
  passedWords,
  rowsInSight,
  streamWords,
} from "../../../../static/js/rfq/maker/incoming-model.js";
import * as quotes from "../../../../static/js/rfq/maker/quotes-model.js";

const NOW = 1_000_000;

/** A request of the stream. @param {Record<string, any>} [over] @returns {any} */
const request = (over = {}) => ({
  rfq_id: "r1",
  ticker: "KXNFL-26-A",
  title: "BUF wins",
  legs: [],
  is_combo: false,
  contracts: "2500.00",
  target_cost: null,
  created_ms: NOW - 400,
  seen_ms: NOW - 350,
  book_bid: "0.3800",
  book_ask: "0.4100",
  fair: "0.3940",
  fair_source: "mid",
  fair_why: "",
  position: "-40.00",
  suggested_yes: "0.3820",
  suggested_no: "0.5890",
  rule: "nfl-2leg",
  quote: null,
  ...over,
});

/** One of our quotes. @param {Record<string, any>} [over] @returns {any} */
const quote = (over = {}) => ({
  v: 1,
  key: "quote:1",
  rfq_id: "r1",
  ticker: "A",
  title: "A",
  legs: [],
  contracts: "100.00",
  target_cost: null,
  yes_bid: "0.3800",
  no_bid: "0.0000",
  policy: "manual",
  max_move: null,
  state: "open",
  state_text: "Open",
  error: "",
  rule: null,
  owner: { id: 1, name: "Quinn" },
  created_ms: NOW - 5_000,
  opened_ms: NOW - 4_000,
  ended_ms: null,
  ends_ms: null,
  is_end_verified: false,
  ...over,
});

test("a narrow column says first what tells a market from its neighbours", () => {
  const market = (/** @type {object} */ over) => cells(request(over), NOW, "cents").market;
  assert.equal(market({ title: "Fed funds rate: January: Above 4%" }), "Above 4%, Fed funds rate: January");
  assert.equal(market({ title: "Above 4%" }), "Above 4%");
  assert.equal(market({ title: "" }), "KXNFL-26-A");
  assert.equal(market({ title: "Two: legs", legs: [{ market_ticker: "A", side: "no", title: "X: Y" }] }), "NO Y");
});

test("a row of the stream reads as in the picture", () => {
  assert.deepEqual(cells(request(), NOW, "cents"), {
    age: "0.4 s",
    market: "BUF wins",
    size: "2,500",
    book: "38.0 / 41.0",
    fair: "39.4",
    yes: "38.2",
    no: "58.9",
    edge: "+1.2 / +1.7",
    held: "40 NO",
    match: "nfl-2leg",
  });
  const bare = cells(
    request({
      contracts: null,
      target_cost: "1000.0000",
      book_bid: null,
      fair: null,
      suggested_yes: null,
      suggested_no: null,
      position: null,
      rule: "",
    }),
    NOW,
    "cents",
  );
  assert.deepEqual(
    [bare.size, bare.book, bare.fair, bare.yes, bare.edge, bare.held, bare.match],
    ["$1,000", "- / 41.0", "-", "-", "-", "-", "yours"],
  );
});

test("an edge is what a hit earns; a side without a bid has none", () => {
  assert.deepEqual(edges(5_000, 4_800, 5_300), { yes: 200, no: -300 });
  assert.deepEqual(edges(null, 4_800, 5_300), { yes: null, no: null });
  assert.deepEqual(edges(5_000, 0, null), { yes: null, no: null });
  assert.deepEqual([edgeText(-305), edgeText(120), edgeText(null)], ["-3.1", "+1.2", "-"]);
});

test("nobody moves under the pointer, and figures still change", () => {
  const before = [request(), request({ rfq_id: "r0" })];
  const fresh = [request({ rfq_id: "r3" }), request({ rfq_id: "r2" }), request({ fair: "0.4000" })];
  const still = held(before, fresh, true);
  assert.deepEqual(
    still.rows.map((row) => [row["rfq_id"], row["fair"]]),
    [
      ["r1", "0.4000"],
      ["r0", "0.3940"],
    ],
  );
  assert.equal(still.waiting, 2);
  assert.deepEqual(held(before, fresh, false), { rows: fresh, waiting: 0 });
});

test("a fast stream changes once a second, a slow one at once", () => {
  assert.equal(paceMs(2), 250);
  assert.equal(paceMs(500), 1_000);
});

test("muted series and what was passed on are not listed; the muted are counted", () => {
  const rows = [request(), request({ rfq_id: "r2", ticker: "KXFED-1" }), request({ rfq_id: "r3", ticker: "KXFED-2" })];
  const left = listed(rows, { muted: new Set(["KXFED"]), passed: new Set(["r1"]) });
  assert.deepEqual(left, { rows: [], muted: 2 });
});

test("the words above the stream say what is hidden and whether it is live", () => {
  const frame = { hidden: 12_480, rate: "481.26", state: "live" };
  const live = streamWords(frame, { isFresh: true, muted: 3, filterName: "nfl" });
  assert.deepEqual(live, { text: "filter: nfl · 12,480 hidden · 3 muted · 481.3 a second", state: "live" });
  assert.equal(streamWords(frame, { isFresh: false, muted: 0, filterName: "" }).state, "stale");
  assert.match(
    streamWords({ ...frame, state: "down" }, { isFresh: true, muted: 0, filterName: "" }).text,
    /stream down$/,
  );
  assert.equal(streamWords(null, { isFresh: true, muted: 0, filterName: "" }).state, "stale");
});

test("a filter's form says only what filters, and faults by field", () => {
  const { criteria, faults } = readCriteria({
    text: " super bowl ",
    series: "kxnfl, KXFED kxcpi",
    categories: "Sports, Climate and Weather",
    combos: "only",
    max_legs: "3",
    min_cost: "$1,000",
    max_cost: "x",
    closes_within_s: "",
    with_fair: true,
    quoted_before: false,
  });
  assert.deepEqual(criteria, {
    text: "super bowl",
    series: ["KXNFL", "KXFED", "KXCPI"],
    categories: ["Sports", "Climate and Weather"],
    combos: "only",
    max_legs: 3,
    min_cost: "1000",
    with_fair: true,
  });
  assert.deepEqual(Object.keys(faults), ["max_cost"]);
  assert.deepEqual(readCriteria({ combos: "any" }), { criteria: {}, faults: {} });
  const series = FIELDS.find(({ name }) => name === "series");
  assert.equal(series && fieldText(criteria, series), "KXNFL, KXFED, KXCPI");
});

test("our quotes: the accepted first, then the open; distance to fair now", () => {
  const rows = [
    quote({ key: "quote:3", state: "cancelled", state_text: "Ended", created_ms: NOW }),
    quote({ key: "quote:1" }),
    quote({ key: "quote:2", state: "accepted", created_ms: 1 }),
    quote({ key: "quote:4", created_ms: NOW }),
  ];
  const keys = (/** @type {boolean} */ withEnded) => quotes.ordered(rows, withEnded).map((row) => row["key"]);
  assert.deepEqual(keys(false), ["quote:2", "quote:4", "quote:1"]);
  assert.deepEqual(keys(true).at(-1), "quote:3");
  assert.deepEqual(quotes.distance(quote(), 3_700), { text: "-1.0 / -", isBad: true });
  assert.deepEqual(quotes.distance(quote(), null), { text: "-", isBad: false });
});

test("an ended quote says whether fills were read", () => {
  const look = { now: NOW, format: /** @type {const} */ ("cents"), fair: null };
  assert.equal(quotes.cells(quote({ state: "cancelled" }), look).verified, "fills not read yet");
  assert.equal(
    quotes.cells(quote({ state: "cancelled", is_end_verified: true }), look).verified,
    "not filled: verified",
  );
  const own = quotes.cells(quote({ ends_ms: NOW + 8_000, policy: "auto", max_move: "0.0150" }), look);
  assert.deepEqual([own.age, own.left, own.policy, own.no], ["4.0 s", "8.0 s", "auto, at most 1.5¢ against", "-"]);
});

test("the scope of a pull of all is said in words, and leaves out what cannot be pulled", () => {
  const rows = [
    quote(),
    quote({ key: "quote:2", ticker: "B", title: "B" }),
    quote({ key: "quote:3" }),
    quote({ key: "quote:4", state: "accepted" }),
    quote({ key: "quote:5", state_text: "Being pulled" }),
  ];
  assert.equal(quotes.scopeWords(rows), "3 quotes in 2 markets");
  assert.deepEqual(quotes.scopeLines(rows), ["A: 2 quotes", "B: 1 quote"]);
  assert.deepEqual(quotes.scopeLines(rows, 1), ["A: 2 quotes", "and 1 more market"]);
});

test("what was passed on is taken back by name, and says by whom and why", () => {
  const row = { rfq_id: "a", ticker: "KXA-1", by: { id: 1, name: "Ada" }, reason: "thin", at_ms: 1 };
  assert.deepEqual(passedWords(row), { text: "Show KXA-1 again", title: "Passed on by Ada: thin" });
  assert.equal(passedWords({ ...row, by: null, reason: "" }).title, "Passed on by somebody");
});

test("of a list that moves by itself only what is in sight is drawn", () => {
  assert.equal(rowsInSight(0), 12);
  assert.equal(rowsInSight(280), 14);
  assert.ok(rowsInSight(1_080) * 28 > 1_080);
});
