/**
 * The live order ticket: preview while typing, and a send button with five honest states.
 *
 * One click makes one idempotency key; the key stays with the attempt until its outcome is known,
 * so a second click, a lost socket or a reload asks about the same order and never makes another.
 */
import { centDecimals, formatCount, formatFixed, formatMoney, fromUnits, toUnits } from "../core/fixed.js";
import { stepFrom } from "./grid.js";
import { SIDE_WORDS, countForCost, readCount, readPrice } from "./ticket-model.js";

const TAKING_LONG_MS = 2_000;
const PREVIEW_DELAY_MS = 120;

/**
 * @typedef {import("./ticket-model.js").TicketSide} TicketSide
 * @typedef {{command: (name: string, params: Record<string, unknown>) =>
 *   Promise<import("../core/socket.js").Outcome>}} Live
 */

/**
 * @param {HTMLFormElement} form
 * @param {{live: Live, ticker: string, prices: number[], step: number, zone: string}} options
 */
export function createTicket(form, options) {
  const price = /** @type {HTMLInputElement} */ (form.elements.namedItem("price"));
  const count = /** @type {HTMLInputElement} */ (form.elements.namedItem("count"));
  const expires = /** @type {HTMLInputElement} */ (form.elements.namedItem("expires_at"));
  const expiry = /** @type {HTMLElement} */ (form.querySelector("[data-expiry]"));
  const submit = /** @type {HTMLButtonElement} */ (form.querySelector("[data-submit]"));
  const submitText = /** @type {HTMLElement} */ (form.querySelector("[data-submit-text]"));
  const message = /** @type {HTMLElement} */ (form.querySelector("[data-message]"));
  const unit = /** @type {HTMLButtonElement} */ (form.querySelector("[data-unit]"));
  const cents = (/** @type {number} */ units) => formatFixed(units, 2, centDecimals(options.step));
  const storageKey = `ticket-attempt:${options.ticker}`;
  let isCost = false;
  let attempt = sessionStorage.getItem(storageKey) ?? "";
  /** @type {"ready" | "sending" | "long" | "unknown" | "done"} */
  let state = "ready";
  let blocked = "";
  let previewTimer = 0;
  let previewTurn = 0;

  const checked = (/** @type {string} */ name) =>
    /** @type {HTMLInputElement | null} */ (form.querySelector(`[name="${name}"]:checked`))?.value ?? "";
  const side = () => /** @type {TicketSide} */ (checked("side"));

  /** @param {string} field @param {string} text */
  function showError(field, text) {
    const place = form.querySelector(`[data-error="${field}"]`);
    if (!place) return false;
    place.textContent = text;
    place.closest(".field")?.classList.toggle("is-wrong", text !== "");
    return true;
  }

  /** @param {string} text @param {string} [tone] */
  function say(text, tone = "") {
    message.textContent = text;
    message.dataset.tone = tone;
  }

  /** What was typed as exact values, or null with the errors shown. @param {boolean} isStrict */
  function read(isStrict) {
    const readings = { price: readPrice(price.value), count: readCount(isCost ? "1" : count.value) };
    let costCount = null;
    if (isCost && "units" in readings.price) {
      const text = count.value.trim().replace(/^\$/, "").replace(/,/g, "");
      costCount = /^\d+(\.\d{1,2})?$/.test(text) ? countForCost(toUnits(text, 6), readings.price.units) : null;
      readings.count =
        costCount === null
          ? { error: "Enter what it may cost, in dollars." }
          : costCount === 0
            ? { error: "That does not pay for one contract." }
            : { units: costCount };
    }
    for (const [field, reading] of Object.entries(readings)) {
      const isEmpty = (field === "price" ? price : count).value.trim() === "";
      showError(field, "error" in reading && (isStrict || !isEmpty) ? reading.error : "");
    }
    if ("error" in readings.price || "error" in readings.count) return null;
    const terms = checked("terms");
    const isChecked = (/** @type {string} */ name) =>
      /** @type {HTMLInputElement} */ (form.elements.namedItem(name)).checked;
    return {
      ticker: options.ticker,
      side: side(),
      price: fromUnits(readings.price.units, 4),
      count: fromUnits(readings.count.units, 2),
      time_in_force: terms === "ioc" ? "immediate_or_cancel" : terms === "fok" ? "fill_or_kill" : "good_till_canceled",
      expires_at: terms === "expires" ? zonedToIso(expires.value, options.zone) : null,
      post_only: isChecked("post_only"),
      reduce_only: isChecked("reduce_only"),
    };
  }

  function label() {
    const isSell = side().startsWith("sell");
    submit.classList.toggle("button--sell", isSell || side() === "buy_no");
    submit.classList.toggle("button--buy", side() === "buy_yes");
    const reading = { price: readPrice(price.value), count: readCount(count.value) };
    const known = !isCost && "units" in reading.price && "units" in reading.count;
    const words = SIDE_WORDS[side()] ?? "Place order";
    const [verb, outcome] = words.split(" ");
    if (state === "sending") submitText.textContent = "Sending";
    else if (state === "long") submitText.textContent = "Taking long - still waiting";
    else if (state === "unknown") submitText.textContent = "Sent, not confirmed - checking";
    else if (blocked) submitText.textContent = "Not possible now";
    else if (known && "units" in reading.price && "units" in reading.count)
      submitText.textContent = `${verb} ${formatCount(reading.count.units)} ${outcome} at ${cents(reading.price.units)}¢`;
    else submitText.textContent = words;
    submit.title = blocked;
    submit.dataset.state = state;
    submit.disabled = blocked !== "" || state === "sending" || state === "long" || state === "unknown";
  }

  function changed() {
    expiry.hidden = checked("terms") !== "expires";
    if (state === "done") setState("ready");
    label();
    clearTimeout(previewTimer);
    previewTimer = window.setTimeout(preview, PREVIEW_DELAY_MS);
  }

  async function preview() {
    const values = read(false);
    const turn = ++previewTurn;
    if (!values) return showPreview(null);
    const answer = await options.live.command("order.preview", values);
    if (turn !== previewTurn) return undefined; // something was typed since
    if (answer.kind === "error") {
      for (const [field, text] of Object.entries(answer.fields)) showError(field, text);
      if (Object.keys(answer.fields).length === 0) say(answer.text, "bad");
      return showPreview(null);
    }
    if (answer.kind !== "ok") return showPreview(null);
    showRefusal(answer.value.refusal);
    return showPreview(answer.value);
  }

  /** Say now what would be refused; sending stays possible, the desk decides. @param {{text: string, fields: Record<string, string>} | null} refusal */
  function showRefusal(refusal) {
    if (!refusal) {
      if (message.dataset.tone === "bad") say("");
      return;
    }
    let isShown = false;
    for (const [field, text] of Object.entries(refusal.fields)) isShown = showError(field, text) || isShown;
    if (!isShown) say(refusal.text, "bad");
  }

  /** @param {Record<string, any> | null} data */
  function showPreview(data) {
    for (const cell of form.querySelectorAll("[data-preview-field]")) {
      const name = /** @type {HTMLElement} */ (cell).dataset.previewField ?? "";
      const { text, title } = previewText(name, data);
      cell.textContent = text;
      /** @type {HTMLElement} */ (cell).title = title;
    }
    const payout = form.querySelector("[data-preview-label='payout']");
    if (payout) {
      const isYes = side() === "buy_yes" || side() === "sell_no";
      payout.textContent = `Payout if ${isYes ? "YES" : "NO"}`;
    }
  }

  /** @param {"ready" | "sending" | "long" | "unknown" | "done"} next */
  function setState(next) {
    state = next;
    label();
  }

  /** @param {SubmitEvent} event */
  async function send(event) {
    event.preventDefault();
    if (submit.disabled) return;
    const values = read(true);
    if (!values) {
      /** @type {HTMLInputElement | null} */ (form.querySelector(".is-wrong input"))?.focus();
      return;
    }
    if (!attempt) {
      attempt = crypto.randomUUID();
      sessionStorage.setItem(storageKey, attempt);
    }
    say("");
    setState("sending");
    const slow = window.setTimeout(() => state === "sending" && setState("long"), TAKING_LONG_MS);
    const answer = await options.live.command("order.place", { ...values, idempotency_key: attempt });
    clearTimeout(slow);
    if (answer.kind === "unknown") {
      setState("unknown");
      say(
        "The connection broke while this was on its way. The order list shows it as soon as the desk answers.",
        "unknown",
      );
      return;
    }
    if (answer.kind === "error") {
      forget();
      let isShown = false;
      for (const [field, text] of Object.entries(answer.fields)) isShown = showError(field, text) || isShown;
      if (!isShown) say(answer.text, "bad");
      setState("ready");
      return;
    }
    forget();
    setState("done");
    say("");
    form.dispatchEvent(new CustomEvent("ticket:placed", { detail: answer.value, bubbles: true }));
  }

  function forget() {
    attempt = "";
    sessionStorage.removeItem(storageKey);
  }

  form.addEventListener("submit", send);
  form.addEventListener("input", () => {
    say("");
    changed();
  });
  unit.addEventListener("click", () => {
    isCost = !isCost;
    unit.setAttribute("aria-pressed", String(isCost));
    const text = form.querySelector("label[for='ticket-count']");
    if (text) text.textContent = isCost ? "Cost, dollars" : "Contracts";
    unit.textContent = isCost ? "contracts" : "cost";
    changed();
  });
  for (const step of form.querySelectorAll("[data-step]")) {
    step.addEventListener("click", () => move(Number(/** @type {HTMLElement} */ (step).dataset.step)));
  }
  price.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowUp" && event.key !== "ArrowDown") return;
    event.preventDefault();
    move(event.key === "ArrowUp" ? 1 : -1);
  });

  /** @param {number} steps */
  function move(steps) {
    const reading = readPrice(price.value);
    const from = "units" in reading ? reading.units : (options.prices[Math.floor(options.prices.length / 2)] ?? 5_000);
    price.value = cents(stepFrom(options.prices, from, steps));
    changed();
  }

  if (attempt) {
    // A reload in the middle of an attempt: the order list decides what became of it.
    setState("unknown");
    say("An order was on its way when this page was left. Checking what became of it.", "unknown");
  }
  changed();

  return {
    /** @param {TicketSide} next @param {number} units price in the side's own prices */
    fill(next, units) {
      const input = /** @type {HTMLInputElement | null} */ (form.querySelector(`[name="side"][value="${next}"]`));
      if (input) input.checked = true;
      price.value = cents(units);
      count.focus();
      count.select();
      changed();
    },
    /** Say why trading is not possible now; "" allows it again. @param {string} why */
    block(why) {
      if (blocked === why) return;
      blocked = why;
      label();
    },
    /** Rows of the order list end an attempt whose answer was lost. @param {Set<string>} keys idempotency keys seen */
    settle(keys) {
      if (state !== "unknown" || !attempt || !keys.has(attempt)) return;
      forget();
      say("It arrived: the order list shows its state.", "good");
      setState("ready");
    },
    /** The list was read after a reconnect and does not hold the attempt. */
    settleAbsent() {
      if (state !== "unknown" || !attempt) return;
      forget();
      say("It never reached the desk: nothing was sent. The ticket is as you typed it.", "unknown");
      setState("ready");
    },
    refresh: changed,
  };
}

