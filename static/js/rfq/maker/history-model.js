/** Versions of a rule, and what a replay found, as words. No DOM here. */
import { moneyWords } from "../confirm/words.js";
import { FIELDS, fieldFlag, fieldText } from "./rules-model.js";

/** @typedef {Record<string, any>} Row */

/** What stands in a field, for people. @param {Record<string, any>} terms @param {import("./rules-model.js").RuleField} field */
function said(terms, field) {
  if (field.kind === "flag") return fieldFlag(terms, field) ? "yes" : "no";
  const text = fieldText(terms, field);
  if (!text) return "-";
  const words = field.choices?.find(([value]) => value === text)?.[1];
  return words ?? `${text}${field.suffix ? ` ${field.suffix}` : ""}`;
}

/**
 * What one version changed against the one before it.
 * @param {Record<string, any>} terms
 * @param {Record<string, any> | null} before null: it is the first
 * @returns {string[]}
 */
export function changesOf(terms, before) {
  if (!before) return ["The first version."];
  const changed = FIELDS.filter((field) => said(terms, field) !== said(before, field)).map(
    (field) => `${field.label}: ${said(before, field)} → ${said(terms, field)}`,
  );
  return changed.length ? changed : ["The same terms again."];
}

/**
 * @param {Row[]} versions newest first
 * @param {(ms: number) => string} time
 */
export function versionLines(versions, time) {
  return versions.map((row, at) => ({
    number: `Version ${row["number"]}`,
    who: `${row["made_by"]?.name ?? "somebody"}, ${time(row["made_ms"])}`,
    why: row["why"] || "no reason given",
    armed: row["approved_by"] ? `armed by ${row["approved_by"].name}, ${time(row["approved_ms"])}` : "",
    changes: changesOf(row["terms"], versions[at + 1]?.["terms"] ?? null),
  }));
}

/** "12 to 20" or "12, as before" @param {number} before @param {number} after */
const beforeAfter = (before, after) => (before === after ? `${after}, as before` : `${before} then, ${after} now`);

/**
 * What a replay found, line by line.
 * @param {Row} replay the answer of `rule.replay`
 * @returns {{what: string, text: string}[]}
 */
export function replayLines(replay) {
  const { quoted, accepts } = /** @type {any} */ (replay);
  const lines = [
    { what: "Looked at", text: `${replay["looked_at"]} decisions of ${replay["seen"]} requests in the stream` },
    { what: "Would differ", text: String(replay["differ"]) },
    { what: "Quoted", text: beforeAfter(quoted.before, quoted.after) },
  ];
  if (accepts.n) {
    lines.push({
      what: "Accepts",
      text: `${accepts.n}: ${accepts.kept} kept, ${accepts.doubtful} at a worse price, ${accepts.lost} lost`,
    });
    if (accepts.kept)
      lines.push({ what: "Paid more for the kept", text: moneyWords(String(accepts["paid_change"])) || "$0" });
  }
  const codes = Object.keys({ ...replay["reasons"].before, ...replay["reasons"].after }).toSorted();
  for (const code of codes) {
    const [before, after] = [replay["reasons"].before[code] ?? 0, replay["reasons"].after[code] ?? 0];
    if (before !== after) lines.push({ what: code.replaceAll("_", " "), text: beforeAfter(before, after) });
  }
  if (replay["unreadable"]) lines.push({ what: "Could not be read", text: String(replay["unreadable"]) });
  return lines;
}

/** One request that would be answered otherwise. @param {Row} row @param {(raw: string) => string} price dollars as cents */
export function replayRow(row, price) {
  const side = (/** @type {Row} */ one) =>
    one["action"] === "quote"
      ? `${price(one["yes_bid"])} / ${price(one["no_bid"])}`
      : one["reason"].replaceAll("_", " ");
  return {
    ticker: row["ticker"],
    before: side(row["before"]),
    after: side(row["after"]),
    outcome: row["accepted"]?.outcome ?? "",
  };
}
