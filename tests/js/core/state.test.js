import assert from "node:assert/strict";
import { test } from "node:test";

import { feedState, formatAge } from "../../../static/js/core/age.js";
import { createClock, formatCountdown } from "../../../static/js/core/clock.js";
import { createKeys } from "../../../static/js/core/keys.js";
import { moveSelection, rank } from "../../../static/js/core/palette-model.js";
import { createRowStore } from "../../../static/js/core/row-store.js";
import { applyTheme, otherTheme } from "../../../static/js/core/theme.js";

const press = (/** @type {string} */ key, /** @type {object} */ held = {}) => ({
  key,
  ctrlKey: false,
  metaKey: false,
  altKey: false,
  shiftKey: false,
  ...held,
});

test("ages read as people say them", () => {
  assert.deepEqual([-5, 42, 1_260, 7_900, 119_000, 180_000, 7_200_000].map(formatAge), [
    "0 ms",
    "42 ms",
    "1.2 s",
    "7 s",
    "119 s",
    "3 min",
    "2 h",
  ]);
});

test("a region is live only with a live link, a frame since, and a live book", () => {
  assert.equal(feedState({ link: "live", isFresh: true }).state, "live");
  assert.deepEqual(feedState({ link: "stale", isFresh: true, seenMs: 7_000 }), {
    state: "stale",
    text: "stale 7 s: reconnecting",
  });
  assert.equal(feedState({ link: "live", isFresh: false }).state, "stale");
  assert.deepEqual(feedState({ link: "live", isFresh: true, state: "down", why: "no gateway" }), {
    state: "down",
    text: "down: no gateway",
  });
});

test("the fastest answer sets the clock; a slower one does not move it", () => {
  let now = 1_000;
  const clock = createClock(() => now);
  now = 1_020;
  clock.observe(6_010, 1_000); // 20 ms there and back
  assert.equal(clock.now(), 6_020);
  now = 2_000;
  clock.observe(9_999, 1_000); // a second: worse
  clock.observe(123, null);
  assert.equal(clock.now(), 7_000);
});

test("a countdown never goes below now and shows tenths at the end", () => {
  assert.deepEqual([-1, 0, 1, 9_940, 10_000, 2_530_000, 1_656_720_000].map(formatCountdown), [
    "now",
    "now",
    "0.1 s",
    "10.0 s",
    "00:00:10",
    "00:42:10",
    "19 d 04:12",
  ]);
});

test("keys: letters respect Shift, signs do not, typing is left alone", () => {
  /** @type {string[]} */
  const ran = [];
  const keys = createKeys(() => 0);
  keys.register({ keys: "Ctrl+K", label: "search", whileTyping: true, run: () => ran.push("search") });
  keys.register({ keys: "Shift+D", label: "theme", run: () => ran.push("theme") });
  keys.register({ keys: "?", label: "help", run: () => ran.push("help") });

  assert.equal(keys.handle(press("k", { metaKey: true }), { isTyping: true }), true);
  assert.equal(keys.handle(press("d"), { isTyping: false }), false);
  assert.equal(keys.handle(press("D", { shiftKey: true }), { isTyping: false }), true);
  assert.equal(keys.handle(press("?", { shiftKey: true }), { isTyping: false }), true);
  assert.equal(keys.handle(press("?", { shiftKey: true }), { isTyping: true }), false);

  assert.deepEqual(ran, ["search", "theme", "help"]);
});

test("keys: two steps within a second", () => {
  let now = 0;
  let opened = 0;
  const keys = createKeys(() => now);
  keys.register({ keys: "g m", label: "Markets", run: () => (opened += 1) });
  keys.handle(press("g"), { isTyping: false });
  now = 500;
  keys.handle(press("m"), { isTyping: false });
  keys.handle(press("g"), { isTyping: false });
  now = 2_000;
  keys.handle(press("m"), { isTyping: false });
  assert.equal(opened, 1);
});

test("the palette puts beginnings before middles and keeps the given order otherwise", () => {
  const entries = ["Remarkable", "Markets", "Open markets"].map((label) => ({
    kind: /** @type {const} */ ("page"),
    label,
  }));
  assert.deepEqual(
    rank(entries, "mark").map(({ label }) => label),
    ["Markets", "Open markets", "Remarkable"],
  );
  assert.deepEqual(rank(entries, "").length, 3);
  assert.deepEqual(rank(entries, "xyz"), []);
  assert.equal(moveSelection(0, -1, 3), 2);
  assert.equal(moveSelection(0, 1, 0), -1);
});

test("a row store tells listeners what changed and ignores what is older", () => {
  const store = createRowStore();
  /** @type {string[]} */
  const seen = [];
  store.subscribe((key) => seen.push(key));
  store.reset({ a: { v: 1 }, b: { v: 1 } });
  assert.equal(store.upsert("a", { v: 1 }), false);
  assert.equal(store.upsert("a", { v: 2 }), true);
  store.reset({ a: { v: 2 } });
  assert.deepEqual(seen, ["a", "b", "a", "b"]);
  assert.equal(store.size, 1);
});

test("the theme switches at once and is kept in a cookie", () => {
  const page = { documentElement: { dataset: /** @type {Record<string, string>} */ ({}) }, cookie: "" };
  applyTheme(otherTheme("dark"), /** @type {any} */ (page), true);
  assert.equal(page.documentElement.dataset["theme"], "light");
  assert.match(page.cookie, /^desk-theme=light; Path=\/; .*SameSite=Lax; Secure$/);
});

test("keys: a held key trades once, and the second half of a sequence is not a key of its own", () => {
  /** @type {string[]} */
  const ran = [];
  const keys = createKeys(() => 0);
  keys.register({ keys: "g s", label: "settings", run: () => ran.push("settings") });
  let isOver = true;
  for (const name of ["S", "B"]) {
    keys.register({ keys: name, label: name, isSingle: true, when: () => isOver, run: () => ran.push(name) });
  }
  const down = (/** @type {string} */ key, repeat = false) => keys.handle(press(key, { repeat }), { isTyping: false });

  down("g");
  down("s");
  down("g");
  down("b");
  assert.deepEqual(ran, ["settings"]);
  down("b");
  down("b", true);
  assert.deepEqual(ran, ["settings", "B"]);
  isOver = false;
  assert.equal(down("b"), false);
});
