import assert from "node:assert/strict";
import { test } from "node:test";
import { barWords, gateLine, haltDeed, pauseLine, runLine } from "../../../static/js/orders/halt-model.js";

const NAMES = { 7: "Tess", 8: "Lee" };
/** @param {Record<string, any>} [over] @returns {any} */
const pause = (over = {}) => ({
  id: 1,
  scope: "person",
  user_id: 7,
  why: "",
  by: 7,
  at_ms: 0,
  needs_lead: false,
  ...over,
});
/** @param {Record<string, any>} [over] @returns {any} */
const run = (over = {}) => ({ id: 1, ticker: "", left: 7, unresolved: 0, why: "", started_ms: 0, by: 7, ...over });
/** @param {Record<string, any>} [over] @returns {any} */
const frame = (over = {}) => ({ pauses: [], cancel_runs: [], recovering: false, ...over });
const look = { names: NAMES, person: "7", time: () => "12:00:00", mayRelease: false };

test("the bar says who is held back and how much is left of a cancel", () => {
  assert.deepEqual(barWords(null, "7"), { text: "", level: "" });
  assert.deepEqual(barWords(frame({ pauses: [pause()] }), "7"), { text: "You are paused", level: "danger" });
  assert.deepEqual(barWords(frame({ pauses: [pause()] }), "8"), { text: "1 person paused", level: "warning" });
  assert.deepEqual(barWords(frame({ cancel_runs: [run({ left: 1_200 })] }), "7"), {
    text: "Cancelling · 1,200 left",
    level: "warning",
  });
  const both = frame({ pauses: [pause({ user_id: null })], cancel_runs: [run({ left: 2, unresolved: 1 })] });
  assert.deepEqual(barWords(both, "8"), { text: "Desk paused · 3 left", level: "danger" });
  assert.deepEqual(barWords(frame({ recovering: true }), "7"), { text: "Recovering", level: "warning" });
});

test("a closed gate stands in the bar, and says why, until when, and who may open it", () => {
  const closed = frame({ gate: { closed_ms: 1 } });
  assert.deepEqual(barWords(closed, "7"), { text: "Sending stopped", level: "danger" });
  assert.equal(barWords({ ...closed, pauses: [pause()] }, "7").text, "You are paused");

  const line = gateLine({ closed_ms: 1 }, look);
  assert.match(line.text, /leaves since 12:00:00: the exchange accepted two orders in a row without naming them/);
  assert.deepEqual([line.canOpen, line.note], [false, "A lead may open it sooner."]);
  assert.deepEqual(gateLine({ closed_ms: 1 }, { ...look, mayRelease: true }).note, "");
});

test("only a lead releases what a lead or the whole desk's pause holds", () => {
  assert.deepEqual(pauseLine(pause({ why: "lunch" }), look), {
    text: "You, since 12:00:00 by you: lunch",
    canRelease: true,
    note: "",
  });
  const desk = pause({ user_id: null, by: 8, needs_lead: true });
  assert.deepEqual(pauseLine(desk, look), {
    text: "Everybody on this desk, since 12:00:00 by Lee",
    canRelease: false,
    note: "A lead releases it.",
  });
  assert.equal(pauseLine(desk, { ...look, mayRelease: true }).canRelease, true);
  assert.equal(pauseLine(pause({ user_id: 9 }), look).canRelease, false);
});

test("what is left of a cancel is said until nothing is", () => {
  const now = { names: NAMES, person: "8", nowMs: 4_000 };
  assert.equal(
    runLine(run({ left: 1, unresolved: 2, why: "Too many requests." }), now),
    "Cancel all in this account by Tess, 4.0 s ago: 1 order still working, 2 orders not known yet, cancelled as soon as found. The last refusal: Too many requests.",
  );
  assert.match(runLine(run({ ticker: "KXA", left: 0 }), now), /in KXA .*nothing seen any more, checking/);
  assert.match(runLine(run({ subaccounts: [2] }), now), /^Cancel all in subaccount 2 by Tess/);
  assert.match(runLine(run({ ticker: "KXA", subaccounts: [2, 5] }), now), /^Cancel all in KXA in subaccounts 2, 5 by/);
});

test("the button says exactly what it does", () => {
  assert.deepEqual(haltDeed("me", false), { text: "Pause me", command: "trading.pause", params: { scope: "me" } });
  assert.deepEqual(haltDeed("desk", true), {
    text: "Pause the desk and cancel all",
    command: "trading.pause",
    params: { scope: "desk", cancel: true },
  });
  assert.equal(haltDeed("nobody", true).command, "order.cancel_all");
  assert.equal(haltDeed("nobody", false).command, "");
});
