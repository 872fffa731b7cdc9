/** The quotes of the selected request: what each gives us, and the one click that takes it. */
import { ask } from "../frame/ask.js";
import { element, setAttribute, setText } from "../frame/dom.js";
import { createRearm } from "./accept-model.js";
import { autoWords, progressOf, storyOf } from "./progress-model.js";
import { isLive, isTrading } from "./request-model.js";
import { bestOffer, enterSide, nextBest, nextBestWords, stackOf } from "./stack-model.js";
import { OUTCOMES, ageText, countText, priceText, shortCountdown, sizeText, titleParts } from "./words.js";

/** @typedef {import("./words.js").Row} Row */
/** @typedef {import("./stack-model.js").Target} Target */
/** @typedef {import("./stack-model.js").QuoteLine} QuoteLine */

const PHASE_WORDS = /** @type {Record<string, string>} */ ({
  sending: "Sending",
  slow: "Taking long",
  unknown: "Sent, checking",
  done: "Accepted",
});

/**
 * @param {HTMLElement} panel
 * @param {{now: () => number, look: import("./words.js").Look, canTrade: boolean, canPull: boolean,
 *   accepts: ReturnType<typeof import("./accept-model.js").createAccepts>,
 *   onClose: (row: Row) => void, onAuto: (row: Row) => void, onPoint: (target: Target | null) => void}} options
 */
