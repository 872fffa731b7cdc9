/**
 * The ticket of a new request. One click makes one idempotency key, stored before anything is sent; it stays with the
 * attempt until its outcome is known, so a lost answer, a reload or a second click never makes a second request (J1, J4).
 */
import { element, setText } from "../frame/dom.js";
import { approvalWords, leakWords, openOn, readAsk, sendWords } from "./ask-model.js";
import { createMarketSearch } from "./market-search.js";
import { stripLines, stripNotes } from "./strip-model.js";

const TAKING_LONG_MS = 2_000;
const PREVIEW_DELAY_MS = 150;
const KEPT = [
  "kind",
  "size",
  "ends_in_s",
  "limit_yes",
  "limit_no",
  "auto",
  "min_quotes",
  "after_s",
  "rest_remainder",
  "replace_existing",
  "note",
];
const PHASE_WORDS = /** @type {Record<string, string>} */ ({
  sending: "Sending",
  slow: "Taking long - still waiting",
  unknown: "Sent, not confirmed - checking",
});

/** @typedef {import("./words.js").Row} Row */
/** @typedef {"ready" | "sending" | "slow" | "unknown"} Phase */

/**
 * @param {HTMLFormElement} form
 * @param {{live: {command: (name: string, params: Record<string, unknown>) => Promise<import("../core/socket.js").Outcome>},
 *   base: {account_id: number, subaccount: number}, person: string, searchUrl: string, look: import("./words.js").Look, now: () => number,
 *   builder: import("./combo.js").Builder | null, onSent: (row: Row) => void,
 *   onMarket: (ticker: string) => void}} options
 */
