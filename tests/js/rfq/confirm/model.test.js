import assert from "node:assert/strict";
import { test } from "node:test";
import {
  afterWords,
  buttons,
  callWords,
  checkWords,
  headline,
  isCalled,
  keyTarget,
  leftMs,
  moveWords,
  originWords,
  outcomeWords,
  placeFor,
  seconds,
  share,
  titleWords,
  trayRows,
} from "../../../../static/js/rfq/confirm/model.js";

const NOW = 1_000_000;

/** A confirmation of a combo, 0.9 s old. @param {Record<string, any>} [over] @returns {any} */
const row = (over = {}) => ({
  v: 1,
  key: "confirm:1",
  quote: "quote:7",
  ticker: "KXA",
  title: "A",
  legs: [],
  is_combo: false,
  accepted_side: "yes",
  contracts: "1200.00",
  price: "0.3820",
  cost: "458.4000",
  heard_ms: NOW - 900,
  accepted_ms: NOW - 900,
  window_ends_ms: NOW + 2_100,
  send_by_ms: NOW + 1_950,
  policy: "manual",
  policy_text: "A person confirms; silence lets it lapse",
  checks: [],
  move: "0.0020",
  position_after: "1200.00",
  exposure_after: "1904.0000",
  decision: "",
  decided_by: null,
  reason: "",
  state: "open",
  state_text: "Confirm, or let it lapse",
  is_open: true,
  attempts: 0,
  executed_ms: null,
  error: "",
  owner: { id: 5, name: "Quinn" },
  ...over,
});

test("the countdown never says more than there is, and never goes below zero", () => {
  assert.equal(seconds(2_199), "2.1");
  assert.equal(seconds(99), "0.0");
  assert.equal(seconds(-500), "0.0");
  assert.equal(leftMs(row(), NOW), 1_950);
  assert.equal(leftMs(row(), NOW + 60_000), 0);
  assert.equal(share(row(), NOW - 900), 1);
  assert.equal(share(row(), NOW + 1_950), 0);
});

test("the words say what we will own, at which price and cost", () => {
  assert.equal(headline(row(), "cents"), "you buy 1,200 YES at 38.2¢ for $458.40");
  assert.equal(
    headline(row({ accepted_side: "no", price: "0.5600", contracts: null, cost: null }), "cents"),
    "you buy (size not told yet) NO at 56¢",
  );
  assert.match(headline(row({ accepted_side: null }), "cents"), /which side is being read/);
  const legs = [
    { market_ticker: "B", side: "yes", title: "BUF wins" },
    { market_ticker: "U", side: "no", title: "Over 44.5" },
  ];
  assert.match(callWords(row({ legs }), "cents", NOW), /BUF wins · NO Over 44\.5\. 1\.9 seconds left/);
});

test("a move is told from our side, and an unknown one is not called none", () => {
  assert.deepEqual(moveWords(row(), "cents"), {
    text: "fair value moved 0.2¢ for us since the quote",
    tone: "ok",
  });
  assert.equal(moveWords(row({ move: "-0.0150" }), "cents").text, "fair value moved 1.5¢ against us since the quote");
  assert.equal(moveWords(row({ move: "0.0000" }), "cents").tone, "");
  assert.deepEqual(moveWords(row({ move: null }), "cents"), {
    text: "move since the quote not known",
    tone: "warning",
  });
});

test("position and exposure after it, the rule and the age of the quote", () => {
  assert.equal(afterWords(row()), "after: 1,200 YES, $1,904 at risk");
  assert.equal(afterWords(row({ position_after: "-40.00", exposure_after: null })), "after: 40 NO");
  assert.equal(afterWords(row({ position_after: null, exposure_after: null })), "after: not known");
  const quote = { opened_ms: NOW - 5_700, rule: { id: 1, name: "nfl-2leg", version: 3 } };
  assert.equal(originWords(row(), quote), "quoted 4.8 s before it was accepted by rule nfl-2leg");
  assert.equal(originWords(row(), undefined), "quoted by Quinn");
});

test("each check has a mark, a value and words for those who cannot see the mark", () => {
  assert.deepEqual(checkWords({ name: "max_move", ok: false, value: "1.2¢", limit: "1.0¢", text: "Moved too far" }), {
    mark: "✗",
    text: "max move 1.2¢",
    tone: "danger",
    title: "Moved too far: 1.2¢, limit 1.0¢",
    spoken: "max move: failed, 1.2¢, limit 1.0¢",
  });
  assert.equal(checkWords({ name: "funds", ok: null }).spoken, "funds: not known");
});

