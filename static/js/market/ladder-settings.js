/** How a person likes the ladder; kept in this browser under the person's own key. No DOM here. */
import { formatCount } from "../core/fixed.js";
import { readCount } from "./ticket-model.js";

/**
 * @typedef {object} LadderSettings
 * @property {number[]} presets sizes in 1/100 contract
 * @property {number} preset which of them a click works with
 * @property {boolean} hasDepth show the cumulative depth
 * @property {"columns" | "buttons"} mouse
 * @property {boolean} isPostOnly orders of a click never take
 * @property {number} lapseSeconds
 */

export const MAX_PRESETS = 4;
export const LAPSE_SECONDS = [10, 30, 60];

/** @type {LadderSettings} */
export const DEFAULTS = {
  presets: [2_500, 10_000, 50_000, 100_000],
  preset: 1,
  hasDepth: false,
  mouse: "columns",
  isPostOnly: false,
  lapseSeconds: 30,
};

/**
 * Read sizes as a person types them: "25, 100, 500, 1k".
 * @param {string} text
 * @returns {{presets: number[]} | {error: string}}
 */
export function readPresets(text) {
  const parts = text
    .split(/[\s,;]+/)
    .map((part) => part.trim())
    .filter(Boolean);
  if (parts.length === 0) return { error: "Enter at least one size, such as 25, 100, 500, 1k." };
  if (parts.length > MAX_PRESETS) return { error: `At most ${MAX_PRESETS} sizes.` };
  const presets = [];
  for (const part of parts) {
    const reading = readCount(part);
    if ("error" in reading) return { error: reading.error };
    presets.push(reading.units);
  }
  return { presets };
}

/** The short form of a preset: "25", "1k", "2.5k". @param {number} units */
export function presetWords(units) {
  const tenths = units / 10_000; // of a thousand contracts
  if (tenths >= 10 && Number.isInteger(tenths)) return `${tenths % 10 ? (tenths / 10).toFixed(1) : tenths / 10}k`;
  return formatCount(units);
}

/** Whatever was kept is checked: it may be from an older version, or edited. @param {unknown} raw @returns {LadderSettings} */
export function checkedSettings(raw) {
  const kept = /** @type {Record<string, unknown>} */ (typeof raw === "object" && raw !== null ? raw : {});
  const presets = Array.isArray(kept.presets)
    ? kept.presets.filter((each) => Number.isSafeInteger(each) && each > 0).slice(0, MAX_PRESETS)
    : [];
  const sizes = presets.length ? presets : DEFAULTS.presets;
  const index = Number.isInteger(kept.preset) ? Number(kept.preset) : DEFAULTS.preset;
  return {
    presets: sizes,
    preset: Math.max(0, Math.min(sizes.length - 1, index)),
    hasDepth: kept.hasDepth === true,
    mouse: kept.mouse === "buttons" ? "buttons" : "columns",
    isPostOnly: kept.isPostOnly === true,
    lapseSeconds: LAPSE_SECONDS.includes(Number(kept.lapseSeconds)) ? Number(kept.lapseSeconds) : DEFAULTS.lapseSeconds,
  };
}

/**
 * @param {Pick<Storage, "getItem" | "setItem">} storage
 * @param {string} person whose settings
 */
export function createLadderSettings(storage, person) {
  const key = `ladder:${person}`;
  let current = DEFAULTS;
  try {
    current = checkedSettings(JSON.parse(storage.getItem(key) ?? "{}"));
  } catch {
    // Not JSON, or storage is forbidden: the defaults serve.
  }
  return {
    get value() {
      return current;
    },
    get size() {
      return current.presets[current.preset] ?? 10_000;
    },
    /** @param {Partial<LadderSettings>} change */
    set(change) {
      current = checkedSettings({ ...current, ...change });
      try {
        storage.setItem(key, JSON.stringify(current));
      } catch {
        // A full or forbidden storage: it holds for this page.
      }
      return current;
    },
  };
}
