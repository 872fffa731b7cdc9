/** What one row of the sync page says: words, and where its bars are drawn. No DOM here. */

export const WIDTH = 1000; // of the time line, in its own units

const TONES = /** @type {Record<string, string>} */ ({
  new: "muted",
  running: "accent",
  waiting: "warning",
  failed: "danger",
  done: "ok",
});

/** @param {number} count */
export const whole = (count) => Math.round(count).toLocaleString("en-US");

/**
 * "45 s", "3 min", "2 h": how long something still takes.
 * @param {number} seconds
 */
export function lasting(seconds) {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  if (seconds < 5_400) return `${Math.round(seconds / 60)} min`;
  return `${Math.round(seconds / 3_600)} h`;
}

/**
 * The words under the state of a row.
 * @param {any} row
 */
export function noteOf(row) {
  const pass = row.pass;
  if (row.error) return row.error;
  if (!pass) return row.unreadable ? `${whole(row.unreadable)} rows could not be read` : "";
  const parts = [`${whole(pass.read)} rows`];
  if (pass.new !== pass.read) parts.push(`${whole(pass.new)} new`);
  if (pass.repaired) parts.push(`${whole(pass.repaired)} repaired`);
  if (pass.rate && pass.read > 100) parts.push(`${whole(pass.rate)} rows/s`);
  if (pass.left_s !== null && pass.left_s !== undefined) parts.push(`${lasting(pass.left_s)} left`);
  const where = pass.stage === "historical" ? "archive" : pass.stage;
  return `${where ? `${where}: ` : ""}${parts.join(", ")}`;
}

/**
 * Where a progress bar stands: thousandths, null while nobody can say, undefined without a pass.
 * @param {any} row
 */
export function progressOf(row) {
  if (!row.pass) return undefined;
  return row.pass.fraction === null ? null : Math.round(Number(row.pass.fraction) * 1000);
}

/**
 * The time that all rows together cover.
 * @param {any[]} rows
 * @param {number} nowMs
 */
export function axisOf(rows, nowMs) {
  const moments = rows.flatMap((row) => [row.from_ms, row.pass?.position_ms]).filter((ms) => typeof ms === "number");
  const first = Math.min(nowMs - 3_600_000, ...moments);
  const margin = (nowMs - first) / 50;
  return { from: first - margin, to: nowMs };
}

/**
 * Bars of one row, left to right, in units of the time line: what is complete, what is being read, what nobody has
 * read yet; and the cutoff between the tiers.
 * @param {any} row
 * @param {{from: number, to: number}} axis
 * @param {number | null} cutoffMs
 */
export function barsOf(row, axis, cutoffMs) {
  const at = (/** @type {number} */ ms) =>
    Math.max(0, Math.min(WIDTH, ((ms - axis.from) / (axis.to - axis.from)) * WIDTH));
  const bar = (/** @type {string} */ kind, /** @type {number} */ from, /** @type {number} */ to) => ({
    kind,
    x: at(from),
    width: Math.max(2, at(to) - at(from)),
  });
  const bars = [];
  // Without a record there is nothing before, and that is complete too.
  if (row.to_ms !== null) bars.push(bar("whole", row.from_ms ?? axis.from, row.to_ms));
  if (row.gap) bars.push(bar("gap", row.gap[0] ?? axis.from, row.gap[1] ?? axis.to));
  if (row.pass?.until_ms) bars.push(bar("reading", row.pass.position_ms ?? row.pass.until_ms, row.pass.until_ms));
  return { bars, cutoff: cutoffMs === null || cutoffMs < axis.from ? null : at(cutoffMs) };
}

/**
 * What the page as a whole says.
 * @param {any[]} rows
 */
export function summaryOf(rows) {
  if (!rows.length) return "";
  const reading = rows.filter((row) => row.pass).length;
  const failed = rows.filter((row) => row.status === "failed").length;
  const open = rows.filter((row) => row.to_ms === null).length;
  const parts = [];
  if (failed) parts.push(`${failed} failed and tried again`);
  if (reading) parts.push(`${reading} being read`);
  if (open) parts.push(`${open} not complete yet`);
  if (!parts.length) return "complete, and read again every few minutes";
  return parts.join(", ");
}

/**
 * From when a data set is complete, in words where that is no time.
 * @param {any} row
 * @param {(ms: number) => string} dayOf
 */
export function fromOf(row, dayOf) {
  if (row.to_ms === null) return "-";
  if (row.from_ms !== null) return dayOf(row.from_ms);
  return row.rows ? "all that are named" : "no record yet"; // markets have no time of their own
}

/** @param {any} row */
export const toneOf = (row) => TONES[row.status] ?? "muted";
