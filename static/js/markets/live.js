/** What the Markets and the Event page share of the live topics: changed tickers, own positions, the feed's age. */
import { feedState, formatAge } from "../core/age.js";
import { desk } from "../frame/desk.js";
import { setText } from "../frame/dom.js";
import { countUnits } from "./row-model.js";

const LABEL_MS = 500;

/**
 * Call onChange(tickers, rowOf) once per animation frame for what changed since the last one.
 * @param {string} environment
 * @param {(tickers: Set<string>, rowOf: (ticker: string) => Record<string, any> | undefined) => void} onChange
 */
export function watchTickers(environment, onChange) {
  const topic = `tickers:${environment}`;
  /** @type {Set<string>} */
  const changed = new Set();
  let isDue = false;
  desk.topics.watch(topic, () => {});
  const rows = desk.topics.peek(topic)?.rows;
  const rowOf = (/** @type {string} */ ticker) => rows?.get(ticker);
  rows?.subscribe((ticker) => {
    changed.add(ticker);
    if (isDue) return;
    isDue = true;
    requestAnimationFrame(() => {
      isDue = false;
      onChange(new Set(changed), rowOf);
      changed.clear();
    });
  });
  return { rowOf };
}

/**
 * Positions of the selected subaccount by ticker; null: flat, or no account.
 * @param {string} account
 * @param {string} subaccount
 * @param {(tickers: Set<string>) => void} onChange
 */
export function watchPositions(account, subaccount, onChange) {
  if (!account) return { positionOf: () => null };
  const topic = `positions:${account}`;
  const prefix = `${subaccount}:`;
  desk.topics.watch(topic, () => {});
  const rows = desk.topics.peek(topic)?.rows;
  rows?.subscribe((key) => {
    if (key.startsWith(prefix)) onChange(new Set([key.slice(prefix.length)]));
  });
  return {
    /** @param {string} ticker 1/100 contract, positive YES @returns {number | null} */
    positionOf: (ticker) => countUnits(rows?.get(prefix + ticker)?.["position"]) || null,
  };
}

/**
 * Keep the region's `data-feed` and its label true: live, stale or down, and how old.
 * @param {HTMLElement} root
 * @param {string} environment
 */
export function watchFeed(root, environment) {
  const label = root.querySelector("[data-feed-age]");
  /** @type {{feed?: import("../core/age.js").FeedState, feed_ms?: number | null} | null} */
  let status = null;
  let isFresh = false;

  function show() {
    const age = status?.feed_ms ? formatAge(desk.clock.now() - status.feed_ms) : "";
    const { state, text } = feedState({
      link: desk.socket.link.state,
      isFresh,
      state: status?.feed ?? "down",
      seenMs: Date.now() - desk.socket.link.since,
    });
    root.dataset["feed"] = state;
    if (state === "live") setText(label, age ? `live, ${age} old` : "live");
    else if (desk.socket.link.state === "live" && isFresh)
      setText(label, `feed ${state}${age ? `, prices ${age} old` : ""}`);
    else setText(label, text);
  }

  desk.topics.watch(`status:${environment}`, (state) => {
    status = state.value;
    isFresh = state.isFresh;
    show();
  });
  desk.socket.onLink(show);
  setInterval(show, LABEL_MS);
}
