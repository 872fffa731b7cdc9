/**
 * Where the price of a request can be: what the legs' prices allow for a combo, the book for one market.
 * Exact integers: a chance is in 1/20,000, because the middle of two prices may lie between two of 1/10,000. No DOM here.
 */
import { toUnits } from "../core/fixed.js";

export const WHOLE = 20_000;

/** @typedef {{lowest: number, product: number, highest: number}} Bounds price units of 1/10,000 dollar, rounded down */

/**
 * The chance of a leg on its side: the middle of its book. null: one side of the book is empty.
 * @param {string | null | undefined} bid best YES bid, dollars
 * @param {string | null | undefined} ask best YES ask
 * @param {"yes" | "no"} side
 */
export function chanceOf(bid, ask, side) {
  if (!bid || !ask) return null;
  const yes = toUnits(bid, 4) + toUnits(ask, 4);
  return side === "no" ? WHOLE - yes : yes;
}

/**
 * What the chances of the legs allow for all of them together (Fréchet), and their product if nothing binds them.
 * @param {(number | null)[]} chances
 * @returns {Bounds | null} null: a leg without a price
 */
export function boundsOf(chances) {
  if (chances.length === 0) return null;
  const known = chances.filter((chance) => chance !== null);
  if (known.length < chances.length) return null;
  const sum = known.reduce((total, chance) => total + chance, 0);
  const lowest = Math.max(0, sum - (known.length - 1) * WHOLE);
  const top = known.reduce((product, chance) => product * BigInt(chance), 10_000n);
  return {
    lowest: Math.floor(lowest / 2),
    product: Number(top / BigInt(WHOLE) ** BigInt(known.length)),
    highest: Math.floor(Math.min(...known) / 2),
  };
}

/**
 * Where a price lies against what is possible.
 * @param {number} price units
 * @param {Bounds} bounds
 */
export function boundsFlag(price, bounds) {
  if (price < bounds.lowest) return "below what is possible";
  if (price > bounds.highest) return "above what is possible";
  return "";
}

const GAME = /-(\d{2}[A-Z]{3}\d{2}[A-Z0-9]{4,})/;

/**
 * Legs of the same event or the same game are not independent.
 * @param {{event_ticker?: string, market_ticker: string}[]} legs
 * @returns {string} in words, "" when none do
 */
export function sharedGame(legs) {
  /** @type {Map<string, number>} */
  const games = new Map();
  for (const leg of legs) {
    const event = leg.event_ticker || leg.market_ticker;
    const game = GAME.exec(event)?.[1] ?? event;
    games.set(game, (games.get(game) ?? 0) + 1);
  }
  const most = Math.max(0, ...games.values());
  if (most < 2) return "";
  const words = ["", "", "two", "three", "four", "five"][most] ?? String(most);
  return `${words} legs share a game: expect correlation`;
}

const DOLLAR = 10_000;
const CENT = 100;

/**
 * Return the ends of the scale: all prices, or the cents around what stands on it.
 * @param {number[]} units of 1/10,000 dollar
 * @param {boolean} isClose
 * @returns {[number, number]}
 */
export function scaleOf(units, isClose) {
  if (!isClose) return [0, DOLLAR];
  const [least, most] = [Math.min(...units), Math.max(...units)];
  const room = Math.max(CENT, (most - least) / 4);
  const low = Math.max(0, Math.floor((least - room) / CENT) * CENT);
  return [low, Math.min(DOLLAR, Math.ceil((most + room) / CENT) * CENT)];
}
