/** The top bar's live values. Each shows "-" and says why until it is known; never a made-up number. */

import { feedState, formatAge } from "../core/age.js";
import { formatCountdown } from "../core/clock.js";
import { formatMoney, toUnits } from "../core/fixed.js";
import { desk } from "./desk.js";
import { setAttribute, setText } from "./dom.js";

const REFRESH_MS = 500;

/**
 * What the exchange says about itself, in words.
 * @param {{exchange_active: boolean | null, trading_active: boolean | null, resume_at: string | null,
 *   hours_open?: boolean | null, hours_text?: string, maintenance?: {start: string, text: string} | null}} status
 * @param {number} nowMs
 * @returns {{text: string, tip: string, level: "ok" | "warning" | "danger" | ""}}
 */
export function exchangeWords(status, nowMs) {
  if (status.exchange_active === null || status.exchange_active === undefined) {
    return { text: "Exchange -", tip: "The exchange's status has not been read yet.", level: "" };
  }
  const hours = status.hours_text ? ` ${status.hours_text}.` : "";
  const planned = status.maintenance ? ` ${status.maintenance.text}.` : "";
  const resumeMs = status.resume_at ? Date.parse(status.resume_at) : NaN;
  const resume = Number.isNaN(resumeMs) ? "" : ` back in ${formatCountdown(resumeMs - nowMs)}`;
  if (!status.exchange_active) {
    return {
      text: `Exchange paused${resume}`,
      tip: `The exchange accepts nothing now.${planned || hours}`,
      level: "danger",
    };
  }
  if (!status.trading_active) {
    return {
      text: `Trading paused${resume}`,
      tip: `Orders are not matched now; you can watch.${planned || hours}`,
      level: "warning",
    };
  }
  if (status.maintenance) {
    const minutes = Math.ceil((Date.parse(status.maintenance.start) - nowMs) / 60_000);
    const text = minutes > 0 ? `Maintenance in ${minutes} min` : "Maintenance now";
    return { text, tip: `Trading is still open.${planned}`, level: "warning" };
  }
  return { text: "Trading open", tip: `The exchange and trading are active.${hours}`, level: "ok" };
}

/**
 * @param {any} status frame of `status:<env>`, or null
 * @param {{link: string, isFresh: boolean, seenMs: number, nowMs: number}} facts
 * @returns {{text: string, tip: string, state: string}}
 */
export function feedWords(status, { link, isFresh, seenMs, nowMs }) {
  const why = status?.feed_why || status?.why || "";
  const { state, text } = feedState({ link, isFresh: isFresh && status !== null, state: status?.feed, why, seenMs });
  if (state === "live") {
    const tip = status.feed_ms
      ? `Market data is live. Last frame of the feed ${formatAge(nowMs - status.feed_ms)} before the status was read.`
      : "Market data is live.";
    return { text: "Feed live", tip, state };
  }
  if (state === "down") return { text: "Feed down", tip: why || "No market data arrives.", state };
  return { text: `Feed ${text.split(":")[0]}`, tip: text, state };
}

/** @param {Document | Element} root */
export function startBar(root) {
  const { environment, account, subaccount } = desk.data;
  if (!environment || account === null) return;
  const statusTopic = `status:${environment}`;
  const exchange = root.querySelector("[data-exchange-status]");
  const feed = root.querySelector("[data-feed-age]");

  function showStatus() {
    const state = desk.topics.peek(statusTopic);
    const status = state?.value ?? null;
    const nowMs = desk.clock.now();
    if (status) {
      const words = exchangeWords(status, nowMs);
      setText(exchange?.querySelector("[data-text]") ?? null, words.text);
      setAttribute(exchange, "data-tip", words.tip);
      setAttribute(exchange?.querySelector(".dot") ?? null, "class", words.level ? `dot dot--${words.level}` : "dot");
    }
    const { state: link, since } = desk.socket.link;
    const facts = { link, isFresh: state?.isFresh ?? false, seenMs: Date.now() - since, nowMs };
    const words = feedWords(status, facts);
    setText(feed?.querySelector("[data-text]") ?? null, words.text);
    setAttribute(feed, "data-tip", words.tip);
    setAttribute(feed, "data-state", words.state);
    setAttribute(document.body, "data-link", link);
  }

  desk.topics.watch(statusTopic, showStatus);
  desk.topics.watch(`limits:${account}`, ({ value }) => showLimits(root, value));
  desk.topics.watch(`balance:${account}`, ({ value }) => showBalance(root, value?.subaccounts?.[String(subaccount)]));
  desk.socket.onLink(showStatus);
  setInterval(showStatus, REFRESH_MS);
}

/** @param {Document | Element} root @param {any} limits */
function showLimits(root, limits) {
  for (const kind of ["read", "write"]) {
    const level = limits?.[kind];
    const meter = root.querySelector(`[data-meter="${kind}"]`);
    if (!level || !meter) continue;
    const bar = meter.querySelector("progress");
    if (bar) [bar.max, bar.value] = [level.capacity, level.tokens];
    setAttribute(meter, "data-level", level.tokens * 4 < level.capacity ? "low" : "ok");
    const name = kind === "read" ? "Read" : "Write";
    const rest = limits.degraded ? " Counted by this process alone: the shared count is out of reach." : "";
    setAttribute(
      meter,
      "data-tip",
      `${name}: ${level.tokens} of ${level.capacity} tokens left, ${level.rate} come back per second.${rest}`,
    );
  }
}

/** @param {Document | Element} root @param {any} row */
function showBalance(root, row) {
  for (const name of ["cash", "portfolio_value"]) {
    const figure = root.querySelector(`[data-figure="${name}"]`);
    const value = row?.[name];
    if (!figure || value === undefined || value === null) continue;
    setText(figure.querySelector("[data-text]"), formatMoney(toUnits(value, 6)));
    const seen = row.seen_ms ? ` Read ${formatAge(desk.clock.now() - row.seen_ms)} before it was shown.` : "";
    const words = name === "cash" ? "Cash" : "Portfolio value (positions at the exchange's mark)";
    setAttribute(
      figure,
      "data-tip",
      `${words} of subaccount ${desk.data.subaccount}, as the exchange reported it.${seen}`,
    );
  }
}
