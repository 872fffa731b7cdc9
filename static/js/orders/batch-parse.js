/** Turns a pasted table or CSV into lines of cells under known names, and says how it was read. No DOM. */

/** @typedef {{number: number, cells: Record<string, string>}} Line number: of the line in the text, from 1 */
/**
 * @typedef {object} Table
 * @property {string} delimiter
 * @property {boolean} hasHeader
 * @property {boolean} hasDecimalComma "52,5" is a number, "1.000" a thousand
 * @property {string[]} unused headers that mean nothing here
 * @property {string} problem why nothing could be read, or ""
 * @property {Line[]} lines
 */

export const FIELDS = /** @type {const} */ ([
  "ticker",
  "side",
  "price",
  "count",
  "terms",
  "expires_at",
  "post_only",
  "reduce_only",
  "cancel_on_pause",
  "group",
]);

/** @type {Record<string, string>} */
const ALIASES = {
  ticker: "ticker",
  market: "ticker",
  market_ticker: "ticker",
  symbol: "ticker",
  side: "side",
  action: "side",
  outcome: "outcome",
  yes_no: "outcome",
  price: "price",
  limit: "price",
  limit_price: "price",
  cents: "price_cents",
  price_cents: "price_cents",
  dollars: "price_dollars",
  price_dollars: "price_dollars",
  outcome_price_dollars: "price_dollars",
  count: "count",
  contracts: "count",
  quantity: "count",
  qty: "count",
  size: "count",
  terms: "terms",
  tif: "terms",
  time_in_force: "terms",
  expires: "expires_at",
  expires_at: "expires_at",
  expiry: "expires_at",
  post_only: "post_only",
  reduce_only: "reduce_only",
  cancel_on_pause: "cancel_on_pause",
  group: "group",
  order_group: "group",
};
const DELIMITERS = ["\t", ";", "|", ","];
const MOST_LINES = 2_000;

/** "Order Group" and "order-group" are one name. @param {string} text */
const nameOf = (text) =>
  text
    .trim()
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "_")
    .replace(/^_|_$/g, "");

/**
 * Records of a delimited text (RFC 4180): quoted cells may hold the delimiter, doubled quotes and line ends.
 * @param {string} text
 * @param {string} delimiter "" for runs of spaces
 * @returns {{number: number, cells: string[]}[]} without empty lines
 */
export function readRecords(text, delimiter) {
  /** @type {{number: number, cells: string[]}[]} */
  const records = [];
  /** @type {string[]} */
  let cells = [];
  let cell = "";
  let isQuoted = false;
  let wasQuoted = false;
  let number = 1;
  let startedAt = 1;
  const endCell = () => {
    cells.push(wasQuoted ? cell : cell.trim());
    cell = "";
    wasQuoted = false;
  };
  const endLine = () => {
    endCell();
    if (cells.some((each) => each !== "")) records.push({ number: startedAt, cells });
    cells = [];
    startedAt = number;
  };
  for (let at = 0; at < text.length; at += 1) {
    const sign = text[at] ?? "";
    if (isQuoted) {
      if (sign === "\n") number += 1;
      if (sign === '"' && text[at + 1] === '"') {
        cell += '"';
        at += 1;
      } else if (sign === '"') isQuoted = false;
      else cell += sign;
    } else if (sign === '"' && cell.trim() === "") {
      cell = "";
      isQuoted = wasQuoted = true;
    } else if (sign === "\n") {
      number += 1;
      endLine();
    } else if (delimiter ? sign === delimiter : /[ \t]/.test(sign)) {
      if (delimiter || cell !== "") endCell();
    } else if (sign !== "\r") cell += sign;
  }
  if (cell !== "" || cells.length) endLine();
  return records;
}

/** The delimiter that the first lines use; "" for spaces. @param {string} text */
export function findDelimiter(text) {
  const head = text
    .split("\n")
    .filter((line) => line.trim() !== "")
    .slice(0, 5)
    .map((line) => line.replace(/"[^"]*"/g, ""));
  return DELIMITERS.find((delimiter) => head.length > 0 && head.every((line) => line.includes(delimiter))) ?? "";
}

/** @param {string[]} cells @returns {string[] | null} names of columns, null when this is no header */
function headerOf(cells) {
  const names = cells.map(nameOf);
  const known = names.filter((name) => name in ALIASES);
  return known.length >= 2 && known.length * 2 >= names.filter(Boolean).length ? names : null;
}

/** Whether numbers are written with a decimal comma: some have one, none has a decimal point. @param {string[]} numbers */
export function usesDecimalComma(numbers) {
  const hasComma = numbers.some((text) => /\d,\d{1,2}\s*[c¢]?$/.test(text) || /^0,\d+/.test(text));
  const hasPoint = numbers.some((text) => /\d\.\d{1,2}\s*[c¢]?$/.test(text) || /^\$?0?\.\d+/.test(text));
  return hasComma && !hasPoint;
}

/** @param {string} text as pasted @returns {Table} */
export function parseTable(text) {
  const clean = text.replace(/^\uFEFF/, "").replace(/\r\n?/g, "\n");
  const delimiter = findDelimiter(clean);
  const records = readRecords(clean, delimiter);
  /** @type {Table} */
  const table = { delimiter, hasHeader: false, hasDecimalComma: false, unused: [], problem: "", lines: [] };
  const first = records[0];
  if (!first) return { ...table, problem: "Paste a table first." };
  if (records.length > MOST_LINES) return { ...table, problem: `At most ${MOST_LINES} lines can be read at once.` };
  const header = headerOf(first.cells);
  const names = header ? header.map((name) => ALIASES[name] ?? "") : [...FIELDS];
  const twice = names.find((name, at) => name && names.indexOf(name) !== at);
  if (twice) return { ...table, hasHeader: true, problem: `Two columns are both the ${twice.replaceAll("_", " ")}.` };
  const lines = (header ? records.slice(1) : records).map(({ number, cells }) => ({
    number,
    cells: Object.fromEntries(names.flatMap((name, at) => (name ? [[name, cells[at] ?? ""]] : []))),
    extra: header ? 0 : Math.max(0, cells.length - names.length),
  }));
  const wide = lines.find(({ extra }) => extra > 0);
  if (wide)
    return { ...table, problem: `Line ${wide.number} has more columns than are known. Put a header above the table.` };
  const numbers = lines.flatMap(({ cells }) =>
    ["price", "price_cents", "price_dollars", "count"].map((name) => cells[name] ?? ""),
  );
  return {
    ...table,
    hasHeader: header !== null,
    hasDecimalComma: usesDecimalComma(numbers),
    unused: header ? first.cells.filter((_, at) => first.cells[at]?.trim() && !names[at]) : [],
    problem: lines.length ? "" : "There is a header and no line under it.",
    lines: lines.map(({ number, cells }) => ({ number, cells })),
  };
}

/** @type {Record<string, string>} */
const DELIMITER_WORDS = { "\t": "tabs", ";": "semicolons", "|": "bars", ",": "commas", "": "spaces" };

/** How a table was read, in words. @param {Table} table */
export function tableWords(table) {
  const words = [
    `columns by ${DELIMITER_WORDS[table.delimiter]}`,
    table.hasHeader ? "with a header" : `without a header, so ${FIELDS.slice(0, 5).join(", ")} and so on`,
    table.hasDecimalComma ? "numbers like 1.000,5" : "numbers like 1,000.5",
  ];
  if (table.unused.length) words.push(`not used: ${table.unused.join(", ")}`);
  return `Read as ${words.join("; ")}.`;
}
