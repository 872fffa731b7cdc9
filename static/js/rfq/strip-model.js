/** What a request comes to before it is sent: the lines of `rfq.preview` in words. No DOM here. */
import { moneyText } from "./words.js";

/** @typedef {{name: string, value: string, tone?: "up" | "down" | "", title?: string}} Fact */

/**
 * @param {Record<string, any>} told
 * @param {import("./words.js").Look} _look
 * @returns {Fact[]}
 */
export function stripFacts(told, _look) {
  return told["cash"] ? [{ name: "Cash", value: moneyText(told["cash"]) }] : [];
}
