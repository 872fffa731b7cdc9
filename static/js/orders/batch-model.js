/** Lines of a pasted table as orders: what each means, what is wrong with it, and what is sent. No DOM. */
import { fromUnits, toUnits } from "../core/fixed.js";
import { readCount, readPrice } from "../market/ticket-model.js";
import { zonedToIso } from "../market/zoned.js";

/** @typedef {import("./batch-parse.js").Line} Line */
/** @typedef {{field: string, text: string}} Fault */
/**
 * @typedef {object} BatchLine
 * @property {number} number of the line in the text
 * @property {Record<string, any> | null} item parameters of `order.place` without account and key; null: not readable
 * @property {Record<string, string>} cells as pasted
 * @property {Fault[]} faults
 * @property {{cost: string | null, fee: string | null, worst_case: string | null, shown?: string} | null} told by the dry run
 */

export const MOST_LINES = 100; // of one batch, as the desk takes it
export const MOST_BYTES = 30 * 1_024; // of one message over the socket

/** @type {Record<string, string>} */
const SIDES = {
  buy_yes: "buy_yes",
  buy_no: "buy_no",
  sell_yes: "sell_yes",
  sell_no: "sell_no",
  yes: "buy_yes",
  no: "buy_no",
};
/** @type {Record<string, string>} */
const TERMS = {
  "": "",
  gtc: "",
  good_till_canceled: "",
  good_till_cancelled: "",
  gtd: "",
  expires: "",
  ioc: "immediate_or_cancel",
  immediate_or_cancel: "immediate_or_cancel",
  fok: "fill_or_kill",
  fill_or_kill: "fill_or_kill",
};
const YES = new Set(["yes", "y", "true", "1", "x"]);
const NO = new Set(["", "no", "n", "false", "0"]);
const FLAGS = /** @type {const} */ (["post_only", "reduce_only", "cancel_on_pause"]);

/** @param {string} text */
const word = (text) =>
  text
    .trim()
    .toLowerCase()
    .replace(/[\s-]+/g, "_");

/**
 * "1.000,5" to "1000.5" where commas are decimal, "1,000.5" to "1000.5" where they group thousands.
 * @param {string} text
 * @param {boolean} hasDecimalComma
 */
export function plainNumber(text, hasDecimalComma) {
  const bare = text.trim().replace(/(\d)[\s_'\u00a0\u202f](?=\d{3}(\D|$))/g, "$1");
  // Nothing has three decimals but dollars below one, so this groups thousands in any table.
  if (/^[1-9]\d{0,2}(,\d{3})+$/.test(bare)) return bare.replaceAll(",", "");
  if (hasDecimalComma) return bare.replace(/\.(?=\d{3}(\D|$))/g, "").replace(",", ".");
  return bare.replace(/,(?=\d{3}(\D|$))/g, "");
}

/** @param {Record<string, string>} cells */
function readSide(cells) {
  const side = word(cells["side"] ?? "");
  const outcome = word(cells["outcome"] ?? "");
  const said = outcome && /^(buy|sell)$/.test(side) ? `${side}_${outcome}` : side || outcome;
  return SIDES[said] ?? "";
}

/** @param {Record<string, string>} cells @param {boolean} hasDecimalComma */
function readCellPrice(cells, hasDecimalComma) {
  const [name = "price", unit = ""] =
    [
      ["price_cents", "c"],
      ["price_dollars", "$"],
      ["price", ""],
    ].find(([each]) => each && each in cells) ?? [];
  const text = plainNumber(cells[name] ?? "", hasDecimalComma);
  if (unit === "c" && text && !/[c¢]$/.test(text)) return readPrice(`${text}c`);
  if (unit === "$" && text && !text.startsWith("$")) return readPrice(`$${text}`);
  return readPrice(text);
}

/**
 * @param {Line} line
 * @param {{hasDecimalComma: boolean, zone: string, groups: {groupId: string, title: string}[]}} how
 * @returns {BatchLine}
 */
export function readLine({ number, cells }, { hasDecimalComma, zone, groups }) {
  /** @type {Fault[]} */
  const faults = [];
  const fault = (/** @type {string} */ field, /** @type {string} */ text) => faults.push({ field, text });
  const ticker = (cells["ticker"] ?? "").trim().toUpperCase();
  if (!ticker) fault("ticker", "Say which market.");
  const side = readSide(cells);
  const said = [cells["side"], cells["outcome"]].filter(Boolean).join(" ");
  if (!side)
    fault(
      "side",
      said
        ? `“${said}” is not a side: buy yes, buy no, sell yes or sell no.`
        : "Say buy yes, buy no, sell yes or sell no.",
    );
  const price = readCellPrice(cells, hasDecimalComma);
  if ("error" in price) fault("price", price.error);
  const count = readCount(plainNumber(cells["count"] ?? "", hasDecimalComma));
  if ("error" in count) fault("count", count.error);
  const terms = TERMS[word(cells["terms"] ?? "")];
  if (terms === undefined) fault("terms", `“${cells["terms"]}” is not a term: GTC, IOC or FOK.`);
  const expires = (cells["expires_at"] ?? "").trim();
  const expiresAt = expires ? instant(expires, zone) : "";
  if (!expires && ["gtd", "expires"].includes(word(cells["terms"] ?? "")))
    fault("expires_at", "Say until when, or write GTC.");
  if (expiresAt === null)
    fault("expires_at", `“${expires}” is not a time. Write 2026-11-30T15:00 in ${zone}, or with Z for UTC.`);
  /** @type {Record<string, boolean>} */
  const flags = {};
  for (const name of FLAGS) {
    const text = word(cells[name] ?? "");
    if (YES.has(text)) flags[name] = true;
    else if (!NO.has(text)) fault(name, `“${cells[name]}” is neither yes nor no.`);
  }
  const named = (cells["group"] ?? "").trim();
  const group = named
    ? groups.find(({ groupId, title }) => groupId === named || title.toLowerCase() === named.toLowerCase())
    : null;
  if (group === undefined) fault("group", `There is no order group “${named}” in this account.`);
  if (faults.length || "error" in price || "error" in count) return { number, item: null, cells, faults, told: null };
  const item = {
    ticker,
    side,
    price: fromUnits(price.units, 4),
    count: fromUnits(count.units, 2),
    ...(terms ? { time_in_force: terms } : {}),
    ...(expiresAt ? { expires_at: expiresAt } : {}),
    ...flags,
    ...(group ? { order_group_id: group.groupId } : {}),
  };
  return { number, item, cells, faults, told: null };
}

/** Not 30 February, which a browser takes for 2 March. @param {string} iso */
function isDay(iso) {
  const ms = Date.parse(`${iso.slice(0, 16)}Z`);
  return !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(iso.slice(0, 16).toUpperCase());
}

/** @param {string} text @param {string} zone @returns {string | null} RFC 3339 */
function instant(text, zone) {
  const iso = text.replace(" ", "T");
  if (/^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)$/i.test(iso)) {
    const ms = Date.parse(iso);
    return Number.isNaN(ms) || !isDay(iso) ? null : new Date(ms).toISOString();
  }
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?$/.test(iso) || !isDay(iso)) return null;
  return zonedToIso(iso, zone);
}

