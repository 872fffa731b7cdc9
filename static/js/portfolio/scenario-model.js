/**
 * Worst and best case of an event's open positions, as apps/core/pnl_scenarios.py has them: at most one market of an
 * exclusive event resolves YES. Contracts 1/100, money 1/1,000,000 dollar, before fees.
 */
import { DOLLAR } from "../core/fixed.js";

/**
 * @typedef {{ticker: string, position: number, cost: number, value: number | null, isVoid: boolean}} Leg
 *   position positive YES; value of a YES contract when the market has its result
 */

/** @param {number} position @param {number} yesPrice */
export const worthOf = (position, yesPrice) => (position >= 0 ? position * yesPrice : -position * (DOLLAR - yesPrice));

/**
 * @param {Leg[]} legs
 * @param {boolean} isExclusive
 */
export function scenarioOf(legs, isExclusive) {
  /** @type {Map<string, {yes: number, no: number, isOpen: boolean, isWon: boolean}>} */
  const markets = new Map();
  for (const { ticker, position, cost, value, isVoid } of legs) {
    const one = markets.get(ticker) ?? { yes: 0, no: 0, isOpen: true, isWon: false };
    markets.set(ticker, one);
    if (isVoid) one.isOpen = false;
    else if (value === null) {
      one.yes += worthOf(position, DOLLAR) - cost;
      one.no += worthOf(position, 0) - cost;
    } else {
      one.isOpen = false;
      one.isWon ||= value === DOLLAR;
      one.yes += worthOf(position, value) - cost;
      one.no += worthOf(position, value) - cost;
    }
  }
  const all = [...markets.values()];
  if (!isExclusive) {
    return {
      worst: all.reduce((sum, one) => sum + Math.min(one.yes, one.no), 0),
      best: all.reduce((sum, one) => sum + Math.max(one.yes, one.no), 0),
    };
  }
  const nobody = all.reduce((sum, one) => sum + one.no, 0);
  const outcomes = [nobody];
  if (!all.some((one) => one.isWon)) for (const one of all) if (one.isOpen) outcomes.push(nobody - one.no + one.yes);
  return { worst: Math.min(...outcomes), best: Math.max(...outcomes) };
}
