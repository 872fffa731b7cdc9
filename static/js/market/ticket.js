/**
 * The live order ticket: preview while typing, and a send button with five honest states.
 *
 * One click makes one idempotency key, which stays with the attempt until its outcome is known (ticket-attempt.js):
 * a double click, a held key, a lost socket or a reload asks about the same order and never makes another.
 * What is sent is what was shown: the preview is asked again just before, and a change is said instead.
 */
import { centDecimals, formatCount, formatFixed, formatPrice, fromUnits } from "../core/fixed.js";
import { shownStep, stepFrom } from "./grid.js";
import { fillGroupSelect, groupProblem } from "./group-choice.js";
import { createAttempt } from "./ticket-attempt.js";
import { createDraft } from "./ticket-draft.js";
import { SIDE_WORDS, readCost, readCount, readPrice } from "./ticket-model.js";
import { previewChanges, previewLine } from "./ticket-preview.js";
import { zonedToIso } from "./zoned.js";

const TAKING_LONG_MS = 2_000;
const PREVIEW_DELAY_MS = 120;
const PREVIEW_GOOD_MS = 1_000; // a preview this young need not be asked again before the order goes
const REGRID_GUARD_MS = 1_000; // a click that was on its way when the price steps changed meant the old ones

/**
 * @typedef {import("./ticket-model.js").TicketSide} TicketSide
 * @typedef {{command: (name: string, params: Record<string, unknown>) =>
 *   Promise<import("../core/socket.js").Outcome>}} Live
 */

/**
 * @param {HTMLFormElement} form
 * @param {{live: Live, base: Record<string, unknown> & {ticker: string}, prices: number[], step: number,
 *   person: string, format: import("../core/fixed.js").PriceFormat, zone: string}} options base: what each order says
 *   besides its terms; person: whose draft it is
 */
