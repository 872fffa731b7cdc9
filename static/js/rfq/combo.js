/** The builder of combos: collection, event, market, side. What is wrong with the legs stands at the leg. */
import { element, iconNode, setText } from "../frame/dom.js";
import { priceText } from "./words.js";
import { boundsBar } from "./bounds-bar.js";
import {
  boundsOfCheck,
  legWords,
  missingWords,
  problemsByLeg,
  removeLeg,
  rulesWords,
  toggleLeg,
  wireLegs,
} from "./combo-model.js";

/** @typedef {import("./combo-model.js").NamedLeg} NamedLeg */
/** @typedef {Record<string, any>} Row */
/** @typedef {ReturnType<typeof createBuilder>} Builder */

const CHECK_DELAY_MS = 150;
const RELOAD_MS = 5_000;

/**
 * @param {HTMLElement} place
 * @param {{live: {command: (name: string, params: Record<string, unknown>) => Promise<import("../core/socket.js").Outcome>},
 *   look: import("./words.js").Look}} options
 */
export function createBuilder(place, { live, look }) {
  /** @type {NamedLeg[]} */
  let legs = [];
  /** @type {Row[]} */
  let collections = [];
  /** @type {Row | null} */
  let collection = null;
  /** @type {Row[]} */
  let events = [];
  let event = "";
  /** @type {Row[]} */
  let markets = [];
  /** @type {Row | null} */
  let check = null;
  let said = "";
  let checkTimer = 0;
  let turn = 0;
  let isAsked = false;
  /** @type {() => void} */
  let onChange = () => {};

  const select = /** @type {HTMLSelectElement} */ (
    element("select", {
      class: "field__input",
      attributes: { id: "ask-collection", "aria-describedby": "ask-collection-rules" },
    })
  );
  const rules = element("p", { class: "field__hint", attributes: { id: "ask-collection-rules" } });
  const chips = element("ul", { class: "combo__legs", attributes: { "aria-label": "Legs" } });
  const eventSelect = /** @type {HTMLSelectElement} */ (
    element("select", { class: "field__input", attributes: { id: "ask-event" } })
  );
  const table = element("div", {
    class: "combo__markets",
    attributes: { role: "group", "aria-label": "Markets of the event" },
  });
  const problem = element("p", { class: "field__error", attributes: { role: "status" } });
  const worth = element("div", { class: "combo__worth" });
  const budget = element("p", { class: "field__hint num" });
  place.replaceChildren(
    element("div", { class: "field" }, [
      element("label", { class: "field__label", text: "Collection", attributes: { for: "ask-collection" } }),
      select,
      rules,
    ]),
    chips,
    element("div", { class: "field" }, [
      element("label", { class: "field__label", text: "Event", attributes: { for: "ask-event" } }),
      eventSelect,
    ]),
    table,
    problem,
    worth,
    budget,
  );

  select.addEventListener("change", () => void chooseCollection(select.value));
  eventSelect.addEventListener("change", () => void chooseEvent(eventSelect.value));

  /** @param {HTMLSelectElement} node @param {[string, string][]} options @param {string} value */
  function fill(node, options, value) {
    node.replaceChildren(
      ...options.map(([key, text]) => {
        const option = /** @type {HTMLOptionElement} */ (element("option", { text, attributes: { value: key } }));
        option.selected = key === value;
        return option;
      }),
    );
  }

  async function load() {
    if (isAsked) return;
    isAsked = true;
    const answer = await live.command("combo.list", {});
    if (answer.kind !== "ok") {
      isAsked = false;
      fill(select, [["", answer.kind === "error" ? answer.text : "The list did not arrive."]], "");
      return;
    }
    collections = answer.value.collections;
    const words = collections.length ? "Choose a collection" : "No collection is open";
    fill(
      select,
      [["", words], ...collections.map((one) => /** @type {[string, string]} */ ([one["ticker"], one["title"]]))],
      "",
    );
    fill(eventSelect, [["", "Choose a collection first"]], "");
    // A desk that has just started has not read them yet.
    if (!collections.length)
      setTimeout(() => {
        isAsked = false;
        if (place.checkVisibility()) void load();
      }, RELOAD_MS);
  }

  /** @param {string} ticker */
  async function chooseCollection(ticker) {
    legs = [];
    markets = [];
    event = "";
    collection = collections.find((one) => one["ticker"] === ticker) ?? null;
    setText(rules, collection ? rulesWords(collection) : "");
    changed();
    if (!collection) return;
    const answer = await live.command("combo.list", { collection: ticker });
    if (collection?.["ticker"] !== ticker) return;
    if (answer.kind !== "ok") return say(answer.text);
    events = answer.value.events;
    const words = events.length ? "Choose an event" : "No event of it trades now";
    fill(eventSelect, [["", words], ...events.map(eventOption)], "");
    if (events.length === 1) await chooseEvent(events[0]?.["event_ticker"] ?? "");
  }

  /** @param {Row} one @returns {[string, string]} */
  const eventOption = (one) => [
    one["event_ticker"],
    one["sub_title"] ? `${one["title"]} · ${one["sub_title"]}` : one["title"],
  ];

  /** @param {string} ticker */
  async function chooseEvent(ticker) {
    event = ticker;
    eventSelect.value = ticker;
    markets = [];
    drawMarkets();
    if (!ticker) return;
    const answer = await live.command("combo.list", { event: ticker });
    if (event !== ticker) return;
    if (answer.kind !== "ok") return say(answer.text);
    markets = answer.value.markets;
    drawMarkets();
  }

  /** @param {string} text */
  function say(text) {
    said = text;
    draw();
  }

  function drawMarkets() {
    const member = events.find((one) => one["event_ticker"] === event);
    table.replaceChildren(...markets.map((market) => marketNode(market, Boolean(member?.["is_yes_only"]))));
  }

  /** @param {Row} market @param {boolean} isYesOnly */
  function marketNode(market, isYesOnly) {
    const own = legs.find((leg) => leg.market_ticker === market["market_ticker"]);
    const sides = isYesOnly ? ["yes"] : ["yes", "no"];
    const prices = market["yes_bid"] || market["yes_ask"];
    const words = prices
      ? `${market["yes_bid"] ? priceText(market["yes_bid"], look) : "-"} / ${market["yes_ask"] ? priceText(market["yes_ask"], look) : "-"}`
      : "no price";
    return element("div", { class: "combo__market" }, [
      element("span", { class: "truncate", text: market["title"], attributes: { title: market["market_ticker"] } }),
      element("span", { class: "num muted", text: words }),
      ...sides.map((side) => {
        const button = element("button", {
          class: "chip combo__side",
          text: side.toUpperCase(),
          attributes: {
            type: "button",
            "aria-pressed": String(own?.side === side),
            "aria-label": `${market["title"]}: ${side.toUpperCase()}`,
          },
        });
        button.addEventListener("click", () => {
          legs = toggleLeg(legs, {
            event_ticker: market["event_ticker"],
            market_ticker: market["market_ticker"],
            side: /** @type {"yes" | "no"} */ (side),
            title: market["title"],
          });
          changed();
        });
        return button;
      }),
    ]);
  }

  function changed() {
    check = null;
    said = "";
    draw();
    drawMarkets();
    clearTimeout(checkTimer);
    const mine = ++turn;
    if (legs.length && collection) checkTimer = window.setTimeout(() => void askCheck(mine), CHECK_DELAY_MS);
    onChange();
  }

  /** @param {number} mine */
  async function askCheck(mine) {
    const answer = await live.command("combo.check", { collection: collection?.["ticker"], legs: wireLegs(legs) });
    if (mine !== turn) return;
    if (answer.kind === "ok") check = answer.value;
    else said = answer.text;
    draw();
    onChange();
  }

  function draw() {
    const faults = problemsByLeg(check, legs);
    chips.hidden = legs.length === 0;
    chips.replaceChildren(...legs.map((leg) => chipNode(leg, faults[leg.market_ticker] ?? "")));
    const atLegs = legs.map((leg) => faults[leg.market_ticker]).find(Boolean);
    setText(problem, said || faults[""] || atLegs || "");
    const bounds = boundsOfCheck(check);
    worth.replaceChildren(
      ...(bounds
        ? [
            boundsBar({
              from: bounds.lowest,
              to: bounds.highest,
              fromText: "lowest possible",
              toText: "highest possible",
              marks: [{ units: bounds.product, text: "independent", kind: "independent" }],
              note: check?.["notes"]?.[0] ?? "",
              format: look.format,
            }),
          ]
        : []),
    );
    setText(budget, budgetWords());
  }

  function budgetWords() {
    if (!check) return "";
    if (check["ticker"]) return "This combo has a market already.";
    const { used, limit } = check["budget"];
    return `Sending makes its market: ${used.toLocaleString("en-US")} of ${limit.toLocaleString("en-US")} made this week.`;
  }

  /** @param {NamedLeg} leg @param {string} fault */
  function chipNode(leg, fault) {
    const priced = check?.["legs"]?.find((/** @type {Row} */ one) => one["market_ticker"] === leg.market_ticker);
    const close = element("button", {
      class: "combo__remove",
      attributes: { type: "button", "aria-label": `Remove ${legWords(leg)}` },
    });
    close.append(iconNode("close"));
    close.addEventListener("click", () => {
      legs = removeLeg(legs, leg.market_ticker);
      changed();
    });
    const chance = priced?.["chance"] ? ` ${priceText(priced["chance"], look)}` : "";
    return element(
      "li",
      { class: `combo__leg${fault ? " is-wrong" : ""}`, attributes: fault ? { title: fault } : {} },
      [element("span", { text: legWords(leg) }), element("span", { class: "num muted", text: chance }), close],
    );
  }

  return {
    /** The collections are asked for when somebody wants a combo, not before. */
    load,
    focus: () => select.focus(),
    /** @param {() => void} listener */
    onChange(listener) {
      onChange = listener;
    },
    /** What `rfq.send` carries; null while the legs are not fit to be sent. */
    combo: () =>
      collection && legs.length && check && !check["problems"].length
        ? { collection: String(collection["ticker"]), legs: wireLegs(legs) }
        : null,
    missing: () => missingWords(legs, check),
    ticker: () => String(check?.["ticker"] ?? ""),
  };
}
