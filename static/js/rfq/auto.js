/** Auto-accept of a request: one shot, within the private limit, switched on and off while it is open. */
import { ask } from "../frame/ask.js";
import { toast } from "../frame/toasts.js";
import { OUTCOMES, priceText } from "./words.js";

/** @typedef {import("./words.js").Row} Row */

/**
 * @param {Row} row
 * @param {{look: import("./words.js").Look,
 *   command: (name: string, params: Record<string, unknown>) => Promise<import("../core/socket.js").Outcome>}} options
 */
export async function askAuto(row, { look, command }) {
  const params = row["auto"] ? await askOff() : await askOn(row, look);
  if (params === undefined) return;
  const answer = await command("rfq.auto", { rfq: row["key"], auto: params });
  if (answer.kind === "error") toast({ title: "Auto-accept is unchanged", text: answer.text, level: "danger" });
  if (answer.kind === "unknown")
    toast({ title: "Sent, answer lost", text: "The request shows what holds.", level: "warning" });
}

async function askOff() {
  const isMeant = await ask({
    title: "Switch auto-accept off",
    text: "Nothing is taken by itself any more. The limit stays.",
    yes: "Switch it off",
  });
  return isMeant ? null : undefined;
}

/** @param {Row} row @param {import("./words.js").Look} look */
async function askOn(row, look) {
  const sides = OUTCOMES.filter((outcome) => row[`limit_${outcome}`]);
  const side = sides[0];
  if (!side) {
    await ask({
      title: "Auto-accept needs a limit",
      text: "It takes the first quote at or below your private limit, and this request has none. Give one in a new request.",
      yes: "Understood",
      no: "Close",
    });
    return undefined;
  }
  for (const each of sides) {
    const limit = priceText(row[`limit_${each}`], look);
    const isMeant = await ask({
      title: `Take ${each.toUpperCase()} at ${limit} or less by itself`,
      text: "Once: the first quote within the limit is accepted at its price, without another question. It is logged with your name.",
      yes: `Take ${each.toUpperCase()} by itself`,
    });
    if (isMeant) return { buys: each, min_quotes: 1, after_s: 0 };
  }
  return undefined;
}