test("the undecided come first, by time left; then what is on its way; the ended leave after a while", () => {
  const rows = [
    row({ key: "confirm:4", state: "executed", executed_ms: NOW - 2_000 }),
    row({ key: "confirm:3", state: "confirmed", decision: "confirm" }),
    row({ key: "confirm:2", send_by_ms: NOW + 25_000, window_ends_ms: NOW + 26_000 }),
    row({ key: "confirm:1" }),
    row({ key: "confirm:5", state: "executed", executed_ms: NOW - 60_000, window_ends_ms: NOW - 60_000 }),
    row({ key: "confirm:6", state: "missed", window_ends_ms: NOW - 60_000 }),
  ];
  const keys = (/** @type {any} */ seen) => trayRows(rows, NOW, seen).map(({ key }) => key);
  assert.deepEqual(keys({}), ["confirm:1", "confirm:2", "confirm:3", "confirm:6", "confirm:4"]);
  assert.deepEqual(keys({ dismissed: new Set(["confirm:6", "confirm:1"]) }), [
    "confirm:1", // what is not over cannot be dismissed
    "confirm:2",
    "confirm:3",
    "confirm:4",
  ]);
  assert.ok(!keys({ ended: new Map([["confirm:4", NOW - 11_000]]) }).includes("confirm:4"));
});

test("what became of it is said with the person, and a miss is an incident", () => {
  const by = { id: 5, name: "Quinn" };
  assert.equal(outcomeWords(row(), NOW).text, "");
  assert.match(outcomeWords(row(), NOW + 5_000).text, /^Too late/);
  const words = (/** @type {any} */ over) => outcomeWords(row(over), NOW);
  assert.equal(
    words({ state: "confirming", decision: "confirm", decided_by: by, attempts: 3 }).text,
    "Confirming by Quinn, attempt 3",
  );
  assert.deepEqual(words({ state: "executed", decided_by: by }), { text: "Executed, confirmed by Quinn", tone: "ok" });
  assert.equal(words({ state: "lapsed", state_text: "Lapsed: nobody decided" }).text, "Lapsed: nobody decided");
  const missed = words({ state: "missed", state_text: "Missed: not confirmed in time", error: "503" });
  assert.deepEqual(missed, { text: "Incident. Missed: not confirmed in time. 503", tone: "danger" });
});

test("one decision: a press locks both buttons, and so does what others decided", () => {
  const open = buttons(row(), NOW, { press: undefined, isLive: true });
  assert.deepEqual([open.isLocked, open.confirm.phase, open.lapse.text], [false, "ready", "Let lapse"]);
  const press = /** @type {const} */ ({ decision: "confirm", phase: "slow", sentMs: NOW });
  const sent = buttons(row(), NOW, { press, isLive: true });
  assert.deepEqual([sent.isLocked, sent.confirm.text, sent.lapse.phase], [true, "Still waiting", "ready"]);
  const decided = buttons(row({ decision: "lapse", state: "lapsed" }), NOW, { press: undefined, isLive: true });
  assert.deepEqual([decided.isLocked, decided.lapse.phase], [true, "done"]);
  assert.equal(buttons(row(), NOW + 5_000, { press: undefined, isLive: true }).why, "too late");
  assert.equal(buttons(row(), NOW, { press: undefined, isLive: false }).why, "this page is not live");
});

test("a key never decides about a quote that came first only now", () => {
  const rows = [row(), row({ key: "confirm:2", send_by_ms: NOW + 9_000 })];
  assert.equal(keyTarget(rows, NOW, null), null);
  assert.equal(keyTarget(rows, NOW, { key: "confirm:1", sinceMs: NOW - 100 }), null);
  assert.equal(keyTarget(rows, NOW, { key: "confirm:2", sinceMs: NOW - 9_000 }), null);
  assert.equal(keyTarget(rows, NOW, { key: "confirm:1", sinceMs: NOW - 300 })?.["key"], "confirm:1");
  assert.equal(keyTarget([row({ decision: "confirm" })], NOW, { key: "confirm:1", sinceMs: 0 }), null);
});

test("the owner is called at once, the others when there is time left for them", () => {
  const standard = { window_ends_ms: NOW + 29_100, send_by_ms: NOW + 28_900 };
  assert.equal(isCalled(row(), NOW, 99), true); // a short window calls everybody
  assert.equal(isCalled(row(standard), NOW, 5), true);
  assert.equal(isCalled(row(standard), NOW, 99), false);
  assert.equal(isCalled(row(standard), NOW + 4_200, 99), true);
  assert.equal(isCalled(row({ decision: "lapse" }), NOW, 5), false);
  assert.equal(titleWords([row(), row({ state: "executed" })], NOW), "(1) Confirm? 1 s");
  assert.equal(titleWords([row({ state: "executed" })], NOW), "");
});

test("the tray makes way for the field that is being filled in", () => {
  const box = (/** @type {number} */ top, /** @type {number} */ bottom) => ({ top, bottom, left: 0, right: 100 });
  const places = { top: box(50, 150), bottom: box(700, 800) };
  assert.equal(placeFor(places, []), "top");
  assert.equal(placeFor(places, [box(100, 130)]), "bottom");
  assert.equal(placeFor(places, [box(200, 230)]), "top");
  assert.equal(placeFor(places, [box(100, 130), box(720, 730)]), "top");
});