export function createStack(panel, { now, look, canTrade, canPull, accepts, onClose, onAuto, onPoint }) {
  const find = (/** @type {string} */ selector) => /** @type {HTMLElement} */ (panel.querySelector(selector));
  const optional = (/** @type {string} */ selector) =>
    /** @type {HTMLElement | null} */ (panel.querySelector(selector));
  const body = /** @type {HTMLTableSectionElement} */ (find("[data-quotes]"));
  const closeButton = /** @type {HTMLButtonElement | null} */ (optional("[data-close]"));
  const nextButton = /** @type {HTMLButtonElement | null} */ (optional("[data-next]"));
  const rearm = createRearm(() => performance.now());
  /** @type {Map<string, HTMLTableRowElement>} */
  const nodes = new Map();
  /** @type {Row | null} */
  let row = null;
  /** @type {QuoteLine[]} */
  let lines = [];
  let blocked = "";
  let rearmTimer = 0;

  const rfqKey = () => String(row?.["key"] ?? "");
  const canTake = () => canTrade && row !== null && row["is_open"] && !row["accept"] && !isTrading(row);

  /** @param {Target} target */
  async function take({ quoteId, maker, offer }) {
    const request = row;
    if (!request || !canTake() || blocked || accepts.isLocked(request["key"])) return;
    if (offer.isOverLimit) {
      const limit = priceText(request[`limit_${offer.buys}`], look);
      const isMeant = await ask({
        title: `${offer.text} is above your limit of ${limit}`,
        text: `The limit is your own and stays with the desk. ${maker} is paid ${offer.priceText} a contract if you go on.`,
        yes: offer.text,
        isDanger: true,
      });
      if (!isMeant) return;
    }
    void accepts.take({ rfq: request["key"], quote_id: quoteId, buys: offer.buys, price_seen: offer.price });
  }

  /** @param {"yes" | "no"} buys */
  function takeBest(buys) {
    const best = bestOffer(lines, buys);
    if (best && rearm.isArmed(rfqKey(), `${best.quoteId}|${buys}`)) void take(best);
  }

  body.addEventListener("click", (event) => {
    const button = /** @type {HTMLButtonElement | null} */ (
      /** @type {Element} */ (event.target).closest("[data-take]")
    );
    if (!button || button.getAttribute("aria-disabled") === "true") return;
    const line = lines.find(({ id }) => id === button.dataset["quote"]);
    const offer = line?.offers[/** @type {"yes" | "no"} */ (button.dataset["take"])];
    if (line && offer) void take({ quoteId: line.id, maker: line.maker, offer });
  });
  panel.addEventListener("keydown", (event) => {
    // Only while the card itself has the focus: a key pressed elsewhere never trades.
    if (!canTrade || event.target !== panel || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "1") takeBest("yes");
    else if (event.key === "2") takeBest("no");
    else if (event.key === "Enter") {
      const side = row && enterSide(row, lines);
      if (side) takeBest(side);
      else say("Both sides are offered: press 1 for YES, 2 for NO.", "unknown");
    } else return;
    event.preventDefault();
  });
  nextButton?.addEventListener("click", () => {
    const next = row && nextBest(row, lines);
    if (next && nextButton.getAttribute("aria-disabled") !== "true") void take(next);
  });
  closeButton?.addEventListener("click", () => row && onClose(row));
  const auto = find("[data-auto]");
  if (canTrade) auto.addEventListener("click", () => row && onAuto(row));
  for (const kind of ["pointerover", "focusin"])
    body.addEventListener(kind, (event) => {
      const button = /** @type {HTMLElement | null} */ (/** @type {Element} */ (event.target).closest("[data-take]"));
      const line = lines.find(({ id }) => id === button?.dataset["quote"]);
      const offer = line?.offers[/** @type {"yes" | "no"} */ (button?.dataset["take"])];
      if (line && offer) onPoint({ quoteId: line.id, maker: line.maker, offer });
    });
  body.addEventListener("pointerleave", () => onPoint(null));

  /** @param {string} text @param {string} [tone] */
  function say(text, tone = "") {
    const place = find("[data-say]");
    place.hidden = text === "";
    place.dataset["tone"] = tone;
    setText(place, text);
  }

  /** @param {string} id */
  function nodeOf(id) {
    const known = nodes.get(id);
    if (known) return known;
    const node = /** @type {HTMLTableRowElement} */ (element("tr", { attributes: { "data-quote": id } }));
    node.append(
      element("td", { class: "stack__maker" }),
      ...OUTCOMES.map((buys) => element("td", { class: "stack__offer", attributes: { "data-side": buys } })),
      element("td", { class: "number" }),
      element("td", { class: "number stack__versus" }),
      element("td", { class: "number stack__age" }),
      element("td", { class: "stack__marks" }),
    );
    nodes.set(id, node);
    return node;
  }

  /** @param {HTMLElement} cell @param {QuoteLine} line @param {"yes" | "no"} buys @param {boolean} isFlashed */
  function drawOffer(cell, line, buys, isFlashed) {
    const offer = line.offers[buys];
    const kind = !offer ? "none" : canTake() && line.isOpen ? "button" : "text";
    if (cell.dataset["kind"] !== kind) {
      cell.dataset["kind"] = kind;
      const made =
        kind === "button"
          ? element("button", {
              class: "button stack__take",
              attributes: { type: "button", "data-take": buys, "data-quote": line.id },
            })
          : element("span", { class: kind === "none" ? "stack__none" : "stack__price num" });
      cell.replaceChildren(made);
    }
    const shown = /** @type {HTMLElement} */ (cell.firstElementChild);
    if (!offer) return setText(shown, line.isOpen ? `no ${buys.toUpperCase()} price` : "-");
    if (kind === "text") setText(shown, `${buys.toUpperCase()} ${offer.priceText}`);
    else drawButton(shown, line, offer, buys);
    if (isFlashed) flash(cell);
    return undefined;
  }

  /** @param {HTMLElement} button @param {QuoteLine} line @param {import("./stack-model.js").Offer} offer @param {"yes" | "no"} buys */
  function drawButton(button, line, offer, buys) {
    const view = accepts.viewOf(rfqKey());
    const isThis = view.attempt?.quote_id === line.id && view.attempt.buys === buys;
    const phase = isThis ? view.phase : "ready";
    const isArmed = rearm.isArmed(rfqKey(), `${line.id}|${buys}`);
    setText(button, phase === "ready" ? offer.text : (PHASE_WORDS[phase] ?? offer.text));
    button.dataset["phase"] = phase;
    const isOff = blocked !== "" || !isArmed || view.phase !== "ready";
    // aria-disabled, not disabled: the focus stays while a price moves.
    setAttribute(button, "aria-disabled", String(isOff));
    button.classList.toggle("is-waiting", !isArmed && blocked === "" && view.phase === "ready");
    button.classList.toggle(buys === "yes" ? "button--buy" : "button--sell", offer.rank === 1);
    button.classList.toggle("is-cover", offer.rank === 2);
    button.classList.toggle("is-over-limit", offer.isOverLimit);
    const count = offer.contracts ? `${countText(offer.contracts)} ` : "";
    button.title =
      blocked ||
      `You would own ${count}${buys.toUpperCase()} at ${offer.priceText} each${offer.isOverLimit ? ", above your limit" : ""}`;
  }

  /** @param {HTMLElement} cell */
  function flash(cell) {
    cell.classList.remove("tint");
    void cell.offsetWidth;
    cell.classList.add("tint");
  }

  /** @param {HTMLElement} cell @param {QuoteLine} line */
  function drawVersus(cell, line) {
    const shown = OUTCOMES.flatMap((buys) => {
      const versus = line.offers[buys]?.versusBook;
      return versus ? [{ buys, ...versus }] : [];
    });
    const text = shown.map(({ buys, text: words }) => `${buys}${words}`).join("|");
    if (cell.dataset["text"] === text && cell.childElementCount) return;
    cell.dataset["text"] = text;
    if (!shown.length) return cell.replaceChildren(element("span", { class: "muted", text: "no book" }));
    cell.replaceChildren(
      ...shown.map(({ buys, text: words, title, tone }) =>
        element(
          "span",
          { class: `stack__better is-${tone}`, attributes: { title: `${buys.toUpperCase()}: ${title}` } },
          [element("small", { text: buys.toUpperCase() }), ` ${words}`],
        ),
      ),
    );
  }

  /** @param {QuoteLine} line @param {string[]} flashed */
  function drawLine(line, flashed) {
    const node = nodeOf(line.id);
    const [maker, yes, no, contracts, versus, age, marks] = /** @type {any} */ (node.children);
    setText(maker, line.maker);
    drawOffer(yes, line, "yes", flashed.includes(`${line.id}|yes`));
    drawOffer(no, line, "no", flashed.includes(`${line.id}|no`));
    setText(contracts, line.contracts);
    drawVersus(versus, line);
    setText(age, line.isOpen ? ageText(now() - line.seenMs) : "");
    node.classList.toggle("is-over", !line.isOpen && !line.isTaken);
    const text = line.isOpen ? line.marks.map((mark) => mark.text).join("|") : line.ended;
    if (marks.dataset.text !== text) {
      marks.dataset.text = text;
      const made = line.isOpen
        ? line.marks.map((mark) => element("span", { class: `badge badge--${mark.tone}`, text: mark.text }))
        : [element("span", { class: "muted", text: line.ended })];
      marks.replaceChildren(...made);
    }
    return node;
  }

  function drawProgress() {
    const progress = row && progressOf(row, look, now());
    const place = find("[data-progress]");
    place.hidden = !progress;
    if (!progress || !row) return;
    place.dataset["state"] = progress.state;
    setText(find("[data-progress-title]"), progress.title);
    setText(find("[data-progress-text]"), progress.text);
    setText(find("[data-progress-clock]"), progress.clock);
    const meter = /** @type {HTMLProgressElement} */ (find("[data-progress-meter]"));
    meter.hidden = progress.clock === "";
    meter.value = Math.round(progress.share * 1000);
    const link = /** @type {HTMLAnchorElement} */ (find("[data-progress-order]"));
    link.hidden = !progress.orderId;
    if (progress.orderId) link.href = `/orders/order:${encodeURIComponent(progress.orderId)}/`;
    drawNext();
  }

  function drawNext() {
    if (!nextButton) return;
    const next = row && canTake() ? nextBest(row, lines) : null;
    nextButton.hidden = !next;
    if (!next || !row) return;
    const isOff =
      blocked !== "" || accepts.isLocked(rfqKey()) || !rearm.isArmed(rfqKey(), `${next.quoteId}|${next.offer.buys}`);
    setAttribute(nextButton, "aria-disabled", String(isOff));
    setText(nextButton, `Accept next best: ${next.offer.text} (${nextBestWords(row)})`);
    nextButton.title = `${next.maker}${next.offer.isOverLimit ? "; above your limit" : ""}`;
  }

  function drawHeader() {
    const parts = row ? titleParts(row) : [];
    setText(find("[data-card-title]"), row ? parts.join(" · ") : "Quotes");
    setText(find("[data-card-size]"), row ? sizeText(row) : "");
    const left = find("[data-card-left]");
    const hasEnd = row !== null && row["state"] === "open" && Boolean(row["ends_ms"]);
    left.hidden = !hasEnd;
    if (row && hasEnd) setText(left, `desk time-out ${shortCountdown(row["ends_ms"] - now())}`);
    if (closeButton) {
      closeButton.hidden = !row || !canPull || !isLive(row) || isTrading(row);
      closeButton.disabled = Boolean(row && row["state"] === "open" && !row["is_open"]);
    }
  }

  function drawEmpty() {
    const isEmpty = lines.length === 0;
    find("[data-stack]").hidden = isEmpty;
    find("[data-stack-empty]").hidden = !isEmpty;
    if (!isEmpty) return;
    const [title, text] = emptyWords(row);
    setText(find("[data-stack-empty-title]"), title);
    setText(find("[data-stack-empty-text]"), text);
  }

  function draw() {
    const request = row;
    lines = request ? stackOf(request, look) : [];
    const buttons = lines.flatMap((line, place) =>
      OUTCOMES.flatMap((buys) => {
        const offer = line.isOpen ? line.offers[buys] : null;
        return offer ? [{ id: `${line.id}|${buys}`, price: offer.price, place }] : [];
      }),
    );
    const flashed = request ? rearm.show(request["key"], buttons) : [];
    const drawn = lines.map((line) => drawLine(line, flashed));
    const ids = new Set(lines.map(({ id }) => id));
    for (const [id, node] of nodes) {
      if (ids.has(id)) continue;
      node.remove();
      nodes.delete(id);
    }
    drawn.forEach((node, index) => {
      if (body.children[index] !== node) body.insertBefore(node, body.children[index] ?? null);
    });
    drawHeader();
    drawProgress();
    drawEmpty();
    drawFoot();
    clearTimeout(rearmTimer);
    const wait = rearm.waitMs();
    if (wait > 0) rearmTimer = window.setTimeout(draw, wait + 1);
  }

  function drawFoot() {
    find("[data-story-footer]").hidden = !row;
    const view = row ? accepts.viewOf(row["key"]) : null;
    say(view?.text || (row && row["state"] === "refused" ? row["error"] : ""), view?.text ? view.tone : "bad");
    if (!row) return;
    setText(find("[data-story]"), storyOf(row, look).join("   "));
    find("[data-auto-part]").hidden = !row["is_open"] && !row["auto"];
    setText(auto, autoWords(row, look));
    auto.classList.toggle("badge--accent", row["auto"]?.state === "waiting");
    auto.classList.toggle("badge--muted", row["auto"]?.state !== "waiting");
    if (auto instanceof HTMLButtonElement) auto.disabled = !row["is_open"] || row["auto"]?.state === "fired";
  }

  return {
    /** @param {Row | null} next */
    show(next) {
      if (next?.["key"] !== row?.["key"]) {
        body.replaceChildren();
        nodes.clear();
      }
      row = next;
      draw();
    },
    draw,
    /** Why nothing can be taken now; "" allows it. @param {string} why */
    block(why) {
      if (blocked === why) return;
      blocked = why;
      const place = find("[data-blocked]");
      place.hidden = why === "" || !canTrade;
      setText(place, why ? `${why}. Nothing can be accepted until that changes.` : "");
      draw();
    },
    /** Clocks and ages only. */
    tick() {
      if (!row) return;
      for (const line of lines) {
        if (!line.isOpen) continue;
        const cell = nodes.get(line.id)?.querySelector(".stack__age");
        if (cell) setText(cell, ageText(now() - line.seenMs));
      }
      drawHeader();
      drawProgress();
    },
    focus: () => panel.focus(),
  };
}

/** @param {Row | null} row */
function emptyWords(row) {
  if (!row) return ["No request is selected", "Choose one on the left to see who quotes it."];
  switch (row["state"]) {
    case "open":
      return ["No quote yet", "The request is open. Quotes appear here as makers send them, best first."];
    case "unknown":
      return [
        "Not confirmed by the exchange",
        "The request was sent and no answer came. It is being looked up; nothing is sent again.",
      ];
    case "refused":
      return ["Refused", row["error"] || "The exchange did not take this request."];
    case "not_seen":
      return [
        "Not seen at the exchange",
        "The exchange's own list does not have it. Nothing is sent again; send a new one if you still want it.",
      ];
    case "closed":
      return ["Closed without a quote", row["closing_reason"] || "No maker answered."];
    case "draft":
      return ["Waits for approval", "It is sent as soon as a lead approves it."];
    default:
      return ["Being sent", "Quotes appear here once the exchange has it."];
  }
}
