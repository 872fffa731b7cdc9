/**
 * The docked ticket of our quote: two bids, what a hit of either would do, and a send button with five honest states.
 *
 * One press makes one idempotency key, stored before anything is sent; it stays with the attempt until its outcome is
 * known, so that a second press, a lost socket or a reload asks about the same quote and never makes another.
 */
import { PRICE_PLACES, fromUnits } from "../../core/fixed.js";
import { finestStep, gridPrices } from "../../market/grid.js";
import { readPrice } from "../../market/ticket-model.js";
import { desk } from "../../frame/desk.js";
import { askFields } from "../../frame/ask.js";
import { element, setAttribute, setText } from "../../frame/dom.js";
import { announce } from "../../frame/toasts.js";
import { legsText, positionText, priceUnits, priceWords, sizeWords, subject } from "../confirm/words.js";
import { ageText, edgeText, fairTitle } from "./incoming-model.js";
import {
  TENTHS,
  firstDraft,
  hit,
  isQuoted,
  movedBid,
  previewWords,
  readQuote,
  sendWords,
  sideGrid,
  typed,
  widthOf,
  widthWords,
} from "./ticket-model.js";

/** @typedef {Record<string, any>} Row */
/** @typedef {import("./ticket-model.js").Side} Side */
/** @typedef {"ready" | "sending" | "slow" | "unknown" | "done"} Phase */
/** What was sent and has no outcome yet. @typedef {{key: string, atMs: number, values: Record<string, unknown>}} Attempt */

const SLOW_MS = 2_000;
const PREVIEW_MS = 150;
const SIDES = /** @type {Side[]} */ (["yes", "no"]);
const ATTEMPT = "quote-attempt:";

/** @param {string} rfqId @returns {Attempt | null} */
function storedAttempt(rfqId) {
  try {
    return JSON.parse(sessionStorage.getItem(ATTEMPT + rfqId) ?? "null");
  } catch {
    return null;
  }
}

/**
 * @param {HTMLElement} ticket
 * @param {object} options
 * @param {string} options.account
 * @param {string} options.gridUrl address of a market's price steps, TICKER in it
 * @param {{has(name: string): boolean}} options.offers
 * @param {(rfqId: string) => Row | undefined} options.latest the newest that is known of a request
 * @param {(rfqId: string) => Row | undefined} options.openOn our quote on it that may still be accepted
 * @param {(row: Row, reason: string) => Promise<boolean>} options.onPass
 * @param {() => void} options.onClosed
 */
