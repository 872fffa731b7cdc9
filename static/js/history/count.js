/** How many records a search matches, counted by parts: each part is exact, and none keeps the desk busy for long. */

/** Parts that are asked for unasked; more of them is the person's wish. */
export const PARTS = 4;

/** @typedef {{rows: number, next: string}} Part next: where the next one begins; "" at the end */

/**
 * @param {(after: string) => Promise<Part>} ask
 * @param {object} options
 * @param {number} [options.parts] at most
 * @param {(counted: Part) => void} [options.told] after each part
 * @param {Part} [options.from] what was counted before
 * @returns {Promise<Part>} all rows so far, and where it goes on
 */
export async function countRows(ask, { parts = PARTS, told = () => {}, from = { rows: 0, next: "" } } = {}) {
  let counted = from;
  for (let part = 0; part < parts; part += 1) {
    const one = await ask(counted.next);
    counted = { rows: counted.rows + one.rows, next: one.next };
    told(counted);
    if (!one.next) break;
  }
  return counted;
}

/** @param {Part} counted @param {boolean} isCounting */
export function countWords({ rows, next }, isCounting) {
  const told = rows.toLocaleString("en-US");
  if (next) return isCounting ? `${told} and more…` : `Over ${told}`;
  return `${told} ${rows === 1 ? "matches" : "match"}`;
}
