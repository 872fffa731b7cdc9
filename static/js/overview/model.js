/** What the Overview lists out of the live topics: working orders, requests, windows, events, sources. No DOM here. */
import { formatAge } from "../core/age.js";
import { formatCount, formatMoney, formatPrice, toUnits } from "../core/fixed.js";
import { shownPrice, sideWords } from "../market/orders-table.js";
import { headline, isActive, isUndecided, leftMs } from "../rfq/confirm/model.js";
import { subjectOutcomeFirst } from "../rfq/confirm/words.js";

/** @typedef {Record<string, any>} Row */
/** @typedef {{format: import("../core/fixed.js").PriceFormat, nameOf: (ticker: string) => string}} Look */
/** @typedef {"ok" | "warning" | "danger" | ""} Level */
/** @typedef {{name: string, label: string, level: Level, text: string, url: string}} Source */
/**
 * @typedef {object} HappenedRow
 * @property {string} key
 * @property {number} atMs
 * @property {"fill" | "refused" | "cancelled" | "unknown" | "rfq" | "window"} kind
 * @property {string} kindText
 * @property {Level} level
 * @property {string} text
 * @property {string} href
 */

const STALE_CASH_MS = 60_000;

/** @param {number} units */
const stepOf = (units) => (units % 100 === 0 ? 100 : units % 10 === 0 ? 10 : 1);

/** @param {number} units @param {Look} look */
const priceText = (units, { format }) => formatPrice(units, { format, step: stepOf(units) });

/**
 * Orders that may still fill, and those of which nobody knows: the unknown above, then the newest.
 * @param {Row[]} rows of `orders:<account>`
 * @param {Look} look
 */
export function workingOf(rows, look) {
  return rows
    .filter((row) => row["is_working"] || row["state"] === "unknown")
    .sort((one, other) => {
      const isUnknown = Number(other["state"] === "unknown") - Number(one["state"] === "unknown");
      return isUnknown || (other["created_ms"] ?? 0) - (one["created_ms"] ?? 0);
    })
    .map((row) => ({
      key: String(row["key"]),
      ticker: String(row["ticker"]),
      name: look.nameOf(row["ticker"]),
      href: `/markets/${encodeURIComponent(row["ticker"])}/`,
      side: sideWords(row),
      isBid: row["book_side"] === "bid",
      price: priceText(shownPrice(row), look),
      left: row["state"] === "unknown" ? "-" : formatCount(toUnits(row["remaining"], 2)),
      of: formatCount(toUnits(row["count"], 2)),
      state: String(row["state_text"]),
      isUnknown: row["state"] === "unknown",
    }));
}

/**
 * Own requests that are open, the newest first, with the best that is offered.
 * @param {Row[]} rows of `rfqs:<account>`
 * @param {Look} look
 */
export function requestsOf(rows, look) {
  return rows
    .filter((row) => row["is_open"] || row["state"] === "unknown")
    .sort((one, other) => (other["created_ms"] ?? 0) - (one["created_ms"] ?? 0))
    .map((row) => {
      const open = (row["quotes"] ?? []).filter(
        (/** @type {Row} */ quote) => quote["is_open"] ?? quote["state"] === "open",
      );
      const best = (/** @type {string} */ name) => {
        const prices = open
          .filter((/** @type {Row} */ one) => one[name])
          .map((/** @type {Row} */ one) => toUnits(one[name], 4));
        return prices.length ? priceText(Math.min(...prices), look) : "-";
      };
      const size = row["contracts"] ? formatCount(toUnits(row["contracts"], 2)) : "";
      const cost = row["target_cost"] ? formatMoney(toUnits(row["target_cost"], 6)) : "";
      return {
        key: String(row["key"]),
        name: subjectOutcomeFirst(/** @type {any} */ (row)),
        size: size || cost,
        yes: best("buy_yes"),
        no: best("buy_no"),
        quotes: open.length,
        state: String(row["state_text"]),
      };
    });
}

