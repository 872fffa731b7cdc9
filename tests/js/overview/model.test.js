import assert from "node:assert/strict";
import { test } from "node:test";

import { happenedOf, healthOf, requestsOf, windowsOf, workingOf } from "../../../static/js/overview/model.js";

/** @type {import("../../../static/js/overview/model.js").Look} */
const LOOK = { format: "cents", nameOf: (ticker) => ({ T: "Above 4 %" })[ticker] ?? ticker };

const ORDER = {
  key: "intent:1",
  ticker: "T",
  book_side: "bid",
  outcome_side: "yes",
  entered_as: "buy_yes",
  price: "0.4200",
  count: "10.00",
  remaining: "6.00",
  state: "resting",
  state_text: "Resting",
  is_working: true,
  created_ms: 1_000,
  updated_ms: 2_000,
};

test("working orders: those of which nothing is known above, then the newest; what has ended is not there", () => {
  const rows = [
    ORDER,
    { ...ORDER, key: "intent:2", created_ms: 5_000 },
    { ...ORDER, key: "intent:3", state: "unknown", state_text: "Unknown", is_working: false, created_ms: 1 },
    { ...ORDER, key: "intent:4", state: "executed", is_working: false },
  ];
  const found = workingOf(rows, LOOK);
  assert.deepEqual(
    found.map((one) => one.key),
    ["intent:3", "intent:2", "intent:1"],
  );
  assert.deepEqual([found[0]?.left, found[0]?.isUnknown], ["-", true]);
  assert.deepEqual([found[1]?.left, found[1]?.of, found[1]?.price, found[1]?.name], ["6", "10", "42¢", "Above 4 %"]);
});

test("open requests: the best of the quotes that stand, a dash where nobody offers", () => {
  const request = {
    key: "rfq:1",
    title: "T",
    is_open: true,
    contracts: "100.00",
    state: "open",
    state_text: "Live, 2 quotes",
  };
  const quotes = [
    { state: "open", buy_yes: "0.4500", buy_no: null },
    { state: "open", buy_yes: "0.4310", buy_no: null },
    { state: "cancelled", buy_yes: "0.1000", buy_no: "0.1000" },
  ];
  const [one] = requestsOf(
    [
      { ...request, quotes },
      { ...request, key: "rfq:2", is_open: false, state: "closed" },
    ],
    LOOK,
  );
  assert.deepEqual([one?.yes, one?.no, one?.quotes, one?.size], ["43.1¢", "-", 2, "100"]);
  assert.equal(requestsOf([{ ...request, is_open: false, state: "closed", quotes }], LOOK).length, 0);
});

test("windows: the shortest first, with the time that is left to decide", () => {
  const row = {
    key: "confirm:1",
    title: "T",
    state: "open",
    decision: "",
    accepted_side: "yes",
    contracts: "5.00",
    price: "0.4000",
  };
  const more = { cost: "2.0000", decide_by_ms: 12_340, send_by_ms: 13_000, state_text: "Confirm, or let it lapse" };
  const found = windowsOf(
    [
      { ...row, ...more, key: "confirm:2", decide_by_ms: 20_000, send_by_ms: 21_000 },
      { ...row, ...more },
      { ...row, ...more, key: "confirm:3", state: "lapsed" },
    ],
    LOOK,
    10_000,
  );
  assert.deepEqual(
    found.map((one) => [one.key, one.state, one.waits]),
    [
      ["confirm:1", "2.3 s to decide", true],
      ["confirm:2", "10.0 s to decide", true],
    ],
  );
});

test("last events: of all kinds by time, each once, at most so many; why an order was refused is said", () => {
  const fill = {
    key: "t:o",
    ticker: "T",
    outcome_side: "no",
    outcome_price: "0.5800",
    count: "4.00",
    traded_ms: 3_000,
  };
  const refused = {
    ...ORDER,
    key: "intent:9",
    state: "refused",
    error: "Not enough cash.",
    updated_ms: 4_000,
    is_working: false,
  };
  const told = {
    fills: [fill],
    orders: [ORDER, refused],
    rfqs: [
      { key: "rfq:1", title: "T", state_text: "Closed: expired", closed_ms: 2_000 },
      { key: "rfq:2", closed_ms: null },
    ],
    confirms: [
      {
        key: "confirm:1",
        title: "T",
        state: "missed",
        state_text: "Missed",
        window_ends_ms: 5_000,
        executed_ms: null,
        decided_ms: null,
      },
    ],
  };
  const found = happenedOf(told, LOOK, 10);
  assert.deepEqual(
    found.map((one) => [one.kind, one.level]),
    [
      ["window", "danger"],
      ["refused", "danger"],
      ["fill", "ok"],
      ["rfq", ""],
    ],
  );
  assert.equal(found[1]?.text, "BUY YES 10 at 42¢, Above 4 %: Not enough cash.");
  assert.equal(found[2]?.text, "4 NO at 58¢, Above 4 %");
  assert.equal(happenedOf(told, LOOK, 2).length, 2);
});

/** @type {Parameters<typeof healthOf>[0]} */
const WELL = {
  exchange: { text: "Trading open", level: "ok" },
  feed: { text: "Feed live", state: "live", tip: "" },
  cashMs: 90_000,
  breaks: 0,
  trading: { pauses: [], recovering: false, gate: null },
  tokens: { read: { tokens: 200, capacity: 200 }, write: { tokens: 100, capacity: 100 }, degraded: false },
  more: [],
  now: 100_000,
};

test("health: all well is said of each source; what is not known is not well", () => {
  assert.ok(healthOf(WELL).every((one) => one.level === "ok"));
  const unknown = healthOf({
    ...WELL,
    exchange: { text: "Exchange -", level: "" },
    feed: { text: "Feed stale", state: "stale", tip: "stale 7 s" },
    cashMs: null,
    trading: null,
    tokens: null,
  });
  assert.deepEqual(
    unknown.filter((one) => one.level === "warning").map((one) => one.name),
    ["exchange", "feed", "cash", "trading", "tokens"],
  );
});

test("health: what does not work stands above what needs a look, and both above what is well", () => {
  const found = healthOf({
    ...WELL,
    cashMs: 1_000,
    breaks: 2,
    trading: { pauses: [{ level: "kill", by: "lead" }] },
    tokens: { ...WELL.tokens, write: { tokens: 20, capacity: 100 } },
  });
  assert.deepEqual(
    found.slice(0, 4).map((one) => [one.name, one.level]),
    [
      ["trading", "danger"],
      ["cash", "warning"],
      ["positions", "warning"],
      ["tokens", "warning"],
    ],
  );
  assert.equal(found.find((one) => one.name === "positions")?.text, "2 differ from the exchange");
});