export function createTicket(form, options) {
  const find = (/** @type {string} */ selector) => /** @type {HTMLElement} */ (form.querySelector(selector));
  const field = (/** @type {string} */ name) => /** @type {HTMLInputElement} */ (form.elements.namedItem(name));
  const price = field("price");
  const count = field("count");
  const submit = /** @type {HTMLButtonElement} */ (find("[data-submit]"));
  const submitText = find("[data-submit-text]");
  const message = find("[data-message]");
  const group = /** @type {HTMLSelectElement} */ (form.elements.namedItem("order_group_id"));
  const unit = find("[data-unit]");
  const sell = find("[data-sell]");
  const typed = (/** @type {number} */ units) => formatFixed(units, 2, centDecimals(options.step));
  const attempt = createAttempt(sessionStorage, `ticket-sent:${options.person}:${options.base.ticker}`);
  const draft = createDraft(form, `ticket-draft:${options.person}:${options.base.ticker}`);
  let isCost = false;
  /** @type {"ready" | "sending" | "long" | "unknown" | "done"} */
  let state = "ready";
  let blocked = "";
  let position = 0;
  /** @type {import("../orders/group-model.js").Group[]} */
  let groups = [];
  let previewTimer = 0;
  let previewTurn = 0;
  /** What the preview on screen is about. @type {{about: string, data: Record<string, any>, at: number} | null} */
  let shown = null;
  let regriddedAt = -Infinity;

  const checked = (/** @type {string} */ name) =>
    /** @type {HTMLInputElement | null} */ (form.querySelector(`[name="${name}"]:checked`))?.value ?? "";
  const side = () => /** @type {TicketSide} */ (checked("side"));

  /** @param {string} name @param {string} text */
  function showError(name, text) {
    const place = form.querySelector(`[data-error="${name}"]`);
    if (!place) return false;
    if (place.textContent !== text) place.textContent = text;
    place.closest(".field")?.classList.toggle("is-wrong", text !== "");
    return true;
  }

  /** @param {string} text @param {string} [tone] */
  function say(text, tone = "") {
    message.textContent = text;
    message.dataset.tone = tone;
  }

  /** Contracts as typed, or as many as the typed cost pays for. @param {number | null} at price units */
  function readContracts(at) {
    if (!isCost) return readCount(count.value);
    if (at === null) return { units: 0 };
    return readCost(count.value, at);
  }

  /** What was typed as exact values, or null with the errors shown. @param {boolean} isStrict */
  function read(isStrict) {
    const priced = readPrice(price.value);
    const counted = readContracts("units" in priced ? priced.units : null);
    // Without its time it would rest until it is cancelled, which is not what the ticket says.
    const isExpiring = checked("terms") === "expires";
    /** @type {{error: string} | {units: number}} */
    const expiry = isExpiring && !field("expires_at").value ? { error: "Say until when." } : { units: 0 };
    const errors = { price: priced, count: counted, expires_at: expiry };
    for (const [name, reading] of Object.entries(errors)) {
      const isEmpty = field(name).value.trim() === "";
      showError(name, "error" in reading && (isStrict || !isEmpty) ? reading.error : "");
    }
    if ("error" in priced || "error" in counted || "error" in expiry) return null;
    const terms = checked("terms");
    return {
      ...options.base,
      side: side(),
      price: fromUnits(priced.units, 4),
      count: fromUnits(counted.units, 2),
      time_in_force: terms === "ioc" ? "immediate_or_cancel" : terms === "fok" ? "fill_or_kill" : "good_till_canceled",
      expires_at: isExpiring ? zonedToIso(field("expires_at").value, options.zone) : null,
      post_only: field("post_only").checked,
      reduce_only: field("reduce_only").checked,
      cancel_on_pause: field("cancel_on_pause").checked,
      self_trade_prevention: field("self_trade_prevention").value,
      ...(group.value ? { order_group_id: group.value } : {}),
    };
  }

  function label() {
    const isBuyYes = side() === "buy_yes";
    submit.classList.toggle("button--sell", !isBuyYes);
    submit.classList.toggle("button--buy", isBuyYes);
    const isSell = side().startsWith("sell");
    sell.setAttribute("aria-pressed", String(isSell));
    find("[data-sell-sides]").hidden = !isSell;
    submitText.textContent = submitWords();
    submit.title = blocked;
    submit.dataset.state = state;
    submit.disabled = blocked !== "" || state === "sending" || state === "long" || state === "unknown";
  }

  /** The group is chosen out of sight, so what is chosen stands where it is seen. */
  function showGroup() {
    const place = find("[data-group-words]");
    const problem = groupProblem(groups, group.value);
    place.hidden = !group.value;
    place.dataset.tone = problem ? "unknown" : "";
    place.textContent = problem || (group.value ? `In order group ${group.selectedOptions[0]?.text ?? ""}` : "");
  }

  function submitWords() {
    if (state === "sending") return "Sending";
    if (state === "long") return "Taking long - still waiting";
    if (state === "unknown") return "Sent, not confirmed - checking";
    if (blocked) return "Not possible now";
    const words = SIDE_WORDS[side()] ?? "Place order";
    const priced = readPrice(price.value);
    const counted = readContracts("units" in priced ? priced.units : null);
    if ("error" in priced || "error" in counted) return words;
    const [verb, outcome] = words.split(" ");
    return `${verb} ${formatCount(counted.units)} ${outcome} at ${formatPrice(priced.units, { ...options, step: shownStep(options.step, priced.units) })}`;
  }

  function changed() {
    find("[data-expiry]").hidden = checked("terms") !== "expires";
    if (state === "done") setState("ready");
    showGroup();
    label();
    const priced = readPrice(price.value);
    // Typed in cents; whoever likes another notation sees what it comes to.
    const isForeign = options.format !== "cents" && "units" in priced;
    find("[data-price-words]").textContent = isForeign ? formatPrice(priced.units, options) : "";
    clearTimeout(previewTimer);
    previewTimer = window.setTimeout(preview, PREVIEW_DELAY_MS);
  }

  async function preview() {
    const values = read(false);
    const turn = ++previewTurn;
    if (!values) return showPreview(null, null);
    const answer = await options.live.command("order.preview", values);
    if (turn !== previewTurn) return undefined; // something was typed since
    if (answer.kind === "error") {
      // No connection yet: the page says that itself, and asks again as soon as there is one.
      if (answer.code !== "not_sent") showRefusal(answer);
      return showPreview(null, null);
    }
    if (answer.kind !== "ok") return showPreview(null, null);
    showRefusal(answer.value.refusal);
    return showPreview(values, answer.value);
  }

  /**
   * Say now what would be refused; sending stays possible, the desk decides.
   * @param {{text: string, fields: Record<string, string>} | null} refusal
   */
  function showRefusal(refusal) {
    if (!refusal) {
      if (message.dataset.tone === "bad") say("");
      return;
    }
    let isShown = false;
    for (const [name, text] of Object.entries(refusal.fields)) isShown = showError(name, text) || isShown;
    if (!isShown) say(refusal.text, "bad");
  }

  /** @param {Record<string, unknown> | null} values @param {Record<string, any> | null} data */
  function showPreview(values, data) {
    shown = values && data ? { about: JSON.stringify(values), data, at: performance.now() } : null;
    for (const cell of form.querySelectorAll("[data-preview-field]")) {
      const place = /** @type {HTMLElement} */ (cell);
      const { text, title, isPresent } = previewLine(place.dataset.previewField ?? "", data);
      place.textContent = text;
      place.title = title;
      const optional = /** @type {HTMLElement | null} */ (place.closest("[data-optional]"));
      if (optional) optional.hidden = !isPresent;
    }
    const isYes = side() === "buy_yes" || side() === "sell_no";
    find("[data-preview-label='payout']").textContent = `Payout if ${isYes ? "YES" : "NO"}`;
  }

  /** @param {"ready" | "sending" | "long" | "unknown" | "done"} next */
  function setState(next) {
    state = next;
    label();
  }

  /**
   * Ask once more what the order comes to. True when that is what was shown, or is shown now for the first
   * time; else it says what changed, and nothing is sent.
   * @param {Record<string, unknown>} values
   */
  async function isAsShown(values) {
    const before = shown?.about === JSON.stringify(values) ? shown.data : null;
    if (before && performance.now() - (shown?.at ?? 0) < PREVIEW_GOOD_MS) return true;
    clearTimeout(previewTimer);
    previewTurn += 1;
    const answer = await options.live.command("order.preview", values);
    if (answer.kind !== "ok") {
      if (answer.kind === "error") showRefusal(answer);
      else say("The connection broke before the order was sent. Nothing was sent.", "unknown");
      return false;
    }
    showPreview(values, answer.value);
    const changes = before ? previewChanges(before, answer.value) : [];
    if (changes.length === 0) return true;
    showRefusal(answer.value.refusal);
    say(`Not sent. Since it was shown, ${changes.join("; ")}. Send again if that is what you want.`, "unknown");
    return false;
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
    if (performance.now() - regriddedAt < REGRID_GUARD_MS) {
      say("Not sent: the price steps changed just now. Look at the new preview, then send again.", "unknown");
      return changed();
    }
    const about = JSON.stringify(values);
    if (attempt.isRepeat(about)) {
      say("Sent once: the second press came within a second of the first. Press again to send another.", "unknown");
      return;
    }
    say("");
    const words = submitWords();
    setState("sending");
    const slow = window.setTimeout(() => state === "sending" && setState("long"), TAKING_LONG_MS);
    const before = shown?.about === about ? shown.data["shown"] : null;
    if (!(await isAsShown(values))) {
      clearTimeout(slow);
      setState("ready");
      return;
    }
    const key = attempt.begin(about);
    draft.keep();
    // The desk refuses it when what was shown, not what was just asked for, no longer holds at that moment.
    const word = before ?? shown?.data["shown"];
    const seen = word ? { shown: word } : {};
    const answer = await options.live.command("order.place", { ...values, ...seen, idempotency_key: key });
    clearTimeout(slow);
    if (answer.kind === "unknown") {
      setState("unknown");
      say(
        "The connection broke while this was on its way. The order list shows it as soon as the desk answers.",
        "unknown",
      );
      form.dispatchEvent(new CustomEvent("ticket:unknown", { bubbles: true }));
      return;
    }
    draft.drop();
    if (answer.kind === "error") {
      attempt.forget();
      showRefusal(answer);
      setState("ready");
      return;
    }
    attempt.taken();
    say(`Recorded: ${words}. The list shows what becomes of it.`, "good");
    setState("done");
    form.dispatchEvent(new CustomEvent("ticket:placed", { detail: answer.value, bubbles: true }));
  }

  /** @param {TicketSide} next */
  function choose(next) {
    const input = /** @type {HTMLInputElement | null} */ (form.querySelector(`[name="side"][value="${next}"]`));
    if (input) input.checked = true;
  }

  function switchUnit() {
    isCost = !isCost;
    showUnit();
    changed();
  }

  function showUnit() {
    form.dataset.countUnit = isCost ? "cost" : "contracts";
    unit.setAttribute("aria-pressed", String(isCost));
    find("label[for='ticket-count']").textContent = isCost ? "Cost, dollars" : "Contracts";
    unit.textContent = isCost ? "contracts" : "cost";
    count.placeholder = isCost ? "dollars" : "how many";
  }

  function chooseSell() {
    if (!side().startsWith("sell")) choose(position < 0 ? "sell_no" : "sell_yes");
    changed();
  }

  /** @param {number} steps */
  function move(steps) {
    const reading = readPrice(price.value);
    const from = "units" in reading ? reading.units : (options.prices[Math.floor(options.prices.length / 2)] ?? 5_000);
    price.value = typed(stepFrom(options.prices, from, steps));
    changed();
  }

  form.addEventListener("submit", send);
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && event.repeat) event.preventDefault(); // a held key is one press
  });
  form.addEventListener("input", () => {
    attempt.touched();
    regriddedAt = -Infinity; // whoever types since has seen it
    say("");
    changed();
  });
  sell.addEventListener("click", chooseSell);
  unit.addEventListener("click", switchUnit);
  for (const step of form.querySelectorAll("[data-step]")) {
    step.addEventListener("click", () => move(Number(/** @type {HTMLElement} */ (step).dataset.step)));
  }
  price.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowUp" && event.key !== "ArrowDown") return;
    event.preventDefault();
    move(event.key === "ArrowUp" ? 1 : -1);
  });

  for (const live of form.querySelectorAll("[data-live-only]")) /** @type {HTMLElement} */ (live).hidden = false;
  const isRestored = draft.restore();
  isCost = form.dataset.countUnit === "cost";
  showUnit();
  if (attempt.key) {
    draft.keep(); // for one more reload
    // A reload in the middle of an attempt: the order list decides what became of it.
    setState("unknown");
    say("An order was on its way when this page was left. Checking what became of it.", "unknown");
  } else if (isRestored) {
    say("This is what you had typed before you signed in again. Nothing was sent.", "unknown");
  }
  changed();

  return {
    /** @param {TicketSide} next @param {number} units price in the side's own prices */
    fill(next, units) {
      attempt.touched();
      choose(next);
      price.value = typed(units);
      count.focus();
      count.select();
      changed();
    },
    /** Order groups of the account. @param {import("../orders/group-model.js").Group[]} rows @param {number} subaccount */
    showGroups(rows, subaccount) {
      groups = rows;
      fillGroupSelect(group, rows, subaccount);
      showGroup();
    },
    /**
     * The market has another grid: what stands in the ticket is asked about anew, and a word says so.
     * @param {number[]} prices of the YES side, ascending
     * @param {number} step the finest
     */
    regrid(prices, step) {
      [options.prices, options.step] = [prices, step];
      regriddedAt = performance.now();
      const isTyped = price.value.trim() !== "" && count.value.trim() !== "";
      if (isTyped && state === "ready")
        say("The price steps of this market changed. Look at the preview before you send.", "unknown");
      changed();
    },
    /** Contracts held, positive for YES; 1/100. @param {number} units */
    hold(units) {
      position = units;
      for (const [name, mine] of /** @type {[string, number][]} */ ([
        ["yes", Math.max(0, units)],
        ["no", Math.max(0, -units)],
      ])) {
        const place = form.querySelector(`[data-held="${name}"]`);
        if (place) place.textContent = mine ? formatCount(mine) : "none held";
      }
    },
    /** Say why trading is not possible now; "" allows it again. @param {string} why */
    block(why) {
      if (blocked === why) return;
      blocked = why;
      label();
      if (!why && !shown) changed(); // what could not be asked while the page was not live
    },
    /** The session has ended: keep what was typed for after the sign-in, and send nothing. @param {string} why */
    signedOut(why) {
      draft.keep();
      const place = find("[data-signed-out]");
      place.hidden = false;
      find("[data-signed-out-why]").textContent = why.charAt(0).toUpperCase() + why.slice(1);
    },
    switchUnit,
    focus() {
      price.focus();
      price.select();
    },
    /** Whether the keyboard is in one of the two fields that take numbers only. */
    isTyping: () => document.activeElement === price || document.activeElement === count,
    /** @param {"buy_yes" | "buy_no" | "sell"} what */
    side(what) {
      if (what === "sell") return chooseSell();
      choose(what);
      return changed();
    },
    get isUnknown() {
      return state === "unknown";
    },
    /** Rows of the order list end an attempt whose answer was lost. @param {Set<string>} keys idempotency keys seen */
    settle(keys) {
      // Orders placed elsewhere carry no key of ours.
      if (state === "sending" || state === "long" || !attempt.key || !keys.has(attempt.key)) return;
      attempt.taken();
      draft.drop();
      say("It arrived: the order list shows its state.", "good");
      setState("ready");
    },
    /** The list was read after a reconnect and does not hold the attempt. */
    settleAbsent() {
      if (state !== "unknown") return;
      attempt.shelve(); // should the first come late after all, the same order sent again is still that one
      draft.drop();
      say(
        "It never reached the desk: nothing was sent. Send it again if you still want it; it stays one order.",
        "unknown",
      );
      setState("ready");
    },
  };
}
