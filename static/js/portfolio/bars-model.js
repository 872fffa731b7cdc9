/** Where the bars of results by day stand: one place per calendar day, one scale. Pure geometry. */

const WIDEST_PX = 18;
const DAY_MS = 86_400_000;

/**
 * @param {string} first ISO date
 * @param {string} last ISO date
 */
export function slotsOf(first, last) {
  // Dates without a clock: UTC has days of 24 hours only.
  const slotOf = (/** @type {string} */ day) => Math.round((Date.parse(day) - Date.parse(first)) / DAY_MS);
  return { count: slotOf(last) + 1, slotOf };
}

/**
 * @template {{slot: number, value: number}} T
 * @param {T[]} days
 * @param {{slots: number, width: number, height: number}} room
 * @returns {{bars: {day: T, x: number, y: number, width: number, height: number}[], zero: number}}
 */
export function layBars(days, { slots, width, height }) {
  const top = Math.max(0, ...days.map((day) => day.value));
  const bottom = Math.min(0, ...days.map((day) => day.value));
  const scaled = (/** @type {number} */ value) => (value * height) / (top - bottom || 1);
  const zero = top || bottom ? scaled(top) : height;
  const step = width / Math.max(1, slots);
  const wide = Math.max(1, Math.min(WIDEST_PX, step - 2));
  const bars = days.map((day) => {
    const high = Math.max(1, scaled(Math.abs(day.value)));
    const x = day.slot * step + (step - wide) / 2;
    return { day, x, y: day.value >= 0 ? zero - high : zero, width: wide, height: high };
  });
  return { bars, zero };
}
