/** What the exposure map draws of the events, and when it is drawn anew. Money in 1/1,000,000 dollar. */
import { formatMoney } from "../core/fixed.js";

/** @typedef {Pick<import("./row-model.js").GroupRow, "key" | "name" | "href" | "cost" | "unrealised">} EventAtStake */

/**
 * @param {EventAtStake[]} events
 * @returns {import("./svg.js").MapItem[]}
 */
export const exposureItems = (events) =>
  events
    .filter((event) => event.cost > 0)
    .map(({ name, href, cost, unrealised }) => ({
      name,
      href,
      size: cost,
      tone: unrealised === null ? 0 : Math.max(-1, Math.min(1, (4 * unrealised) / cost)),
      words: `${formatMoney(cost)}, ${unrealised === null ? "no mark" : formatMoney(unrealised, { signed: true })}`,
    }));

/**
 * Prices move all the time and the eye does not follow; what is known or not must never be behind the grid.
 * @param {number} everyMs moved figures are drawn at most this often
 */
export function createPace(everyMs) {
  let drawnAt = -Infinity;
  let drawn = "";
  return {
    /** Say whether these events are to be drawn now; if so they count as drawn. @param {number} at ms @param {EventAtStake[]} events */
    isDue(at, events) {
      const known = JSON.stringify(events.map((event) => [event.key, event.unrealised === null]));
      if (known === drawn && at - drawnAt < everyMs) return false;
      drawn = known;
      drawnAt = at;
      return true;
    },
    /** Whatever comes next is drawn. */
    again: () => (drawnAt = -Infinity),
  };
}
