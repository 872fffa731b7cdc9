/** Fair values that people set, as words and as what a form says of them. No DOM here. */

/** @typedef {Record<string, any>} Row a row of `fair.list` */

const SOURCES = { manual: "set by hand", file: "from a file" };

/** @param {Row} row @param {(ms: number) => string} time @param {(raw: string) => string} price */
export function markCells(row, time, price) {
  return {
    ticker: row["ticker"],
    value: price(row["yes"]),
    source: SOURCES[/** @type {keyof typeof SOURCES} */ (row["source"])] ?? row["source"],
    by: row["set_by"]?.name ?? "",
    ends: row["ends_ms"] ? time(row["ends_ms"]) : "no end",
  };
}

/**
 * Read what somebody typed: a ticker and cents.
 * @param {{ticker: string, cents: string, hours: string}} values
 * @returns {{mark: Record<string, any>, faults: Record<string, string>}}
 */
export function readMark({ ticker, cents, hours }) {
  /** @type {Record<string, string>} */
  const faults = {};
  const plain = cents.trim().replace(/¢$/, "");
  /** @type {Record<string, any>} */
  const mark = { ticker: ticker.trim().toUpperCase() };
  if (!mark["ticker"]) faults["ticker"] = "Which market?";
  if (!/^\d{1,2}(\.\d{1,2})?$/.test(plain) || /^0*(\.0*)?$/.test(plain))
    faults["cents"] = "Above 0 and below 100 cents.";
  else {
    const [whole = "0", part = ""] = plain.split(".");
    mark["yes"] = `0.${whole.padStart(2, "0")}${part.padEnd(2, "0")}`;
  }
  if (hours.trim()) {
    if (/^\d{1,3}$/.test(hours.trim()) && Number(hours) >= 1 && Number(hours) <= 168)
      mark["ends_in_s"] = Number(hours) * 3600;
    else faults["hours"] = "1 to 168 hours.";
  }
  return { mark, faults };
}

/** What was wrong with an uploaded file, line by line. @param {Record<string, string>} fields @param {number} most */
export function fileFaults(fields, most = 10) {
  const lines = Object.entries(fields).toSorted(([one], [other]) => Number(one) - Number(other));
  const said = lines.slice(0, most).map(([line, text]) => `Line ${line}: ${text}`);
  return lines.length > most ? [...said, `and ${lines.length - most} more lines`] : said;
}