export function createTicket(ticket, { account, gridUrl, offers, latest, openOn, onPass, onClosed }) {
  const form = /** @type {HTMLFormElement} */ (ticket.querySelector("[data-ticket-form]"));
  const find = (/** @type {string} */ selector) => /** @type {HTMLElement} */ (ticket.querySelector(selector));
  const field = (/** @type {string} */ name) => /** @type {HTMLInputElement} */ (form.elements.namedItem(name));
  const bidField = { yes: field("yes"), no: field("no") };
  const send = /** @type {HTMLButtonElement} */ (find("[data-send]"));
  const message = find("[data-message]");
  /** @type {Row | null} */
  let request = null;
  /** @type {Map<string, {prices: number[], step: number} | null>} */
  const grids = new Map();
  /** @type {Phase} */
  let phase = "ready";
  /** @type {Attempt | null} */
  let attempt = null;
  /** Faults that the desk told, until that field is changed. @type {Record<string, string>} */
  let told = {};
  let hasTried = false;
  let previewTurn = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let previewTimer;

  const gridOf = () => (request ? (grids.get(request["ticker"]) ?? null) : null);
  const chosen = (/** @type {string} */ name) =>
    /** @type {HTMLInputElement | null} */ (form.querySelector(`[name="${name}"]:checked`))?.value ?? "";

  /** @returns {import("./ticket-model.js").Draft} */
  const draft = () => ({
    yes: bidField.yes.value,
    no: bidField.no.value,
    sides: /** @type {any} */ (chosen("sides")),
    policy: /** @type {any} */ (chosen("policy")),
    insists: field("insists").checked,
    maxMove: field("max_move").value,
    endsIn: field("ends_in").value,
    postOnly: field("post_only").checked,
    restRemainder: field("rest_remainder").checked,
  });

  /** @param {import("./ticket-model.js").Draft} values */
  function fill(values) {
    bidField.yes.value = values.yes;
    bidField.no.value = values.no;
    for (const name of /** @type {const} */ (["sides", "policy"])) {
      const radio = /** @type {HTMLInputElement | null} */ (
        form.querySelector(`[name="${name}"][value="${values[name]}"]`)
      );
      if (radio) radio.checked = true;
    }
    field("insists").checked = values.insists;
    field("max_move").value = values.maxMove;
    field("ends_in").value = values.endsIn;
    field("post_only").checked = values.postOnly;
    field("rest_remainder").checked = values.restRemainder;
  }

  /** @param {string} text @param {string} [tone] */
  function say(text, tone = "") {
    setText(message, text);
    message.dataset["tone"] = tone;
  }

  /* --- the market's grid ------------------------------------------------------------------------- */

  /** @param {string} ticker */
  async function readGrid(ticker) {
    if (grids.has(ticker)) return;
    grids.set(ticker, null);
    try {
      const response = await fetch(gridUrl.replace("TICKER", encodeURIComponent(ticker)), {
        headers: { Accept: "application/json" },
      });
      const { ranges } = response.ok ? await response.json() : { ranges: [] };
      if (ranges.length) grids.set(ticker, { prices: gridPrices(ranges), step: finestStep(ranges) });
      else grids.delete(ticker);
    } catch {
      grids.delete(ticker); // asked again with the next ticket; the desk checks each price anyway
    }
    show();
  }

  /* --- drawing ------------------------------------------------------------------------------------- */

  function show() {
    if (!request) return;
    const row = request;
    const format = desk.data.price_format;
    const grid = gridOf();
    const values = draft();
    const isCombo = (row["legs"] ?? []).length > 1;
    setText(
      find("[data-ticket-subject]"),
      isCombo ? `Combo of ${row["legs"].length} legs` : subject(/** @type {any} */ (row)),
    );
    setAttribute(find("[data-ticket-subject]"), "title", row["ticker"]);
    const legs = row["legs"] ?? [];
    const legsPlace = find("[data-ticket-legs]");
    if (legsPlace.childElementCount !== (legs.length > 1 ? legs.length : 0))
      legsPlace.replaceChildren(
        ...(legs.length > 1 ? legs : []).map((/** @type {any} */ leg) =>
          element("li", { text: legsText([leg]), attributes: { title: leg.market_ticker } }),
        ),
      );
    const fact = (/** @type {string} */ name, /** @type {string} */ text, title = "") => {
      const place = find(`[data-fact="${name}"]`);
      setText(place, text);
      setAttribute(place, "title", title);
    };
    fact(
      "size",
      row["target_cost"] && !Number(row["contracts"])
        ? `${sizeWords(/** @type {any} */ (row))} of cost`
        : `${sizeWords(/** @type {any} */ (row))} contract${Number(row["contracts"]) === 1 ? "" : "s"}`,
    );
    fact("book", `${priceWords(row["book_bid"], format)} / ${priceWords(row["book_ask"], format)}`);
    fact(
      "fair",
      row["fair"] ? `${priceWords(row["fair"], format)} (${row["fair_source"]})` : "not known",
      fairTitle(row),
    );
    fact("held", positionText(row["position"]));
    fact("age", ageText(row, desk.clock.now()));
    for (const side of SIDES) bidField[side].disabled = !isQuoted(values.sides, side);
    const read = readQuote(values, row, grid?.prices ?? null);
    showWidth(read.yes, read.no, grid);
    for (const side of SIDES) {
      const told_ = hit(row, side, isQuoted(values.sides, side) ? read[side] : 0);
      for (const name of /** @type {const} */ (["contracts", "cost", "after", "risk"]))
        setText(find(`[data-hit="${side}-${name}"]`), told_[name]);
      const edge = find(`[data-hit="${side}-edge"]`);
      setText(edge, told_.edge === null ? "-" : `${edgeText(told_.edge)}¢`);
      edge.dataset["tone"] = told_.edge !== null && told_.edge < 0 ? "danger" : "";
    }
    find("[data-when-auto]").hidden = values.policy !== "auto";
    find("[data-when-short]").hidden = !(row["is_combo"] && values.policy === "manual");
    showFaults({ ...(hasTried ? read.faults : early(read.faults, values)), ...told });
    showSend(read);
  }

  /** While it is typed only what is plainly wrong is said; what is missing, when it is sent. @param {Record<string, string>} faults @param {import("./ticket-model.js").Draft} values */
  function early(faults, values) {
    const isTyped = {
      yes_bid: values.yes !== "",
      no_bid: values.no !== "",
      max_move: false,
      policy: false,
      ends_in_s: values.endsIn !== "",
    };
    return Object.fromEntries(
      Object.entries(faults).filter(([name]) => isTyped[/** @type {keyof typeof isTyped} */ (name)]),
    );
  }

  /** @param {number} yes @param {number} no @param {{step: number} | null} grid */
  function showWidth(yes, no, grid) {
    const words = widthWords(widthOf(yes, no));
    const place = find("[data-width]");
    setText(place, words.text);
    place.dataset["tone"] = words.tone;
    const step = grid ? `${typed(grid.step)}¢ steps` : "steps not known: the desk checks";
    setText(find("[data-grid-words]"), `${step}; ↑ ↓ one, with Shift five`);
  }

  /** @param {Record<string, string>} faults */
  function showFaults(faults) {
    const inputs = { yes_bid: "yes", no_bid: "no", max_move: "max_move", ends_in_s: "ends_in" };
    for (const place of form.querySelectorAll("[data-error]")) {
      const name = place.getAttribute("data-error") ?? "";
      setText(place, faults[name] ?? "");
      const input = inputs[/** @type {keyof typeof inputs} */ (name)];
      if (input && faults[name]) field(input).setAttribute("aria-invalid", "true");
      else if (input) field(input).removeAttribute("aria-invalid");
    }
  }

  /** @param {{yes: number, no: number}} read */
  function showSend({ yes, no }) {
    const isReplacing = request !== null && openOn(request["rfq_id"]) !== undefined;
    const words = {
      ready: sendWords(yes, no, isReplacing),
      sending: "Sending",
      slow: "Taking long - still waiting",
      unknown: "Sent, not confirmed - ask again",
      done: "Quoted",
    };
    setText(find("[data-send-text]"), words[phase]);
    send.dataset["phase"] = phase;
    const isLive = desk.socket.link.state === "live";
    send.disabled = phase === "sending" || phase === "slow" || !isLive;
    setAttribute(send, "title", isLive ? "" : "This page is not live: nothing can be sent");
  }

  /* --- what the desk says before it is sent ------------------------------------------------------- */

  function changed() {
    if (phase === "done") phase = "ready";
    if (phase === "ready") say("");
    show();
    clearTimeout(previewTimer);
    if (offers.has("quote.preview")) previewTimer = setTimeout(() => void preview(), PREVIEW_MS);
  }

  async function preview() {
    const turn = (previewTurn += 1);
    const place = find("[data-preview]");
    const read = request && readQuote(draft(), request, gridOf()?.prices ?? null);
    if (!read?.values) {
      place.hidden = true;
      return;
    }
    const answer = await desk.socket.command("quote.preview", read.values);
    if (turn !== previewTurn || !request) return;
    if (answer.kind !== "ok") {
      place.hidden = true;
      if (answer.kind === "error" && answer.code !== "not_sent") refuse(answer);
      return;
    }
    const { lines, warnings } = previewWords(answer.value);
    place.replaceChildren(...lines.flatMap(([name, text]) => [element("dt", { text: name }), element("dd", { text })]));
    place.hidden = lines.length === 0;
    setText(find("[data-warnings]"), warnings.join(" "));
    if (answer.value["refusal"]) refuse(answer.value["refusal"]);
  }

  /** What a preview says is about a quote that is not sent yet: of the sent one it would say "one is in flight". */
  function endPreview() {
    clearTimeout(previewTimer);
    previewTurn += 1;
  }

  /** @param {{text: string, fields?: Record<string, string>}} refusal */
  function refuse({ text, fields = {} }) {
    told = fields;
    const isPlaced = Object.keys(fields).some((name) => form.querySelector(`[data-error="${name}"]`));
    if (!isPlaced) say(text, "danger");
    show();
  }

  /* --- sending --------------------------------------------------------------------------------------- */

  /** @param {Event} event */
  async function submit(event) {
    event.preventDefault();
    if (!request || send.disabled || phase === "sending" || phase === "slow") return;
    const row = request;
    if (phase !== "unknown") {
      hasTried = true;
      told = {};
      const read = readQuote(draft(), row, gridOf()?.prices ?? null);
      show();
      if (!read.values) {
        /** @type {HTMLElement | null} */ (form.querySelector("[aria-invalid='true']"))?.focus();
        return;
      }
      attempt = { key: crypto.randomUUID(), atMs: desk.clock.now(), values: read.values };
      sessionStorage.setItem(ATTEMPT + row["rfq_id"], JSON.stringify(attempt));
    }
    if (!attempt) return;
    endPreview();
    const isAskedAgain = phase === "unknown";
    // After a lost answer the same key asks about the same quote: it never makes a second one.
    phase = "sending";
    say("");
    show();
    const slow = setTimeout(() => {
      if (phase !== "sending") return;
      phase = "slow";
      show();
    }, SLOW_MS);
    const answer = await desk.socket.command("quote.send", { ...attempt.values, idempotency_key: attempt.key });
    clearTimeout(slow);
    if (answer.kind === "unknown" || (answer.kind === "error" && answer.code === "not_sent" && isAskedAgain)) {
      phase = "unknown";
      say(
        "The answer was lost. The list of quotes shows it as soon as the desk answers; asking again sends nothing twice.",
        "warning",
      );
      return show();
    }
    forget(row["rfq_id"]);
    if (request !== row && request?.["rfq_id"] !== row["rfq_id"]) return undefined;
    if (answer.kind === "error") {
      phase = "ready";
      refuse(answer);
      announce(`Not quoted. ${answer.text}`, "assertive");
      return undefined;
    }
    const quote = answer.value["quote"];
    desk.topics.peek(`quotes:${account}`)?.rows.upsert(quote["key"], quote);
    phase = "done";
    say(
      `${sendWords(priceUnits(quote["yes_bid"]) ?? 0, priceUnits(quote["no_bid"]) ?? 0, false)}: on its way. My quotes shows its state.`,
      "ok",
    );
    announce("Quote committed, on its way.");
    return show();
  }

  /** @param {string} rfqId */
  function forget(rfqId) {
    sessionStorage.removeItem(ATTEMPT + rfqId);
    attempt = null;
  }

  /** The list of quotes ends an attempt whose answer was lost. @param {Row[]} rows */
  function settle(rows) {
    if (phase !== "unknown" || !attempt || !request) return;
    const { values, atMs } = attempt;
    const found = rows.find(
      (row) =>
        row["rfq_id"] === values["rfq_id"] &&
        row["created_ms"] >= atMs - 1_000 &&
        row["yes_bid"] === values["yes_bid"] &&
        row["no_bid"] === values["no_bid"],
    );
    if (!found) return;
    forget(request["rfq_id"]);
    phase = "done";
    say("It arrived: My quotes shows its state.", "ok");
    show();
  }

  /* --- hands --------------------------------------------------------------------------------------- */

  for (const side of SIDES)
    bidField[side].addEventListener("keydown", (event) => {
      if (event.key !== "ArrowUp" && event.key !== "ArrowDown") return;
      event.preventDefault();
      const steps = (event.key === "ArrowUp" ? 1 : -1) * (event.shiftKey ? 5 : 1);
      const grid = sideGrid(gridOf()?.prices ?? TENTHS, side);
      bidField[side].value = movedBid(bidField[side].value, steps, grid, priceUnits(request?.[`suggested_${side}`]));
      told = {};
      changed();
    });
  form.addEventListener("input", () => {
    told = {};
    changed();
  });
  form.addEventListener("submit", (event) => void submit(event));
  find("[data-ticket-close]").addEventListener("click", close);
  ticket.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !event.shiftKey) {
      event.preventDefault();
      event.stopPropagation();
      close();
    }
  });
  find("[data-ticket-facts]").addEventListener("click", (event) => {
    if (/** @type {Element} */ (event.target).closest("[data-mark-fair]") && request) markFair(request);
  });
  ticket.querySelector("[data-ticket-pass]")?.addEventListener("click", () => {
    if (!request) return;
    const row = request;
    askFields({
      title: `Pass on ${subject(/** @type {any} */ (row))}`,
      text: "It leaves the list. The reason is kept with the request, for the desk's own figures.",
      fields: [{ name: "reason", label: "Why (may stay empty)", maxLength: 60 }],
      yes: "Pass",
      check: () => ({}),
      async send({ reason = "" }) {
        if (!(await onPass(row, reason))) return "The desk did not take it.";
        close();
        return "";
      },
    });
  });

  /** @param {Row} row */
  function markFair(row) {
    askFields({
      title: `Our fair value of ${subject(/** @type {any} */ (row))}`,
      text: "What one YES is worth to the desk. Everybody sees it, and rules with this source quote by it.",
      fields: [
        {
          name: "yes",
          label: "One YES, cents",
          value: row["fair"] ? typed(priceUnits(row["fair"]) ?? 0) : "",
          inputMode: "decimal",
          suffix: "¢",
        },
        { name: "ends", label: "Counts for, seconds", value: "300", inputMode: "numeric", suffix: "s", maxLength: 5 },
      ],
      yes: "Set it",
      check({ yes = "", ends = "" }) {
        /** @type {Record<string, string>} */
        const faults = {};
        const read = readPrice(yes);
        if ("error" in read) faults["yes"] = read.error;
        if (!/^\d{1,5}$/.test(ends) || Number(ends) < 1) faults["ends"] = "Whole seconds.";
        return faults;
      },
      async send({ yes = "", ends = "" }) {
        const read = readPrice(yes);
        const price = "units" in read ? fromUnits(read.units, PRICE_PLACES) : "";
        const answer = await desk.socket.command("fair.set", {
          ticker: row["ticker"],
          yes: price,
          ends_in_s: Number(ends),
        });
        return answer.kind === "ok" ? "" : answer.text;
      },
    });
  }

  function close() {
    if (ticket.hidden) return;
    ticket.hidden = true;
    request = null;
    onClosed();
  }

  if (offers.has("fair.set")) {
    const mark = element("button", {
      class: "button button--quiet button--small maker__mark",
      text: "set",
      attributes: { type: "button", "data-mark-fair": "", "aria-label": "Set our fair value" },
    });
    const name = find("[data-fact='fair']").previousElementSibling;
    name?.append(" ", mark);
  }
  setInterval(() => {
    if (ticket.hidden || document.hidden || !request) return;
    request = latest(request["rfq_id"]) ?? request;
    show();
  }, 1_000);
  desk.socket.onLink(() => show());

  return {
    /** @param {Row} row of the stream */
    open(row) {
      const isSame = request?.["rfq_id"] === row["rfq_id"];
      request = row;
      ticket.hidden = false;
      if (!isSame) {
        hasTried = false;
        told = {};
        attempt = storedAttempt(row["rfq_id"]);
        phase = attempt ? "unknown" : "ready";
        say(
          attempt ? "A quote was on its way when this page was left. Ask again to see what became of it." : "",
          attempt ? "warning" : "",
        );
        fill(firstDraft(row, openOn(row["rfq_id"])));
        find("[data-preview]").hidden = true;
        setText(find("[data-warnings]"), "");
      }
      void readGrid(row["ticker"]);
      changed();
      ticket.scrollIntoView({ block: "nearest" });
      bidField.yes.focus();
      bidField.yes.select();
    },
    close,
    settle,
    get isOpen() {
      return !ticket.hidden;
    },
  };
}
