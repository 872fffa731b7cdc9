/** What waits for a second person, who is told of a mention, who can be handed something: pure, no page. */

import { formatCount, formatMoney, toUnits } from "../core/fixed.js";

/** @typedef {Record<string, any>} Row */

/**
 * The approvals that wait, the one that ends first above.
 * @param {Row[]} rows of `approvals:<account>`
 * @param {{person: string, mayManage: boolean, nowMs: number}} who
 */
export function waiting(rows, { person, mayManage, nowMs }) {
  return rows
    .filter((row) => row["is_open"] && row["expires_ms"] > nowMs)
    .sort((one, other) => one["expires_ms"] - other["expires_ms"])
    .map((row) => {
      const isOwn = String(row["asked_by"]?.id ?? "") === person;
      return {
        key: String(row["key"]),
        hash: String(row["hash"]),
        title: String(row["title"] || "Unknown market"),
        text: String(row["text"]),
        why: String(row["words"]),
        who: isOwn ? "You asked" : `${row["asked_by"]?.name ?? "Somebody"} asks`,
        left: leftWords(row["expires_ms"] - nowMs),
        mayApprove: mayManage && !isOwn,
        mayEnd: mayManage || isOwn,
        end: isOwn ? "Withdraw" : "Decline",
      };
    });
}

/** @param {number} ms */
export function leftWords(ms) {
  const seconds = Math.max(0, Math.ceil(ms / 1_000));
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

/** @param {Row | undefined} row "threshold" of `approvals:<account>` */
export function thresholdWords(row) {
  if (!row) return "Four eyes";
  const parts = [];
  if (row["contracts"] !== null) parts.push(`${formatCount(toUnits(row["contracts"], 2))} contracts`);
  if (row["cost"] !== null) parts.push(formatMoney(toUnits(row["cost"], 6)));
  return parts.length ? `Four eyes above ${parts.join(" or ")}` : "Four eyes: off";
}

/**
 * Comments that mention a person and that were not there before.
 * @param {Row[]} rows of `rfqteam:<account>`
 * @param {{person: string, seen: Set<number>}} who seen is filled
 */
export function mentionsOf(rows, { person, seen }) {
  const found = [];
  for (const row of rows)
    for (const comment of row["comments"] ?? []) {
      if (seen.has(comment.id)) continue;
      seen.add(comment.id);
      const isFor = comment.mentions.some((/** @type {Row} */ one) => String(one["id"]) === person);
      if (isFor && String(comment.by?.id ?? "") !== person)
        found.push({ by: String(comment.by?.name ?? "Somebody"), text: String(comment.text) });
    }
  return found;
}

/**
 * Who may take it over: members who may trade, but for its owner.
 * @param {{id: number, username: string, may_trade: boolean}[]} members
 * @param {Row | null} row
 */
export function receivers(members, row) {
  return members.filter((one) => one.may_trade && one.id !== row?.["owner"]?.id);
}

/**
 * What a command on an approval came to, in words: a used one, or why it was not carried out.
 * @param {Row} row
 * @returns {{title: string, text: string, level: "ok" | "info" | "warning"}}
 */
export function decidedWords(row) {
  if (row["state"] === "used") return { title: "Approved and sent", text: String(row["text"]), level: "ok" };
  const isFailed = String(row["words"]).startsWith("Approved, not");
  return {
    title: isFailed ? "Not sent" : "Declined",
    text: String(row["words"]),
    level: isFailed ? "warning" : "info",
  };
}