/**
 * Accepted quotes of ours that are not over, the shortest window first.
 * @param {Row[]} rows of `confirms:<account>`
 * @param {Look} look
 * @param {number} now Unix ms by the server's clock
 */
export function windowsOf(rows, { format }, now) {
  return rows
    .filter(isActive)
    .sort((one, other) => one["send_by_ms"] - other["send_by_ms"])
    .map((row) => {
      const waits = isUndecided(row, now);
      return {
        key: String(row["key"]),
        name: subjectOutcomeFirst(/** @type {any} */ (row)),
        text: headline(row, format),
        state: waits
          ? `${(Math.floor(leftMs(row, now) / 100) / 10).toFixed(1)} s to decide`
          : String(row["state_text"]),
        waits,
      };
    });
}

/**
 * What happened last, the newest first: fills, orders that were refused, cancelled or of which nothing is known,
 * requests and windows that ended.
 * @param {{fills: Row[], orders: Row[], rfqs: Row[], confirms: Row[]}} told
 * @param {Look} look
 * @param {number} atMost
 * @returns {HappenedRow[]}
 */
export function happenedOf({ fills, orders, rfqs, confirms }, look, atMost) {
  /** @type {HappenedRow[]} */
  const found = [];
  const market = (/** @type {string} */ ticker) => `/markets/${encodeURIComponent(ticker)}/`;
  for (const row of fills) {
    const price = priceText(toUnits(row["outcome_price"], 4), look);
    const what = `${formatCount(toUnits(row["count"], 2))} ${String(row["outcome_side"]).toUpperCase()} at ${price}`;
    const text = `${what}, ${look.nameOf(row["ticker"])}`;
    const kind = { kind: /** @type {const} */ ("fill"), kindText: "Fill", level: /** @type {const} */ ("ok") };
    found.push({ key: `fill:${row["key"]}`, atMs: row["traded_ms"], ...kind, text, href: market(row["ticker"]) });
  }
  for (const row of orders) {
    const kind = ORDER_ENDS[row["state"]];
    if (!kind) continue;
    const order = `${sideWords(row)} ${formatCount(toUnits(row["count"], 2))} at ${priceText(shownPrice(row), look)}`;
    const why = row["state"] === "refused" ? row["error"] : row["state"] === "canceled" ? row["ended"] : "";
    const text = `${order}, ${look.nameOf(row["ticker"])}${why ? `: ${why}` : ""}`;
    found.push({
      key: String(row["key"]),
      atMs: row["updated_ms"] ?? row["created_ms"],
      ...kind,
      text,
      href: "/orders/",
    });
  }
  for (const row of rfqs) {
    if (!row["closed_ms"]) continue;
    const kind = { kind: /** @type {const} */ ("rfq"), kindText: "RFQ", level: /** @type {const} */ ("") };
    found.push({
      key: String(row["key"]),
      atMs: row["closed_ms"],
      ...kind,
      text: `${subjectOutcomeFirst(/** @type {any} */ (row))}: ${row["state_text"]}`,
      href: "/rfq/",
    });
  }
  for (const row of confirms) {
    if (isActive(row)) continue;
    const level = WINDOW_LEVELS[row["state"]] ?? "";
    const atMs = row["executed_ms"] ?? row["decided_ms"] ?? row["window_ends_ms"];
    const kind = { kind: /** @type {const} */ ("window"), kindText: "Quote", level };
    found.push({
      key: String(row["key"]),
      atMs,
      ...kind,
      text: `${row["title"]}: ${row["state_text"]}`,
      href: "/rfq/",
    });
  }
  return found
    .filter((one) => typeof one.atMs === "number")
    .sort((one, other) => other.atMs - one.atMs || one.key.localeCompare(other.key))
    .slice(0, atMost);
}

/** @type {Record<string, {kind: HappenedRow["kind"], kindText: string, level: Level}>} */
const ORDER_ENDS = {
  refused: { kind: "refused", kindText: "Refused", level: "danger" },
  canceled: { kind: "cancelled", kindText: "Cancelled", level: "" },
  unknown: { kind: "unknown", kindText: "Unknown", level: "warning" },
  not_seen: { kind: "unknown", kindText: "Not seen", level: "warning" },
};
/** @type {Record<string, Level>} */
const WINDOW_LEVELS = { executed: "ok", missed: "danger", failed: "danger", lapsed: "" };

