/** Beside the selected request: its markets with live prices, where the price can be, what the pointed quote costs. */
import { formatCount, formatMoney, formatPrice, fromUnits, toUnits } from "../core/fixed.js";
import { element, setText } from "../frame/dom.js";
import { previewLine } from "../market/ticket-preview.js";
import { boundsBar } from "./bounds-bar.js";
import { boundsFlag, boundsOf, chanceOf, sharedGame } from "./bounds-model.js";
import { stepsOf } from "./progress-model.js";
import { bestOffer, stackOf } from "./stack-model.js";
import { OUTCOMES, differenceText, legText, moneyText, priceText, sizeText, timesMicro, titleParts } from "./words.js";

/** @typedef {import("./words.js").Row} Row */
/** @typedef {import("./stack-model.js").Target} Target */

const PREVIEW_DELAY_MS = 120;
const LIMIT_WORDS = 28;

/**
 * @param {HTMLElement} panel
 * @param {{look: import("./words.js").Look, person: string,
 *   priceOf: (ticker: string) => Record<string, any> | undefined,
 *   command: (name: string, params: Record<string, unknown>) => Promise<import("../core/socket.js").Outcome>,
 *   base: {account_id: number}}} options
 */
export function createContext(panel, { look, person, priceOf, command, base }) {
  const find = (/** @type {string} */ selector) => /** @type {HTMLElement} */ (panel.querySelector(selector));
  /** @type {Row | null} */
  let row = null;
  /** @type {Target | null} */
  let pointed = null;
  /** What the cost on screen is about. */
  let about = "";
  /** @type {Record<string, any> | null} */
  let estimate = null;
  let timer = 0;
  let turn = 0;

  const markets = () =>
    row?.["is_combo"] && row["legs"]?.length
      ? row["legs"].map((/** @type {Row} */ leg) => ({
          ticker: leg["market_ticker"],
          side: leg["side"],
          text: legText(leg),
        }))
      : row
        ? [{ ticker: row["ticker"], side: "yes", text: titleParts(row)[0] ?? row["ticker"] }]
        : [];

  function drawLegs() {
    const shown = markets();
    find("[data-legs-part]").hidden = shown.length === 0;
    setText(find("[data-legs-head]"), row?.["is_combo"] ? "Leg" : "Market");
    const body = find("[data-legs]");
    while (body.children.length > shown.length) body.lastElementChild?.remove();
    shown.forEach((/** @type {{ticker: string, side: string, text: string}} */ leg, /** @type {number} */ index) => {
      let line = body.children[index];
      if (!line) {
        const link = element("a");
        line = element("tr", {}, [
          element("td", { class: "context__leg" }, [link]),
          element("td", { class: "number is-bid" }),
          element("td", { class: "number is-ask" }),
        ]);
        body.append(line);
      }
      const link = /** @type {HTMLAnchorElement} */ (line.querySelector("a"));
      setText(link, leg.text);
      link.title = leg.ticker;
      link.href = `/markets/${encodeURIComponent(leg.ticker)}/`;
      const prices = priceOf(leg.ticker);
      const cents = (/** @type {string | null | undefined} */ raw) =>
        raw ? formatPrice(toUnits(raw, 4), { format: look.format, step: 10, unit: false }) : "-";
      // What the leg costs on its own side.
      const [bid, ask] =
        leg.side === "no" ? [flip(prices?.["ask"]), flip(prices?.["bid"])] : [prices?.["bid"], prices?.["ask"]];
      setText(/** @type {Element} */ (line.children[1]), cents(bid));
      setText(/** @type {Element} */ (line.children[2]), cents(ask));
    });
  }

  function drawBounds() {
    const part = find("[data-bounds-part]");
    const facts = row && boundsFacts(row);
    part.hidden = !facts;
    if (!facts) return;
    const key = JSON.stringify(facts);
    if (part.dataset["about"] === key) return;
    part.dataset["about"] = key;
    setText(find("#rfq-bounds-title"), row?.["is_combo"] ? "Where the price can be" : "Against the book");
    find("[data-bounds]").replaceChildren(boundsBar({ ...facts, format: look.format }));
  }

  /** @param {Row} request */
  function boundsFacts(request) {
    const best = bestOffer(stackOf(request, look), "yes");
    /** @type {import("./bounds-bar.js").Mark[]} */
    const marks = [];
    const bestUnits = best ? toUnits(best.offer.price, 4) : null;
    const limit = request["limit_yes"];
    if (!request["is_combo"]) {
      const prices = priceOf(request["ticker"]);
      if (!prices?.["bid"] || !prices["ask"]) return null;
      if (bestUnits !== null) marks.push({ units: bestUnits, text: "best YES", kind: "best" });
      if (limit) marks.push({ units: toUnits(limit, 4), text: "your limit", kind: "limit" });
      return {
        from: toUnits(prices["bid"], 4),
        to: toUnits(prices["ask"], 4),
        fromText: "book bid",
        toText: "book ask",
        marks,
        isClose: true,
      };
    }
    const legs = /** @type {{market_ticker: string, event_ticker: string, side: "yes" | "no"}[]} */ (request["legs"]);
    const bounds = boundsOf(
      legs.map((leg) => chanceOf(priceOf(leg.market_ticker)?.["bid"], priceOf(leg.market_ticker)?.["ask"], leg.side)),
    );
    if (!bounds) return null;
    marks.push({ units: bounds.product, text: "independent", kind: "independent" });
    let note = sharedGame(legs);
    if (bestUnits !== null) {
      const gap = differenceText(fromUnits(bestUnits - bounds.product, 4));
      marks.push({ units: bestUnits, text: `best YES, ${gap} to independent`, kind: "best" });
      const flag = boundsFlag(bestUnits, bounds);
      if (flag) note = `the best YES price is ${flag}`;
    }
    if (limit) marks.push({ units: toUnits(limit, 4), text: "your limit", kind: "limit" });
    return {
      from: bounds.lowest,
      to: bounds.highest,
      fromText: "lowest possible",
      toText: "highest possible",
      marks,
      note,
    };
  }

  /** The quote under the pointer or the focus; else the best one of the side that matters. */
  function target() {
    if (!row || row["accept"]) return null;
    const lines = stackOf(row, look);
    if (pointed) {
      const line = lines.find(({ id }) => id === pointed?.quoteId);
      const offer = line?.isOpen ? line.offers[pointed.offer.buys] : null;
      if (line && offer) return { quoteId: line.id, maker: line.maker, offer };
    }
    const side = row["auto"]?.buys ?? (row["limit_no"] && !row["limit_yes"] ? "no" : "yes");
    return bestOffer(lines, side) ?? bestOffer(lines, side === "yes" ? "no" : "yes");
  }

  function drawCost() {
    const chosen = target();
    const part = find("[data-cost-part]");
    part.hidden = !chosen;
    if (!chosen || !row) return;
    const { offer, maker } = chosen;
    const key = `${row["key"]}|${offer.buys}|${offer.price}|${offer.contracts}`;
    if (key !== about) {
      about = key;
      estimate = null;
      clearTimeout(timer);
      timer = window.setTimeout(() => void askCost(chosen, key), PREVIEW_DELAY_MS);
    }
    const count = offer.contracts ? `${formatCount(toUnits(offer.contracts, 2))} ` : "";
    const cost = offer.contracts
      ? shortMoneyExact(offer.price, offer.contracts)
      : row["target_cost"]
        ? moneyText(row["target_cost"])
        : "not known";
    const swept = row["book"]?.[`sweep_${offer.buys}`];
    /** @type {[string, string, string, string?][]} */
    const facts = [
      [`You buy ${count}${offer.buys.toUpperCase()}`, cost, "", `from ${maker} at ${offer.priceText}`],
      ["Book sweep for the same size", swept ? priceText(swept, look) : "no book", "", "When the request was sent"],
    ];
    if (offer.versusBook)
      facts.push(["Improvement", offer.versusBook.text, offer.versusBook.tone, offer.versusBook.title]);
    const line = (/** @type {string} */ name) => previewLine(name, estimate);
    facts.splice(1, 0, ["Fee, one fill / worst split", line("fee").text, "", line("fee").title]);
    facts.push(
      ...outcomes(offer),
      ["Cash after", line("balance_after").text, "", line("balance_after").title],
      ["Position after", line("position_after").text, "", line("position_after").title],
    );
    if (estimate?.["limits"]?.length) facts.push(["Limits", line("limits").text, "", line("limits").title]);
    fill(find("[data-cost]"), facts);
  }

  /**
   * The worst and the best that can come of it, with the fee of the worst split.
   * @param {import("./stack-model.js").Offer} offer
   * @returns {[string, string, string, string?][]}
   */
  function outcomes({ price, contracts }) {
    const fee = estimate?.["fee_worst"];
    const names = /** @type {const} */ (["Most you can lose", "Most you can win"]);
    if (!contracts || !fee)
      return names.map((name) => [name, estimate ? "not known" : "-", "", "With the fee of the worst split"]);
    const paid = timesMicro(price, contracts) + toUnits(fee, 6);
    const won = toUnits(contracts, 2) * 10_000 - paid;
    return [
      [names[0], formatMoney(paid), "", "Cost and the fee of the worst split"],
      [names[1], formatMoney(won), "", "A dollar a contract, less cost and fee"],
    ];
  }

  /** @param {Target} chosen @param {string} key */
  async function askCost({ offer }, key) {
    if (!row || !offer.contracts) return;
    const mine = ++turn;
    const answer = await command("order.preview", {
      ...base,
      subaccount: row["subaccount"],
      ticker: row["ticker"],
      side: `buy_${offer.buys}`,
      price: offer.price,
      count: offer.contracts,
      time_in_force: "immediate_or_cancel",
    });
    if (mine !== turn || key !== about || answer.kind !== "ok") return;
    estimate = answer.value;
    drawCost();
  }

  function drawTerms() {
    const request = row;
    find("[data-terms-part]").hidden = !request;
    if (!request) return;
    /** @type {[string, string, string, string?][]} */
    const facts = [["Size", sizeText(request), ""]];
    for (const outcome of OUTCOMES)
      if (request[`limit_${outcome}`])
        facts.push([`Private limit ${outcome.toUpperCase()}`, priceText(request[`limit_${outcome}`], look), ""]);
    facts.push(["Remainder", request["rest_remainder"] ? "rests in the public book" : "not traded", ""]);
    if (request["placed_by"]) facts.push(["Sent by", nameOf(request["placed_by"]), ""]);
    else facts.push(["Sent by", "not this desk", "", "Found at the exchange under this account's key"]);
    if (request["note"])
      facts.push([
        "Note",
        request["note"].length > LIMIT_WORDS ? `${request["note"].slice(0, LIMIT_WORDS)}…` : request["note"],
        "",
        request["note"],
      ]);
    if (request["rfq_id"]) facts.push(["Exchange id", request["rfq_id"], ""]);
    fill(find("[data-terms]"), facts);
  }

  /** @param {{id: number, name: string}} who */
  const nameOf = (who) => (String(who.id) === person ? "you" : who.name);

  function drawSteps() {
    const part = find("[data-steps-part]");
    const steps = row ? stepsOf(row, look) : [];
    part.hidden = steps.length === 0;
    const key = JSON.stringify(steps);
    if (part.dataset["about"] === key) return;
    part.dataset["about"] = key;
    find("[data-steps]").replaceChildren(
      ...steps.map((/** @type {{time: string, after: string, text: string, what: string}} */ step) =>
        element("li", { class: "steps-line__step", attributes: { "data-what": step.what } }, [
          element("span", { class: "num muted", text: step.time }),
          element("span", { text: step.text }),
          element("span", { class: "num muted", text: step.after }),
        ]),
      ),
    );
  }

  function draw() {
    find("[data-context-empty]").hidden = row !== null;
    drawLegs();
    drawBounds();
    drawCost();
    drawTerms();
    drawSteps();
  }

  return {
    /** @param {Row | null} next */
    show(next) {
      if (next?.["key"] !== row?.["key"]) pointed = null;
      row = next;
      draw();
    },
    /** @param {Target | null} next */
    point(next) {
      pointed = next;
      drawCost();
    },
    /** Whether this market's price is on screen. @param {string} ticker */
    shows: (ticker) => markets().some((/** @type {{ticker: string}} */ one) => one.ticker === ticker),
    /** Prices of markets changed. */
    reprice() {
      drawLegs();
      drawBounds();
    },
    get title() {
      if (!row) return { title: "Request", note: "" };
      if (row["is_combo"]) return { title: "Combo", note: `${row["legs"].length} legs` };
      return { title: "Market", note: row["ticker"] };
    },
  };
}

/** @param {string | null | undefined} raw */
const flip = (raw) => (raw ? fromUnits(10_000 - toUnits(raw, 4), 4) : null);

/** @param {string} price @param {string} contracts */
const shortMoneyExact = (price, contracts) => moneyText(fromUnits(timesMicro(price, contracts), 6));

/**
 * @param {HTMLElement} list
 * @param {[string, string, string, string?][]} facts name, value, tone, title
 */
function fill(list, facts) {
  const key = JSON.stringify(facts);
  if (list.dataset["about"] === key) return;
  list.dataset["about"] = key;
  list.replaceChildren(
    ...facts.flatMap(([name, value, tone, title = ""]) => [
      element("dt", { text: name }),
      element("dd", { class: `num${tone ? ` is-${tone}` : ""}`, text: value, attributes: title ? { title } : {} }),
    ]),
  );
}
