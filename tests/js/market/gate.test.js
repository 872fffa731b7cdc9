import assert from "node:assert/strict";
import { test } from "node:test";

import { gateWords, isMaintenance, pauseWords } from "../../../static/js/market/gate.js";

const OPEN = {
  feed: "live",
  feedWords: "",
  exchangeActive: true,
  tradingActive: true,
  pause: "",
  resume: "",
  status: "active",
  result: "",
  settlementValue: "",
  closeMs: 2_000,
  closed: "",
  nowMs: 1_000,
};

test("an open market with a live book lets orders go", () => {
  assert.deepEqual(gateWords(OPEN), { reason: "", next: "" });
  assert.equal(gateWords({ ...OPEN, exchangeActive: null, tradingActive: null, closeMs: 0 }).reason, "");
});

test("each state of a market has its own words", () => {
  const words = (/** @type {object} */ change) => gateWords({ ...OPEN, ...change }).reason;

  assert.match(words({ status: "closed" }), /closed and waits for its result/);
  assert.match(words({ status: "determined", result: "no" }), /decided with NO/);
  assert.match(words({ status: "finalized", result: "yes" }), /settled with YES/);
  assert.match(
    words({ status: "finalized", result: "void", settlementValue: "0.5000" }),
    /as void: YES pays \$0\.50, NO \$0\.50/,
  );
  assert.match(
    words({ status: "determined", result: "scalar", settlementValue: "0.3750" }),
    /by value: YES pays \$0\.375, NO \$0\.625/,
  );
  assert.match(words({ status: "determined", result: "scalar" }), /decided by value and not yet paid/);
  assert.match(words({ status: "inactive" }), /paused this market/);
  assert.match(words({ status: "initialized" }), /not opened yet/);
  assert.match(words({ status: "something_new" }), /something new/);
  assert.match(words({ nowMs: 2_000 }), /has closed/);
});

test("pauses say until when, a lost book says why", () => {
  const words = (/** @type {object} */ change) => gateWords({ ...OPEN, ...change }).reason;

  assert.equal(words({ tradingActive: false, resume: "14:30" }), "Trading is paused at the exchange until 14:30");
  assert.equal(
    words({ tradingActive: false, feed: "down", feedWords: "no line" }),
    "Trading is paused at the exchange",
  );
  assert.equal(words({ pause: "Trading was paused here by lead" }), "Trading was paused here by lead");
  assert.equal(words({ exchangeActive: false }), "The exchange is closed");
  assert.equal(
    words({ feed: "stale", feedWords: "stale 7 s: reconnecting" }),
    "The book is not live (stale 7 s: reconnecting)",
  );
});

test("only what ends says that nothing more is taken", () => {
  assert.match(gateWords({ ...OPEN, status: "finalized" }).next, /No more orders/);
  assert.match(gateWords({ ...OPEN, tradingActive: false }).next, /cancels still do\. What rests stays/);
  assert.match(gateWords({ ...OPEN, exchangeActive: false }).next, /Neither orders nor cancels/);
  assert.match(gateWords({ ...OPEN, status: "inactive" }).next, /cancels every order that rests here/);
  assert.match(gateWords({ ...OPEN, nowMs: 2_000 }).next, /and no cancels/);
});

test("the weekly maintenance is known by New York's clock, in summer and winter", () => {
  assert.equal(isMaintenance(Date.parse("2026-07-16T07:00:00Z")), true); // Thursday 3:00, summer time
  assert.equal(isMaintenance(Date.parse("2026-07-16T06:59:59Z")), false);
  assert.equal(isMaintenance(Date.parse("2026-11-26T09:59:59Z")), true); // Thursday 4:59, winter time
  assert.equal(isMaintenance(Date.parse("2026-11-26T10:00:00Z")), false);
  assert.equal(isMaintenance(Date.parse("2026-11-27T08:30:00Z")), false); // a Friday
  const paused = {
    ...OPEN,
    tradingActive: false,
    nowMs: Date.parse("2026-11-26T09:00:00Z"),
    closeMs: 0,
    resume: "10:00",
  };
  assert.equal(
    gateWords(paused).reason,
    "Trading is paused at the exchange until 10:00, for its weekly maintenance (Thursdays 3:00 to 5:00 in New York)",
  );
});

test("a pause holds back whom it names, or everybody", () => {
  const pause = (/** @type {number | null} */ user_id, why = "") => ({ pauses: [{ user_id, why }] });

  assert.equal(pauseWords(null, "7"), "");
  assert.equal(pauseWords(pause(8), "7"), "");
  assert.equal(pauseWords(pause(7), "7"), "Your trading is paused");
  assert.equal(pauseWords(pause(null, "news"), "7"), "Trading is paused for the whole desk: news");
  assert.match(pauseWords({ recovering: true }, "7"), /writing down/);
  assert.match(pauseWords({ gate: { closed_ms: 1 } }, "7"), /without naming them/);
  assert.equal(pauseWords({ gate: null }, "7"), "");
});

test("a close by the exchange's own schedule says when it opens, unless the exchange says more", () => {
  const closed = "Exchange closed by its schedule, opens Thu 05:00 ET (10:00 UTC)";
  const words = (/** @type {object} */ change) => gateWords({ ...OPEN, closed, ...change }).reason;
  assert.equal(words({ tradingActive: false }), closed);
  assert.equal(words({}), "");
  assert.match(words({ tradingActive: false, resume: "11:30" }), /paused at the exchange until 11:30/);
});

test("without the desk no cancel is promised, whatever else was known", () => {
  for (const known of [{}, { tradingActive: false }, { pause: "Your trading is paused" }]) {
    const told = gateWords({ ...OPEN, ...known, isLinked: false, feed: "stale", feedWords: "stale 7 s: no network" });
    assert.equal(told.reason, "No connection to the desk (stale 7 s: no network)");
    assert.match(told.next, /cancels neither/);
  }
  assert.match(gateWords({ ...OPEN, isLinked: false, status: "settled" }).reason, /has settled/);
});
