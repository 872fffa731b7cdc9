import assert from "node:assert/strict";
import { test } from "node:test";
import {
  ABSENT_AFTER_MS,
  REARM_MS,
  TAKING_LONG_MS,
  createAccepts,
  createRearm,
} from "../../../static/js/rfq/accept-model.js";
import { accept, request } from "./rows.js";

const WANTED = { rfq: "rfq:1", quote_id: "q1", buys: /** @type {const} */ ("yes"), price_seen: "0.2410" };

function memory() {
  /** @type {Map<string, string>} */
  const held = new Map();
  return {
    getItem: (/** @type {string} */ key) => held.get(key) ?? null,
    setItem: (/** @type {string} */ key, /** @type {string} */ value) => void held.set(key, value),
    removeItem: (/** @type {string} */ key) => void held.delete(key),
  };
}

/** Timers that run when the test says. */
function handTimers() {
  let at = 0;
  /** @type {Map<number, {at: number, run: () => void}>} */
  const set = new Map();
  let last = 0;
  return {
    set(/** @type {() => void} */ run, /** @type {number} */ ms) {
      set.set((last += 1), { at: at + ms, run });
      return last;
    },
    clear: (/** @type {number} */ id) => void set.delete(id),
    pass(/** @type {number} */ ms) {
      at += ms;
      for (const [id, timer] of [...set]) {
        if (timer.at > at) continue;
        set.delete(id);
        timer.run();
      }
    },
  };
}

/** @param {{store?: ReturnType<typeof memory>}} [over] */
function scene({ store = memory() } = {}) {
  /** @type {{name: string, params: Record<string, unknown>, stored: string | null}[]} */
  const sent = [];
  /** @type {((outcome: any) => void)[]} */
  const answers = [];
  const timers = handTimers();
  let keys = 0;
  const accepts = createAccepts({
    command(name, params) {
      sent.push({ name, params, stored: store.getItem("rfq-accept:rfq:1") });
      return new Promise((settle) => answers.push(settle));
    },
    store,
    onChange() {},
    newKey: () => `key-${(keys += 1)}`,
    timers,
  });
  return { accepts, sent, answers, timers, store };
}

test("the key is stored before anything is sent, and the price seen goes with it", () => {
  const { accepts, sent } = scene();
  void accepts.take(WANTED);
  assert.equal(sent[0]?.name, "rfq.accept");
  assert.deepEqual(sent[0]?.params, { idempotency_key: "key-1", ...WANTED });
  assert.equal(JSON.parse(sent[0]?.stored ?? "{}").idempotency_key, "key-1");
});

test("a second click while one is in flight sends nothing", async () => {
  const { accepts, sent, answers } = scene();
  const one = accepts.take(WANTED);
  assert.equal(await accepts.take({ ...WANTED, quote_id: "q2" }), false);
  assert.equal(sent.length, 1);
  answers[0]?.({ kind: "ok", value: {} });
  assert.equal(await one, true);
});

test("five states: ready, sending, slow, unknown, done", async () => {
  const { accepts, answers, timers } = scene();
  const phase = () => accepts.viewOf("rfq:1").phase;
  assert.equal(phase(), "ready");
  const taking = accepts.take(WANTED);
  assert.equal(phase(), "sending");
  timers.pass(TAKING_LONG_MS);
  assert.equal(phase(), "slow");
  answers[0]?.({ kind: "ok", value: {} });
  await taking;
  assert.equal(phase(), "done");
  accepts.see(request({ accept: accept() }));
  assert.equal(phase(), "ready");
});

test("a refusal is said and the next click is a new attempt", async () => {
  const { accepts, sent, answers, store } = scene();
  const taking = accepts.take(WANTED);
  answers[0]?.({ kind: "error", code: "price_moved", text: "The price is now 25¢.", fields: {} });
  assert.equal(await taking, false);
  assert.deepEqual([accepts.viewOf("rfq:1").phase, accepts.viewOf("rfq:1").tone], ["ready", "bad"]);
  assert.equal(store.getItem("rfq-accept:rfq:1"), null);
  void accepts.take(WANTED);
  assert.equal(sent[1]?.params["idempotency_key"], "key-2");
});

test("a lost answer is checked, never sent again, and ends with the row that shows it", async () => {
  const { accepts, sent, answers } = scene();
  const taking = accepts.take(WANTED);
  answers[0]?.({ kind: "unknown", text: "" });
  await taking;
  assert.equal(accepts.viewOf("rfq:1").phase, "unknown");
  accepts.see(request());
  assert.equal(accepts.viewOf("rfq:1").phase, "unknown", "a row without it proves nothing yet");
  accepts.see(request({ accept: accept({ state: "sending" }) }));
  assert.equal(accepts.viewOf("rfq:1").phase, "ready");
  assert.equal(sent.length, 1);
});

test("what the rows do not know of a while after they were read again never arrived", async () => {
  const { accepts, answers, timers } = scene();
  const taking = accepts.take(WANTED);
  answers[0]?.({ kind: "unknown", text: "" });
  await taking;
  accepts.caughtUp(["rfq:1"]);
  timers.pass(ABSENT_AFTER_MS - 1);
  assert.equal(accepts.viewOf("rfq:1").phase, "unknown");
  timers.pass(1);
  assert.equal(accepts.viewOf("rfq:1").phase, "ready");
  assert.match(accepts.viewOf("rfq:1").text, /never reached/);
});

test("a reload in the middle of an attempt is unknown until the rows decide", () => {
  const store = memory();
  store.setItem("rfq-accept:rfq:1", JSON.stringify({ idempotency_key: "key-9", ...WANTED }));
  const { accepts, sent } = scene({ store });
  assert.equal(accepts.viewOf("rfq:1").phase, "unknown");
  assert.equal(accepts.isLocked("rfq:1"), true);
  accepts.see(request({ lapsed: [accept({ state: "lapsed" })] }));
  assert.equal(accepts.isLocked("rfq:1"), false);
  assert.deepEqual(sent, []);
});

test("a changed price and a changed place wait 300 ms; the rest stays armed", () => {
  let now = 0;
  const rearm = createRearm(() => now);
  const show = (/** @type {[string, string, number][]} */ ...buttons) =>
    rearm.show(
      "rfq:1",
      buttons.map(([id, price, place]) => ({ id, price, place })),
    );
  show(["a", "0.2410", 0], ["b", "0.2460", 1]);
  assert.equal(rearm.isArmed("rfq:1", "a"), false, "what has just appeared waits as well");
  now = REARM_MS;
  assert.ok(rearm.isArmed("rfq:1", "a") && rearm.isArmed("rfq:1", "b"));
  assert.deepEqual(show(["a", "0.2420", 0], ["b", "0.2460", 1]), ["a"], "the eye is led to the price that changed");
  assert.deepEqual([rearm.isArmed("rfq:1", "a"), rearm.isArmed("rfq:1", "b")], [false, true]);
  now += REARM_MS;
  assert.deepEqual(show(["c", "0.2400", 0], ["a", "0.2420", 1], ["b", "0.2460", 2]), []);
  assert.deepEqual(
    ["a", "b", "c"].map((id) => rearm.isArmed("rfq:1", id)),
    [false, false, false],
    "a row that slid under the pointer is not the one that was aimed at",
  );
  assert.equal(rearm.waitMs(), REARM_MS);
  assert.equal(rearm.isArmed("rfq:1", "unknown"), false);
});
