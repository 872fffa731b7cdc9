import assert from "node:assert/strict";
import { test } from "node:test";

import { DEFAULTS, createLadderSettings, presetWords, readPresets } from "../../../static/js/market/ladder-settings.js";

function storage() {
  /** @type {Map<string, string>} */
  const kept = new Map();
  return {
    kept,
    getItem: (/** @type {string} */ key) => kept.get(key) ?? null,
    setItem: (/** @type {string} */ key, /** @type {string} */ value) => void kept.set(key, value),
  };
}

test("sizes are read as people write them", () => {
  assert.deepEqual(readPresets("25, 100 ,500; 1k"), { presets: [2_500, 10_000, 50_000, 100_000] });
  assert.deepEqual(readPresets("0.5"), { presets: [50] });
});

test("what is no size is said, and five are too many", () => {
  for (const text of ["", "abc", "25, -1", "1 2 3 4 5"]) assert.ok("error" in readPresets(text), text);
});

test("a size reads back as what it was written as", () => {
  const sizes = [50, 2_500, 100_000, 150_000, 1_250_000, 99_900, 123_400];

  assert.deepEqual(sizes.map(presetWords), ["0.50", "25", "1k", "1.5k", "12.5k", "999", "1,234"]);
});

test("each person has settings of their own, and they last", () => {
  const place = storage();
  createLadderSettings(place, "1").set({ presets: [700], hasDepth: true });

  assert.deepEqual(createLadderSettings(place, "1").value.presets, [700]);
  assert.equal(createLadderSettings(place, "1").size, 700);
  assert.deepEqual(createLadderSettings(place, "2").value, DEFAULTS);
});

test("what is kept and makes no sense gives the defaults, part by part", () => {
  const place = storage();
  place.kept.set("ladder:1", "{broken");
  place.kept.set(
    "ladder:2",
    JSON.stringify({ presets: [-5, "x"], preset: 99, mouse: "three", lapseSeconds: 1e9, hasDepth: true }),
  );

  assert.deepEqual(createLadderSettings(place, "1").value, DEFAULTS);
  assert.deepEqual(createLadderSettings(place, "2").value, { ...DEFAULTS, preset: 3, hasDepth: true });
});

test("forbidden storage keeps the settings for the page", () => {
  const refuse = () => {
    throw new Error("denied");
  };
  const settings = createLadderSettings({ getItem: refuse, setItem: refuse }, "1");

  settings.set({ preset: 3 });

  assert.equal(settings.size, 100_000);
});