export function createAsk(form, { live, base, person, searchUrl, look, now, builder, onSent, onMarket }) {
  const find = (/** @type {string} */ selector) => /** @type {HTMLElement} */ (form.querySelector(selector));
  const field = (/** @type {string} */ name) => /** @type {HTMLInputElement} */ (form.elements.namedItem(name));
  const submit = /** @type {HTMLButtonElement} */ (find("[data-submit]"));
  const message = find("[data-message]");
  const unit = find("[data-unit]");
  const attemptKey = `rfq-attempt:${person}:${base.account_id}`;
  const draftKey = `rfq-draft:${person}:${base.account_id}`;
  let attempt = sessionStorage.getItem(attemptKey) ?? "";
  /** @type {Phase} */
  let phase = "ready";
  let isCost = false;
  let blocked = "";
  let previewTimer = 0;
  let turn = 0;
  /** @type {Row[]} */
  let rows = [];
  const search = createMarketSearch(find("[data-market-field]"), { url: searchUrl, onChoose: changed });

  const chosen = (/** @type {string} */ name) =>
    /** @type {HTMLInputElement | null} */ (form.querySelector(`[name="${name}"]:checked`))?.value ?? "";
  const isCombo = () => builder !== null && chosen("kind") === "combo";

  /** @returns {import("./ask-model.js").Typed} */
  function typed() {
    return {
      ticker: isCombo() ? "" : search.ticker,
      combo: isCombo() ? (builder?.combo() ?? null) : null,
      comboMissing: isCombo() ? (builder?.missing() ?? "") : "",
      isCost,
      size: field("size").value,
      limitYes: field("limit_yes").value,
      limitNo: field("limit_no").value,
      endsIn: field("ends_in_s").value,
      note: field("note").value,
      restRemainder: field("rest_remainder").checked,
      replaceExisting: field("replace_existing").checked,
      auto: /** @type {"" | "yes" | "no"} */ (chosen("auto")),
      minQuotes: field("min_quotes").value,
      afterS: field("after_s").value,
    };
  }

  /** Wire names to the places where they are said. @param {string} name */
  const placeOf = (name) => (name === "contracts" || name === "target_cost" ? "size" : name);

  /** @param {Record<string, string>} faults @param {boolean} isStrict */
  function showFaults(faults, isStrict) {
    const shown = Object.fromEntries(Object.entries(faults).map(([name, text]) => [placeOf(name), text]));
    for (const place of form.querySelectorAll("[data-error]")) {
      const name = place.getAttribute("data-error") ?? "";
      const input = form.elements.namedItem(name === "ticker" ? "market" : name);
      const isEmpty = input instanceof HTMLInputElement && input.value.trim() === "";
      const isLater = isEmpty || name === "combo"; // what is wrong with legs stands at the legs
      const text = isStrict || !isLater || name === "auto" ? (shown[name] ?? "") : "";
      setText(place, text);
      if (input instanceof HTMLInputElement && input.type !== "checkbox") {
        if (text) input.setAttribute("aria-invalid", "true");
        else input.removeAttribute("aria-invalid");
      }
    }
    return Object.keys(shown).filter((name) => !form.querySelector(`[data-error="${name}"]`));
  }

  /** @param {string} text @param {string} [tone] */
  function say(text, tone = "") {
    message.textContent = text;
    message.dataset["tone"] = tone;
  }

  function label() {
    const words = PHASE_WORDS[phase] ?? (blocked ? "Not possible now" : sendWords(readAsk(typed())));
    setText(find("[data-submit-text]"), words);
    submit.dataset["phase"] = phase;
    submit.title = blocked;
    submit.disabled = phase !== "ready" || blocked !== "";
  }

  function showLeak() {
    const ticker = isCombo() ? (builder?.ticker() ?? "") : search.ticker;
    const { text, isWarning } = leakWords(rows, ticker, now());
    setText(find("[data-leak]"), text);
    find("[data-leak]").dataset["tone"] = isWarning ? "warning" : "";
    const same = openOn(rows, ticker);
    const place = find("[data-error='replace_existing']");
    setText(
      place,
      same && !field("replace_existing").checked ? "A request on this market is open already: tick to replace it." : "",
    );
  }

  function changed() {
    find("[data-market-field]").hidden = isCombo();
    find("[data-combo-field]").hidden = !isCombo();
    if (isCombo()) void builder?.load();
    for (const part of form.querySelectorAll("[data-auto-only]"))
      /** @type {HTMLElement} */ (part).hidden = !chosen("auto");
    const { faults } = readAsk(typed());
    showFaults(faults, false);
    showLeak();
    label();
    onMarket(isCombo() ? (builder?.ticker() ?? "") : search.ticker);
    clearTimeout(previewTimer);
    previewTimer = window.setTimeout(preview, PREVIEW_DELAY_MS);
  }

  async function preview() {
    const { params } = readAsk(typed());
    const mine = ++turn;
    if (!params) return showStrip(null);
    const answer = await live.command("rfq.preview", { ...base, ...params });
    if (mine !== turn) return undefined; // something was typed since
    if (answer.kind === "error" && answer.code !== "not_sent") refuse(answer);
    if (answer.kind === "ok") refuse(answer.value.refusal ?? null);
    return showStrip(answer.kind === "ok" ? answer.value : null);
  }

  /** What a preview says is about a request that is not sent yet: of the sent one it would say "one is open already". */
  function endPreview() {
    clearTimeout(previewTimer);
    turn += 1;
  }

  /** @param {{text: string, fields?: Record<string, string>} | null} refusal */
  function refuse(refusal) {
    if (!refusal) {
      if (message.dataset["tone"] === "bad") say("");
      return;
    }
    const fields = refusal.fields ?? {};
    const left = showFaults(fields, true);
    say(Object.keys(fields).length && !left.length ? "" : refusal.text, "bad");
  }

  /** @param {Record<string, any> | null} told */
  function showStrip(told) {
    const strip = find("[data-strip]");
    strip.hidden = told === null;
    if (!told) return;
    const cell = (/** @type {string} */ text, /** @type {number} */ span) =>
      element("td", { class: "number num", text, attributes: span > 1 ? { colspan: String(span) } : {} });
    find("[data-strip-lines]").replaceChildren(
      ...stripLines(told, look).map(({ name, values, tone = "", title = "" }) =>
        element("tr", { class: tone ? `is-${tone}` : "", attributes: title ? { title } : {} }, [
          element("th", { text: name, attributes: { scope: "row" } }),
          ...values.map((text) => cell(text, values.length === 1 ? 2 : 1)),
        ]),
      ),
    );
    find("[data-strip-notes]").replaceChildren(...stripNotes(told).map((text) => element("li", { text })));
  }

  /** @param {Phase} next */
  function setPhase(next) {
    phase = next;
    label();
  }

  async function send() {
    if (submit.disabled) return;
    const { params, faults } = readAsk(typed());
    if (!params) {
      showFaults(faults, true);
      /** @type {HTMLElement | null} */ (form.querySelector("[aria-invalid='true']"))?.focus();
      return;
    }
    endPreview();
    say("");
    attempt = attempt || crypto.randomUUID();
    sessionStorage.setItem(attemptKey, attempt);
    setPhase("sending");
    const slow = window.setTimeout(() => phase === "sending" && setPhase("slow"), TAKING_LONG_MS);
    const answer = await live.command("rfq.send", { ...base, ...params, idempotency_key: attempt });
    clearTimeout(slow);
    if (answer.kind === "unknown") {
      setPhase("unknown");
      return say(
        "The connection broke while this was on its way. The list shows it as soon as the desk answers.",
        "unknown",
      );
    }
    forget();
    setPhase("ready");
    if (answer.kind === "error") return refuse(answer);
    if (answer.value.approval) return say(approvalWords(answer.value.approval, "A lead"), "unknown");
    onSent(answer.value.rfq);
    return undefined;
  }

  function forget() {
    attempt = "";
    sessionStorage.removeItem(attemptKey);
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void send();
  });
  form.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    // Only Ctrl+Enter or the button sends: Enter in a field is too near to typing.
    const isButton = event.target instanceof HTMLButtonElement;
    if (event.ctrlKey || event.metaKey) void send();
    else if (isButton) return;
    event.preventDefault();
    event.stopPropagation();
  });
  form.addEventListener("input", () => {
    say("");
    changed();
  });
  unit.addEventListener("click", () => {
    isCost = !isCost;
    showUnit();
    changed();
  });

  function showUnit() {
    unit.setAttribute("aria-pressed", String(isCost));
    setText(find("[data-size-label]"), isCost ? "Target cost, dollars" : "Contracts");
    setText(unit, isCost ? "contracts" : "cost");
    field("size").placeholder = isCost ? "how much" : "how many";
  }

  function keepDraft() {
    const inputs = /** @type {HTMLInputElement[]} */ (
      [...form.elements].filter((one) => KEPT.includes(one.getAttribute("name") ?? ""))
    );
    const values = inputs.map((one) => [
      one.name,
      one.value,
      one.type === "radio" || one.type === "checkbox" ? one.checked : null,
    ]);
    sessionStorage.setItem(draftKey, JSON.stringify({ values, market: search.chosen, isCost }));
  }

  /** Put back what was kept over a sign-in, once. Nothing of it is sent by itself. */
  function restoreDraft() {
    const raw = sessionStorage.getItem(draftKey);
    sessionStorage.removeItem(draftKey);
    if (!raw) return false;
    const kept = JSON.parse(raw);
    for (const [name, value, isOn] of kept.values) {
      for (const input of form.querySelectorAll(`[name="${CSS.escape(name)}"]`)) {
        const one = /** @type {HTMLInputElement} */ (input);
        if (isOn === null) one.value = value;
        else if (one.value === value) one.checked = isOn;
      }
    }
    isCost = kept.isCost;
    showUnit();
    if (kept.market) search.choose(kept.market);
    return true;
  }

  find("[data-kinds]").hidden = builder === null;
  builder?.onChange(changed);
  const isRestored = restoreDraft();
  if (attempt) {
    setPhase("unknown");
    say("A request was on its way when this page was left. Checking what became of it.", "unknown");
  } else if (isRestored) say("This is what you had typed before you signed in again. Nothing was sent.", "unknown");
  changed();

  return {
    isPending: () => attempt !== "" || isRestored,
    focus: () => (isCombo() ? builder?.focus() : field("market").focus()),
    /** Begin anew on the market of another request. @param {{ticker: string, title: string}} market */
    start(market) {
      search.choose(market);
      field("size").focus();
    },
    /** Why nothing can be sent now; "" allows it. @param {string} why */
    block(why) {
      if (blocked === why) return;
      blocked = why;
      label();
      if (!why) changed();
    },
    /** The book of the chosen market came: what it comes to may be known now. */
    reprice() {
      if (phase === "ready") void preview();
    },
    /** @param {Row[]} next requests of the account */
    showRows(next) {
      rows = next;
      showLeak();
    },
    /** The list ends an attempt whose answer was lost. @param {string} key */
    settle(key) {
      if (phase !== "unknown" || !attempt || attempt !== key) return;
      forget();
      say("It arrived: the list shows its state.", "good");
      setPhase("ready");
    },
    /** The list was read again and does not hold the attempt: ask for the same one, which stores nothing twice. */
    settleAbsent() {
      if (phase !== "unknown" || !attempt) return;
      forget();
      say("It never reached the desk: nothing was sent. The ticket is as you typed it.", "unknown");
      setPhase("ready");
    },
    /** The session has ended: keep what was typed for after the sign-in, and send nothing. @param {string} why */
    signedOut(why) {
      keepDraft();
      find("[data-signed-out]").hidden = false;
      setText(find("[data-signed-out-why]"), why.charAt(0).toUpperCase() + why.slice(1));
    },
  };
}
