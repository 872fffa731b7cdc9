/** What a request comes to before it is sent: the lines of `rfq.preview` in words, for both outcomes. No DOM here. */
import { moneyText, priceText, OUTCOMES } from "./words.js";

/** @typedef {Record<string, any>} Row */
/** @typedef {{name: string, values: [string, string] | [string], tone?: "" | "up" | "down" | "warn", title?: string}} Line */

const BASIS = /** @type {Record<string, string>} */ ({
  limit: "at your limit",
  book: "at the book",
  bounds: "at most, by the legs",
});

/**
 * Lines with one value for YES and one for NO, or one for both together; "not known" with its reason as the title.
 * @param {Row} told
 * @param {import("./words.js").Look} look
 * @returns {Line[]}
 */
export function stripLines(told, look) {
  const reasons = told["reasons"] ?? {};
  /** @param {string} name @param {(side: Row) => string | null} read @param {string} [reason] @returns {Line} */
  const both = (name, read, reason = "") => {
    const values = OUTCOMES.map((outcome) => read(told[outcome] ?? {}) ?? "not known");
    const isMissing = values.includes("not known");
    return { name, values: [values[0] ?? "", values[1] ?? ""], title: isMissing ? reason : "" };
  };
  /** @param {string | null | undefined} raw */
  const money = (raw) => (raw ? moneyText(raw) : null);
  const lines = [
    both("Book sweep", (side) => sweepText(side, look), reasons.sweep),
    both("Taken to cost", (side) => (side["price"] ? priceText(side["price"], look) : null), reasons.cost),
    both("Cost", (side) => money(side["cost"]), reasons.cost),
    both("Fee, one fill", (side) => money(side["fee"]), reasons.fee),
    both("Fee, worst split", (side) => money(side["fee_worst"]), reasons.fee),
    both("Most you can lose", (side) => money(side["max_loss"]), reasons.fee ?? reasons.cost),
    both("Most you can win", (side) => money(side["max_win"]), reasons.fee ?? reasons.cost),
  ];
  const taken = lines[1];
  const bases = OUTCOMES.map((outcome) => BASIS[told[outcome]?.["basis"] ?? ""]).filter(Boolean);
  if (taken && bases.length)
    taken.title = `YES ${bases[0]}${bases[1] && bases[1] !== bases[0] ? `, NO ${bases[1]}` : ""}`;
  lines.push(fundingLine(told, reasons), ...limitLines(told["limits"] ?? []));
  return lines;
}

/** @param {Row} side @param {import("./words.js").Look} look */
function sweepText(side, look) {
  if (side["sweep_is_whole"] === false) return "book too thin";
  return side["sweep"] ? priceText(side["sweep"], look) : null;
}

/** @param {Row} told @param {Record<string, string>} reasons @returns {Line} */
function fundingLine(told, reasons) {
  if (!told["cash"] || told["is_funded"] === null)
    return { name: "Funding", values: ["not known"], title: reasons["cash"] ?? reasons["cost"] ?? "" };
  const cash = moneyText(told["cash"]);
  return told["is_funded"]
    ? { name: "Funding", values: [`${cash} covers it`], tone: "up" }
    : { name: "Funding", values: [`${moneyText(told["needed"])} needed, ${cash} there`], tone: "down" };
}

/** @param {Row[]} limits @returns {Line[]} */
function limitLines(limits) {
  if (!limits.length) return [];
  const title = limits.map((one) => `${one["name"].replaceAll("_", " ")}: ${one["use"]} of ${one["limit"]}`).join("; ");
  const broken = limits.find((one) => !one["ok"]);
  const text = broken ? broken["text"] || `over ${broken["name"].replaceAll("_", " ")}` : `all ${limits.length} kept`;
  return [{ name: "Desk limits", values: [text], tone: broken ? "down" : "", title }];
}

/** What the person should know, without being stopped by it. @param {Row} told @returns {string[]} */
export function stripNotes(told) {
  const notes = (told["warnings"] ?? []).map((/** @type {Row} */ one) => String(one["text"]));
  return told["approval"] ? [String(told["approval"]), ...notes] : notes;
}
