import assert from "node:assert/strict";
import { test } from "node:test";

import { createIdle } from "../../../static/js/core/idle.js";

/** A clock that moves only when told to, and a server that counts from the last act it was told of. */
function rig({ idleS = 120 } = {}) {
  let now = 0;
  let actedAt = 0;
  /** @type {Map<number, {run: () => void, at: number}>} */
  const waiting = new Map();
  let lastId = 0;
  const seen = { asked: 0, told: 0, warned: /** @type {number[]} */ ([]), calmed: 0, over: 0, isDown: false };
  const timers = {
    set: (/** @type {() => void} */ run, /** @type {number} */ ms) => {
      waiting.set(++lastId, { run, at: now + ms });
      return lastId;
    },
    clear: (/** @type {number} */ id) => void waiting.delete(id),
    mono: () => now,
  };
  const idle = createIdle({
    idleS,
    timers,
    async ask(isAct) {
      if (seen.isDown) return null;
      seen[isAct ? "told" : "asked"] += 1;
      if (isAct) actedAt = now;
      return idleS - (now - actedAt) / 1000;
    },
    warn: (leftS) => seen.warned.push(leftS),
    calm: () => void (seen.calmed += 1),
    over: () => void (seen.over += 1),
  });
  /** @param {number} seconds */
  async function pass(seconds) {
    const end = now + seconds * 1000;
    for (;;) {
      const due = [...waiting].filter(([, one]) => one.at <= end).toSorted(([, a], [, b]) => a.at - b.at)[0];
      if (!due) break;
      waiting.delete(due[0]);
      now = Math.max(now, due[1].at);
      due[1].run();
      await settle();
    }
    now = end;
  }
  return { idle, seen, pass, elsewhere: () => void (actedAt = now) };
}

const settle = () => new Promise((resolve) => setImmediate(resolve));

test("a minute before the end it warns, counts down, and the time is up", async () => {
  const { idle, seen, pass } = rig();
  idle.start();

  await pass(59);
  assert.deepEqual(seen.warned, []);
  await pass(2);
  assert.equal(seen.warned[0], 60);
  await pass(60);

  assert.equal(seen.over, 1);
  assert.equal(Math.min(...seen.warned), 1);
});

test("one act during the warning takes it away", async () => {
  const { idle, seen, pass } = rig();
  idle.start();
  await pass(80);

  idle.act();
  await settle();

  assert.equal(seen.calmed, 1);
  await pass(59);
  assert.equal(seen.over, 0);
});

test("acts are told of every twenty seconds at most, and put the warning off", async () => {
  const { idle, seen, pass } = rig();
  idle.start();

  for (let second = 0; second < 100; second += 1) {
    idle.act();
    await pass(1);
  }

  assert.equal(seen.told, 5);
  assert.deepEqual(seen.warned, []);
});

test("another tab's act counts: before the warning, and during it", async () => {
  const { idle, seen, pass, elsewhere } = rig();
  idle.start();
  await pass(50);
  elsewhere();
  await pass(30);
  assert.deepEqual(seen.warned, []);
  await pass(40);
  assert.notEqual(seen.warned.length, 0);

  elsewhere();
  await pass(6);

  assert.equal(seen.calmed, 1);
});

test("without a connection it goes on counting and never says that there is time", async () => {
  const { idle, seen, pass } = rig();
  idle.start();
  await pass(61);
  seen.isDown = true;

  idle.act();
  await pass(60);

  assert.equal(seen.over, 1);
});

test("where no sign-in ends for want of acts nothing is asked", async () => {
  const { idle, seen, pass } = rig({ idleS: 0 });
  idle.start();
  idle.act();

  await pass(100_000);

  assert.deepEqual([seen.asked, seen.told, seen.over], [0, 0, 0]);
});
