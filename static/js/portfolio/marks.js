/** Which live topics give the marks: books of the largest positions, the market list's prices of the rest. */
import { desk } from "../frame/desk.js";
import { markOf } from "./mark-model.js";

// A tab may have 300 topics; a book costs the gateway a subscription.
const BOOKS_AT_MOST = 120;

/**
 * @param {string} environment
 * @param {(tickers: Set<string>) => void} onChange once per animation frame at most
 */
export function watchMarks(environment, onChange) {
  const topic = `tickers:${environment}`;
  /** @type {Map<string, () => void>} */
  const books = new Map();
  /** @type {Set<string>} */
  const changed = new Set();
  let isDue = false;

  /** @param {string} ticker */
  function mark(ticker) {
    changed.add(ticker);
    if (isDue) return;
    isDue = true;
    requestAnimationFrame(() => {
      isDue = false;
      const told = new Set(changed);
      changed.clear();
      onChange(told);
    });
  }

  desk.topics.watch(topic, () => {});
  const rows = desk.topics.peek(topic)?.rows;
  /** @type {Set<string>} */
  let wanted = new Set();
  rows?.subscribe((ticker) => {
    if (wanted.has(ticker)) mark(ticker);
  });

  return {
    /** @param {string[]} tickers of open positions, the largest first */
    want(tickers) {
      wanted = new Set(tickers);
      const first = new Set(tickers.slice(0, BOOKS_AT_MOST));
      for (const [ticker, leave] of books) {
        if (first.has(ticker)) continue;
        leave();
        books.delete(ticker);
      }
      for (const ticker of first) {
        if (!books.has(ticker))
          books.set(
            ticker,
            desk.topics.watch(`book:${environment}:${ticker}`, () => mark(ticker)),
          );
      }
    },
    /** What the market's status is now, "" when the live list does not have it. @param {string} ticker */
    statusOf: (ticker) => String(rows?.get(ticker)?.["status"] ?? ""),
    /** @param {import("./mark-model.js").MarketFacts} facts */
    of(facts) {
      const book = desk.topics.peek(`book:${environment}:${facts.ticker}`)?.value ?? null;
      return markOf(facts, book, rows?.get(facts.ticker));
    },
  };
}
