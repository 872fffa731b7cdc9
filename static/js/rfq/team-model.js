/** The team's lines about one request in words. No DOM here. */
import { timeText } from "./words.js";

/** @typedef {Record<string, any>} Row a row of `rfqteam:<account>` */

/** @param {string} name */
export function initials(name) {
  const words = name.split(/[\s.-]+/).filter(Boolean);
  return words
    .slice(0, 2)
    .map((word) => word.charAt(0).toUpperCase())
    .join("");
}

/**
 * Whose it is, who else looks at it now, then what was said.
 * @param {Row | null} row
 * @param {{person: string, zone: string, nowMs: number, what?: string}} view
 * @returns {{initials: string, text: string, at: string}[]}
 */
export function teamLines(row, { person, zone, nowMs, what = "RFQ" }) {
  if (!row) return [];
  const nameOf = (/** @type {Row} */ who) => (String(who["id"]) === person ? "you" : who["name"]);
  const lines = [];
  const owner = row["owner"];
  if (owner) lines.push({ initials: initials(owner.name), text: `claimed by ${nameOf(owner)}`, at: "" });
  for (const watcher of row["watchers"] ?? []) {
    if (String(watcher.id) === person || watcher.until_ms < nowMs) continue;
    lines.push({ initials: initials(watcher.name), text: `${watcher.name} is looking at this ${what}`, at: "" });
  }
  for (const comment of row["comments"] ?? []) {
    const by = comment.by ?? { id: 0, name: "somebody" };
    lines.push({
      initials: initials(by.name),
      text: `${nameOf(by)}: ${comment.text}`,
      at: timeText(comment.at_ms, zone),
    });
  }
  return lines;
}
