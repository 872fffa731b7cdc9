/** The maker's side of the RFQ desk: tabs, and what they share. Started by rfq/index.js once the page has its panel. */
import { desk } from "../../frame/desk.js";
import { setText } from "../../frame/dom.js";
import { browserStorage } from "../../grid/column-memory.js";
import { wireCalls } from "./calls-menu.js";
import { createDecisions } from "./decisions.js";
import { createIncoming } from "./incoming.js";
import { createQuoteTeam } from "./quote-team.js";
import { createQuotes } from "./quotes.js";
import { otherAccounts } from "./rules-model.js";
import { createRules } from "./rules.js";
import { createTicket } from "./ticket.js";

/** @typedef {{show(): void, hide(): void}} Tab */

const TAB_KEY = "desk:rfq.tab";

/**
 * @param {HTMLElement} panel
 * @param {HTMLElement} page
 */
export function start(panel, page) {
  const { account = "", accountName = "", environment = "", person = "" } = page.dataset;
  const offers = new Set(JSON.parse(document.getElementById("rfq-offers")?.textContent ?? "[]"));
  const part = (/** @type {string} */ name) =>
    /** @type {HTMLElement} */ (panel.querySelector(`[data-panel="${name}"]`));
  const tools = (/** @type {string} */ name) =>
    /** @type {HTMLElement} */ (panel.querySelector(`[data-tools="${name}"]`));
  const count = (/** @type {string} */ name, /** @type {number} */ number) =>
    setText(panel.querySelector(`[data-count="${name}"]`), number ? number.toLocaleString("en") : "");
  /** @type {Map<string, Tab>} */
  const tabs = new Map();

  /* --- the tabs' contents ------------------------------------------------------------------------- */

  const incoming = offers.has("incoming")
    ? createIncoming(part("incoming"), tools("incoming"), {
        account,
        person,
        offers,
        onQuote: (row) => ticket?.open(row),
      })
    : null;
  const quotes = createQuotes(part("quotes"), tools("quotes"), {
    account,
    accountName,
    environment,
    offers,
    fairOf: (quote) => incoming?.fairOf(quote) ?? null,
    onQuote: requote,
    onCount: (number) => count("quotes", number),
    team: offers.has("team.comment") ? createQuoteTeam({ account, person, offers }) : null,
  });
  const place = /** @type {HTMLElement | null} */ (page.querySelector("[data-quote-ticket]"));
  const ticket = place
    ? createTicket(place, {
        account,
        gridUrl: panel.dataset["gridUrl"] ?? "",
        offers,
        latest: (id) => incoming?.rowOf(id),
        openOn: quotes.openOn,
        onPass: (row, reason) => incoming?.pass(row, reason) ?? Promise.resolve(false),
        onClosed: () => incoming?.firstButton()?.focus(),
      })
    : null;
  if (incoming) tabs.set("incoming", incoming);
  tabs.set("quotes", quotes);
  if (offers.has("rules"))
    tabs.set(
      "rules",
      createRules(part("rules"), tools("rules"), {
        account,
        others: otherAccounts(
          JSON.parse(document.getElementById("rfq-accounts")?.textContent ?? "[]"),
          account,
          environment,
        ),
        offers,
        onCount: (number) => count("rules", number),
      }),
    );
  if (offers.has("decisions"))
    tabs.set("decisions", createDecisions(part("decisions"), tools("decisions"), { account }));

  /** Price one of our quotes again; what the stream does not tell of its request, the quote's own row does. @param {Record<string, any>} quote */
  function requote(quote) {
    const known = incoming?.rowOf(quote["rfq_id"]);
    ticket?.open(
      known ?? {
        ...quote,
        book_bid: quote["book"]?.yes_bid ?? null,
        book_ask: quote["book"]?.yes_ask ?? null,
        fair_source: "when it was quoted",
        position: null,
        seen_ms: quote["created_ms"],
        suggested_yes: null,
        suggested_no: null,
      },
    );
  }

  desk.topics.watch(`quotes:${account}`, () => ticket?.settle(quotes.rows()));

  /* --- tabs ------------------------------------------------------------------------------------------ */

  const buttons = /** @type {HTMLElement[]} */ ([...panel.querySelectorAll("[data-tab]")]);
  const storage = browserStorage();

  /** @param {string} name @param {{isFocused?: boolean}} [how] */
  function choose(name, { isFocused = false } = {}) {
    for (const button of buttons) {
      const own = button.dataset["tab"] ?? "";
      const isChosen = own === name;
      button.setAttribute("aria-selected", String(isChosen));
      button.tabIndex = isChosen ? 0 : -1;
      if (isChosen && isFocused) button.focus();
      part(own).hidden = !isChosen;
      const ownTools = tools(own);
      if (ownTools) ownTools.hidden = !isChosen;
      if (isChosen) tabs.get(own)?.show();
      else tabs.get(own)?.hide();
    }
    try {
      storage?.setItem(TAB_KEY, name);
    } catch {
      // Then the first tab is shown the next time.
    }
  }

  buttons.forEach((button, at) => {
    button.addEventListener("click", () => choose(button.dataset["tab"] ?? ""));
    button.addEventListener("keydown", (event) => {
      const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
      if (!step) return;
      event.preventDefault();
      const next = buttons[(at + step + buttons.length) % buttons.length];
      choose(next?.dataset["tab"] ?? "", { isFocused: true });
    });
  });

  /* --- keys --------------------------------------------------------------------------------------------- */

  const row = () => incoming?.focused();
  if (ticket && incoming) {
    desk.keys.register({
      keys: "q",
      label: "Quote the request of the row, or the newest",
      group: "Quoting",
      isSingle: true,
      run: () => {
        const found = row() ?? incoming.first();
        if (found) ticket.open(found);
      },
    });
    if (offers.has("quote.pass"))
      desk.keys.register({
        keys: "p",
        label: "Pass on the request of the row",
        group: "Quoting",
        isSingle: true,
        when: () => row() !== undefined,
        run: () => {
          const found = row();
          if (found) void incoming.pass(found);
        },
      });
  }

  wireCalls(panel.querySelector("[data-calls]"), storage);
  const kept = storage?.getItem(TAB_KEY) ?? "";
  choose(tabs.has(kept) ? kept : (buttons[0]?.dataset["tab"] ?? "quotes"));
}
