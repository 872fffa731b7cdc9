import assert from "node:assert/strict";
import { test } from "node:test";

import { createArming, createWakefulClock } from "../../../static/js/market/arming.js";

/** Timers under the test's hand; running due ones may set others. */
function fakeTimers() {
  let at = 0;
  let ids = 0;
  /** @type {Map<number, {run: () => void, due: number}>} */
  const waiting = new Map();
  return {
    set(/** @type {() => void} */ run, /** @type {number} */ ms) {
      waiting.set(++ids, { run, due: at + ms });
      return ids;
    },
    clear: (/** @type {number} */ id) => void waiting.delete(id),
    now: () => at,
    pass(/** @type {number} */ ms) {
      const end = at + ms;
      for (;;) {
        const next = [...waiting].filter(([, each]) => each.due <= end).sort((a, b) => a[1].due - b[1].due)[0];
        if (!next) break;
        at = next[1].due;
        waiting.delete(next[0]);
        next[1].run();
      }
      at = end;
    },
  };
}

function arming() {
  const timers = fakeTimers();
  /** @type {import("../../../static/js/market/arming.js").ArmedState[]} */
  const told = [];
  return { timers, told, made: createArming({ lapseMs: 30_000, onChange: (state) => told.push(state), timers }) };
}

test("unused, it lapses and says why", () => {
  const { made, timers, told } = arming();
  made.arm();
  timers.pass(29_999);
  assert.equal(made.state.isArmed, true);

  timers.pass(1);

  assert.equal(made.state.isArmed, false);
  assert.match(told.at(-1)?.why ?? "", /lapsed after 30 s/);
  assert.equal(made.use("x"), false);
});

test("each use gives it the whole time again, and the countdown is told each second", () => {
  const { made, timers, told } = arming();
  made.arm();
  timers.pass(20_000);

  assert.equal(made.use("buy 42"), true);

  assert.equal(made.state.leftMs, 30_000);
  timers.pass(29_000);
  assert.equal(made.state.isArmed, true);
  assert.ok(told.length >= 49, `told ${told.length} times`);
});

test("a timer that comes late does not let a click through", () => {
  const { made, timers } = arming();
  made.arm();
  const { now } = timers;
  timers.now = () => now() + 31_000; // the tab was throttled: no timer ran

  assert.equal(made.use("buy 42"), false);
  assert.equal(made.state.isArmed, false);
});

test("a double click is one order, another price is another", () => {
  const { made, timers } = arming();
  made.arm();

  assert.deepEqual([made.use("buy 42"), made.use("buy 42"), made.use("buy 43")], [true, false, true]);
  timers.pass(600);
  assert.equal(made.use("buy 43"), true);
});

test("a reason to stop disarms at once, and nothing arms until it is gone", () => {
  const { made } = arming();
  made.arm();

  made.block("The book is not live");

  assert.deepEqual([made.state.isArmed, made.state.why], [false, "The book is not live"]);
  assert.equal(made.arm(), false);
  made.block("");
  assert.equal(made.state.isArmed, false, "it must be armed anew by hand");
  assert.equal(made.arm(), true);
});

test("what was armed before the machine slept is armed no more", () => {
  const clocks = { mono: 5_000, wall: 1_700_000_000_000 };
  const now = createWakefulClock(
    () => clocks.mono,
    () => clocks.wall,
  );
  /** @type {import("../../../static/js/market/arming.js").ArmedState[]} */
  const told = [];
  const timers = { set: () => 0, clear: () => {}, now };
  const made = createArming({ lapseMs: 30_000, onChange: (state) => told.push(state), timers });
  made.arm();
  clocks.mono += 2_000; // this clock stood still in the sleep
  clocks.wall += 3_600_000;
  assert.equal(made.use("buy_yes:4000:100"), false);
  assert.equal(made.state.isArmed, false);
  made.arm();
  clocks.mono += 2_000;
  clocks.wall -= 3_600_000; // set back: it lives no longer for that
  assert.equal(made.use("buy_yes:4000:100"), true);
  clocks.mono += 30_000;
  assert.equal(made.use("buy_yes:4000:200"), false);
});
