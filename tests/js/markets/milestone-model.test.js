import assert from "node:assert/strict";
import { test } from "node:test";
import { ageOf, clockWords, noteOf, phaseOf, STALE_AFTER_MS } from "../../../static/js/markets/milestone-model.js";

const HOUR = 3_600_000;
const base = { startMs: 10 * HOUR, endMs: 12 * HOUR, nowMs: 9 * HOUR, frame: null };
/** @param {Partial<import("../../../static/js/markets/milestone-model.js").Frame>} [over] */
const frame = (over) => ({ read_ms: 1_000, why: "", has_live: true, ...over });

test("the hours say when it is, until live data say otherwise", () => {
  assert.deepEqual(phaseOf(base), { phase: "before", text: "starts in 01:00:00" });
  assert.deepEqual(phaseOf({ ...base, nowMs: 11 * HOUR }), { phase: "live", text: "under way, ends in 01:00:00" });
  assert.deepEqual(phaseOf({ ...base, nowMs: 15 * HOUR }), { phase: "over", text: "ended 3 h ago" });
  assert.deepEqual(phaseOf({ ...base, endMs: null, nowMs: 13 * HOUR }), { phase: "over", text: "was 3 h ago" });
  assert.deepEqual(phaseOf({ ...base, startMs: null, endMs: null }), { phase: "", text: "" });
});

test("a game that runs over is live, one that begins late is not, and one that is over is over", () => {
  const live = frame({ phase: "live", status: "half time" });
  assert.deepEqual(phaseOf({ ...base, nowMs: 13 * HOUR, frame: live }), { phase: "live", text: "half time" });
  const late = frame({ phase: "before", status: "delayed" });
  assert.deepEqual(phaseOf({ ...base, nowMs: 11 * HOUR, frame: late }), {
    phase: "before",
    text: "delayed, was due 60 min ago",
  });
  assert.equal(phaseOf({ ...base, frame: late }).text, "starts in 01:00:00, delayed");
  const over = frame({ phase: "over", status: "final" });
  assert.deepEqual(phaseOf({ ...base, nowMs: 11 * HOUR, frame: over }), { phase: "over", text: "final" });
});

test("an age is said in whole seconds, and what is old, unread or cut off is never live", () => {
  const facts = { link: "live", isFresh: true, frame: frame(), nowMs: 4_600 };
  assert.deepEqual(ageOf(facts), { state: "live", text: "as of 3 s ago" });
  assert.equal(ageOf({ ...facts, nowMs: 1_001 + STALE_AFTER_MS }).state, "stale");
  assert.deepEqual(ageOf({ ...facts, frame: frame({ why: "maintenance" }), nowMs: 8_000 }), {
    state: "stale",
    text: "stale, as of 7 s ago",
  });
  assert.equal(ageOf({ ...facts, link: "connecting" }).state, "stale");
  assert.equal(ageOf({ ...facts, isFresh: false }).state, "stale");
  assert.deepEqual(ageOf({ ...facts, frame: frame({ read_ms: null, why: "no route" }) }), {
    state: "down",
    text: "not read",
  });
  assert.deepEqual(ageOf({ ...facts, frame: null }), { state: "down", text: "waiting for the exchange" });
});

test("the clock shows only while it runs, and a note says what is missing", () => {
  assert.equal(clockWords(frame({ phase: "live", period: "Quarter 3", clock: "4:12" })), "Quarter 3, 4:12");
  assert.equal(clockWords(frame({ phase: "over", period: "Quarter 4", clock: "0:00" })), "");
  assert.equal(noteOf(null), "");
  assert.equal(noteOf(frame({ why: "status 503" })), "The exchange did not answer: status 503");
  assert.match(noteOf(frame({ has_live: false })), /no live data/);
  assert.match(noteOf(frame({ is_cut: true })), /More was sent/);
});
