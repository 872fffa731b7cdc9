import assert from "node:assert/strict";
import { test } from "node:test";

import { createAttempt } from "../../../static/js/market/ticket-attempt.js";

/** @param {Map<string, string>} [kept] */
function setup(kept = new Map()) {
  const store = {
    getItem: (/** @type {string} */ key) => kept.get(key) ?? null,
    setItem: (/** @type {string} */ key, /** @type {string} */ value) => void kept.set(key, value),
    removeItem: (/** @type {string} */ key) => void kept.delete(key),
  };
  const clock = { ms: 1_000_000 };
  let made = 0;
  const attempt = createAttempt(store, "order", { now: () => clock.ms, newKey: () => `key-${(made += 1)}` });
  return { attempt, clock, kept };
}

test("what may be on its way keeps its key for the same terms, also over a reload", () => {
  const { attempt, kept } = setup();
  assert.equal(attempt.begin("buy 5 at 40"), "key-1");
  assert.equal(attempt.begin("buy 5 at 40"), "key-1");
  const reloaded = setup(kept).attempt;
  assert.equal(reloaded.key, "key-1");
  assert.equal(reloaded.begin("buy 5 at 40"), "key-1");
});

test("other terms are another order", () => {
  const { attempt } = setup();
  attempt.begin("buy 5 at 40");
  assert.equal(attempt.begin("buy 6 at 40"), "key-2");
});

test("a double press is one order, a later one or one after a touch is another", () => {
  const { attempt, clock } = setup();
  attempt.begin("buy 5 at 40");
  assert.equal(attempt.isRepeat("buy 5 at 40"), false); // not answered: its key makes it one order
  attempt.taken();
  assert.equal(attempt.key, "");
  assert.equal(attempt.isRepeat("buy 5 at 40"), true);
  assert.equal(attempt.isRepeat("buy 6 at 40"), false);
  clock.ms += 999;
  assert.equal(attempt.isRepeat("buy 5 at 40"), true);
  clock.ms += 1;
  assert.equal(attempt.isRepeat("buy 5 at 40"), false);
  attempt.begin("buy 5 at 40");
  attempt.taken();
  attempt.touched();
  assert.equal(attempt.isRepeat("buy 5 at 40"), false);
});

test("a refused order may be sent again at once, as a new one", () => {
  const { attempt, kept } = setup();
  attempt.begin("buy 5 at 40");
  attempt.forget();
  assert.equal(kept.size, 0);
  assert.equal(attempt.isRepeat("buy 5 at 40"), false);
  assert.equal(attempt.begin("buy 5 at 40"), "key-2");
});

test("what is in no list blocks no later page, and stays one order on this one", () => {
  const { attempt, kept } = setup();
  attempt.begin("buy 5 at 40");
  attempt.shelve();
  assert.equal(setup(kept).attempt.key, "");
  assert.equal(attempt.key, "key-1");
  assert.equal(attempt.begin("buy 5 at 40"), "key-1");
});