/**
 * One line of the preview: what is not known says so, with the reason on hover.
 * @param {string} name
 * @param {Record<string, any> | null} data
 */
function previewText(name, data) {
  if (!data) return { text: "-", title: "" };
  const title = data.reasons?.[name] ?? "";
  const unknown = { text: "not known", title };
  const dollars = (/** @type {string} */ raw) => formatMoney(toUnits(raw, 6));
  switch (name) {
    case "fee":
      return data.fee === null
        ? unknown
        : { text: `${dollars(data.fee)} / ${dollars(data.fee_worst)}`, title: "if it takes liquidity" };
    case "cost":
      return toUnits(data.cost, 6) === 0 && toUnits(data.proceeds, 6) > 0
        ? { text: `${dollars(data.proceeds)} received`, title }
        : { text: dollars(data.cost), title };
    case "worst_case":
      return data.worst_case === null ? unknown : { text: formatMoney(-toUnits(data.worst_case, 6)), title };
    case "position_after":
      return data.position_after === null ? unknown : { text: positionWords(toUnits(data.position_after, 2)), title };
    default:
      return data[name] === null || data[name] === undefined ? unknown : { text: dollars(data[name]), title };
  }
}

/** @param {number} units contracts, positive for YES */
function positionWords(units) {
  if (units === 0) return "flat";
  return `${formatCount(Math.abs(units))} ${units > 0 ? "YES" : "NO"}`;
}

/**
 * A wall-clock time of the person's zone as an RFC 3339 instant.
 * @param {string} local "2026-11-21T16:00:00"
 * @param {string} zone
 */
export function zonedToIso(local, zone) {
  if (!local) return null;
  const wanted = Date.parse(`${local}Z`);
  if (Number.isNaN(wanted)) return local; // the server says what is wrong with it
  const wall = (/** @type {number} */ instant) => {
    const parts = Object.fromEntries(
      new Intl.DateTimeFormat("en-GB", {
        timeZone: zone,
        hourCycle: "h23",
        year: "numeric",
        month: "2-digit",
        day: "2-digit",
        hour: "2-digit",
        minute: "2-digit",
        second: "2-digit",
      })
        .formatToParts(instant)
        .map((part) => [part.type, part.value]),
    );
    return Date.parse(`${parts.year}-${parts.month}-${parts.day}T${parts.hour}:${parts.minute}:${parts.second}Z`);
  };
  // Twice, because the offset at the first guess may lie on the other side of a clock change.
  let instant = wanted - (wall(wanted) - wanted);
  instant = wanted - (wall(instant) - instant);
  return new Date(instant).toISOString();
}
