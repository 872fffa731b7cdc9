import assert from "node:assert/strict";
import { test } from "node:test";
import { age, isSilent, numbersIn, numbersOut, stateOf, summary } from "../../../static/js/fix/session-model.js";

const NOW = 1_800_000_000_000;
const ROW = {
  is_up: true,
  is_wanted: true,
  heartbeat: 30,
  last_in_ms: NOW - 20_000,
  state_text: "Logged on",
  tone: "ok",
  advice: "",
  next_in: 42,
  next_out: 7,
  gap_to: null,
};

test("numbers say what came, what is expected and what is missing", () => {
  assert.equal(numbersIn(ROW), "41, next 42");
  assert.equal(numbersIn({ ...ROW, gap_to: 50 }), "41, next 42, missing to 50");
  assert.equal(numbersOut(ROW), "6, next 7");
});

test("a session that is logged on and hears nothing is not well", () => {
  assert.equal(isSilent(ROW, NOW), false);
  assert.equal(isSilent({ ...ROW, last_in_ms: NOW - 72_001 }, NOW), true);
  assert.equal(isSilent({ ...ROW, last_in_ms: null }, NOW), true);
  assert.equal(isSilent({ ...ROW, is_up: false, last_in_ms: null }, NOW), false);
  assert.deepEqual(stateOf(ROW, NOW), { text: "Logged on", tone: "ok", advice: "" });
  const silent = stateOf({ ...ROW, last_in_ms: NOW - 100_000 }, NOW);
  assert.equal(silent.tone, "warning");
  assert.match(silent.text, /silent/);
});

test("the summary counts what is logged on of what was started", () => {
  assert.equal(summary([], NOW), "");
  assert.equal(summary([{ ...ROW, is_wanted: false, is_up: false }], NOW), "none is started");
  assert.equal(summary([ROW], NOW), "1 of 1 started session logged on");
  assert.equal(summary([ROW, { ...ROW, last_in_ms: 0 }], NOW), "1 of 2 started sessions logged on");
});

test("no time is a dash", () => {
  assert.equal(age(null, NOW), "-");
  assert.equal(age(NOW - 7_000, NOW), "7 s");
});