/**
 * How each source of the page is, in words, what needs somebody above. A source that has said nothing yet is not well.
 * @param {object} told
 * @param {{text: string, level: Level}} told.exchange
 * @param {{text: string, state: string, tip: string}} told.feed
 * @param {number | null} told.cashMs when the oldest balance was read
 * @param {number} told.breaks positions that differ from the exchange's
 * @param {Row | null} told.trading frame of `trading`
 * @param {Row | null} told.tokens frame of `limits`
 * @param {Source[]} told.more of the server
 * @param {number} told.now
 * @returns {Source[]}
 */
export function healthOf({ exchange, feed, cashMs, breaks, trading, tokens, more, now }) {
  /** @type {Source[]} */
  const found = [
    { name: "exchange", label: "Exchange", level: exchange.level || "warning", text: exchange.text, url: "" },
  ];
  const feedLevel = feed.state === "live" ? "ok" : feed.state === "down" ? "danger" : "warning";
  found.push({
    name: "feed",
    label: "Prices",
    level: feedLevel,
    text: feed.state === "live" ? "live" : feed.tip,
    url: "",
  });
  const age = cashMs === null ? null : now - cashMs;
  found.push({
    name: "cash",
    label: "Balances",
    level: age !== null && age <= STALE_CASH_MS ? "ok" : "warning",
    text: age === null ? "not read yet" : `read ${formatAge(age)} ago`,
    url: "/portfolio/cash/",
  });
  found.push(positionsSource(breaks), tradingSource(trading), tokensSource(tokens), ...more);
  /** @type {Record<string, number>} */
  const rank = { danger: 0, warning: 1 };
  return found.sort((one, other) => (rank[one.level] ?? 2) - (rank[other.level] ?? 2));
}

/** @param {number} breaks @returns {Source} */
const positionsSource = (breaks) => ({
  name: "positions",
  label: "Positions",
  level: breaks ? "warning" : "ok",
  text: breaks ? `${breaks} differ${breaks === 1 ? "s" : ""} from the exchange` : "as the exchange has them",
  url: "/portfolio/",
});

/** @param {Row | null} trading @returns {Source} */
function tradingSource(trading) {
  const told = { name: "trading", label: "Trading", url: "/orders/" };
  if (!trading) return { ...told, level: "warning", text: "not known yet" };
  const pauses = trading["pauses"] ?? [];
  const killed = pauses.find((/** @type {Row} */ one) => one["level"] === "kill");
  if (killed) return { ...told, level: "danger", text: `killed by ${killed["by"]}` };
  if (pauses.length) return { ...told, level: "warning", text: `paused by ${pauses[0]["by"]}` };
  if (trading["recovering"])
    return { ...told, level: "warning", text: "answers wait to be written down; no order passes" };
  if (trading["gate"]) return { ...told, level: "warning", text: "closed: orders were accepted without being named" };
  return { ...told, level: "ok", text: "open" };
}

/** @param {Row | null} tokens @returns {Source} */
function tokensSource(tokens) {
  const told = { name: "tokens", label: "Token budget", url: "" };
  if (!tokens) return { ...told, level: "warning", text: "not known yet" };
  const level = (/** @type {string} */ kind) => tokens[kind];
  const low = ["read", "write"].filter((kind) => level(kind) && level(kind).tokens * 4 < level(kind).capacity);
  const words = (/** @type {string} */ kind) =>
    level(kind) ? `${kind} ${level(kind).tokens} of ${level(kind).capacity}` : "";
  const text = ["read", "write"].map(words).filter(Boolean).join(", ");
  if (tokens["degraded"]) return { ...told, level: "warning", text: `${text}; counted by each process alone` };
  return { ...told, level: low.length ? "warning" : "ok", text };
}