/**
 * Join the dry run with the lines that were asked about, in the order in which they were.
 * @param {BatchLine[]} lines
 * @param {{line: number, ok: boolean, cost: string | null, fee: string | null, worst_case: string | null, error: {text: string, fields: Record<string, string>} | null, shown?: string}[]} told
 * @returns {BatchLine[]}
 */
export function withDryRun(lines, told) {
  const asked = lines.filter(({ item }) => item !== null);
  const byLine = new Map(told.map((each) => [asked[each.line - 1]?.number, each]));
  return lines.map((line) => {
    const answer = byLine.get(line.number);
    if (!answer || line.item === null) return line;
    const { error } = answer;
    const fields = error ? Object.entries(error.fields) : [];
    const faults = fields.length
      ? fields.map(([field, text]) => ({ field: field === "general" ? "order" : field, text }))
      : error
        ? [{ field: "order", text: error.text }]
        : [];
    const { cost, fee, worst_case, shown = "" } = answer;
    return { ...line, faults, told: { cost, fee, worst_case, shown } };
  });
}

/**
 * Lines that say the same as an earlier one, with its number: allowed, but more often a table pasted twice.
 * @param {BatchLine[]} lines
 * @returns {Map<number, number>}
 */
export function repeats(lines) {
  /** @type {Map<string, number>} */
  const first = new Map();
  const found = new Map();
  for (const { number, item } of lines) {
    if (!item) continue;
    const said = JSON.stringify(item);
    const before = first.get(said);
    if (before === undefined) first.set(said, number);
    else found.set(number, before);
  }
  return found;
}

/** @param {BatchLine[]} lines */
export const goodLines = (lines) => lines.filter(({ item, faults, told }) => item && told && faults.length === 0);

/**
 * What the dry run now says differently from what was shown, in words; empty when all of it still holds.
 * @param {BatchLine[]} shown
 * @param {BatchLine[]} fresh
 */
export function changesSince(shown, fresh) {
  /** @type {string[]} */
  const words = [];
  for (const line of fresh) {
    const before = shown.find(({ number }) => number === line.number);
    if (!before) continue;
    const [was, is] = [before.faults[0]?.text ?? "", line.faults[0]?.text ?? ""];
    if (was !== is) words.push(is ? `line ${line.number}: ${is}` : `line ${line.number} can be sent now`);
    else if (before.told?.cost !== line.told?.cost || before.told?.fee !== line.told?.fee)
      words.push(`line ${line.number}: cost or fee changed`);
  }
  return words;
}

/** Sums of lines that can be sent. @param {BatchLine[]} lines @returns {{cost: number, fee: number, worst: number}} 1/1,000,000 dollar */
export function sums(lines) {
  const sum = (/** @type {"cost" | "fee" | "worst_case"} */ name) =>
    goodLines(lines).reduce((total, { told }) => total + toUnits(told?.[name] ?? "0", 6), 0);
  return { cost: sum("cost"), fee: sum("fee"), worst: sum("worst_case") };
}

/**
 * The message of a batch, with a key per line that stays with the line until its text is changed.
 * @param {BatchLine[]} lines
 * @param {{account: number, subaccount: number, batchKey: string, keyOf: (line: BatchLine) => string}} where
 */
export function batchParams(lines, { account, subaccount, batchKey, keyOf }) {
  const items = lines.map((line) => ({
    ...line.item,
    account_id: account,
    subaccount,
    idempotency_key: keyOf(line),
    // What the dry run showed of it: the desk refuses the line when that no longer holds.
    ...(line.told?.shown ? { shown: line.told.shown } : {}),
  }));
  return { batch_key: batchKey, items };
}

/** Why a batch is too large for one message, or "". @param {BatchLine[]} lines @param {Record<string, any>} params */
export function sizeProblem(lines, params) {
  if (lines.length > MOST_LINES)
    return `${lines.length} lines: at most ${MOST_LINES} go at once. Take off line ${lines[MOST_LINES]?.number} and what follows.`;
  const bytes = new TextEncoder().encode(JSON.stringify(params)).length;
  return bytes > MOST_BYTES ? "The table is too large for one batch. Send it in two parts." : "";
}
