/**
 * The tray of accepted quotes that must be confirmed, over every page. Nothing is ever confirmed by silence here: who
 * does not decide lets the quote's policy decide. The first durable decision wins, whoever makes it.
 */
import { desk } from "../../frame/desk.js";
import { setText } from "../../frame/dom.js";
import { announce, notice } from "../../frame/toasts.js";
import { browserStorage } from "../../grid/column-memory.js";
import { createSound, createTitle, notify } from "./calls.js";
import { createCard } from "./card.js";
import {
  callWords,
  headline,
  isActive,
  isCalled,
  isUndecided,
  keyTarget,
  leftMs,
  outcomeWords,
  titleWords,
  trayRows,
} from "./model.js";
import { focusedField, placeTray } from "./places.js";
import { subject } from "./words.js";

/** @typedef {import("./model.js").Row} Row */
/** @typedef {import("./model.js").Decision} Decision */

const TICK_MS = 100;
const SLOW_MS = 700;
const MOST = 6;
const WARN_MS = [10_000, 5_000];

/** @param {HTMLElement} tray */
function start(tray) {
  const { account = "", person = "" } = tray.dataset;
  const mayDecide = tray.hasAttribute("data-may-decide");
  const list = /** @type {HTMLElement} */ (tray.querySelector("[data-tray-list]"));
  const more = /** @type {HTMLElement} */ (tray.querySelector("[data-tray-more]"));
  const topic = `confirms:${account}`;
  const sound = createSound(browserStorage());
  const title = createTitle(document);
  const format = desk.data.price_format;

  /** @type {Map<string, import("./card.js").Card>} */
  const cards = new Map();
  /** @type {Map<string, import("./model.js").Press>} */
  const presses = new Map();
  /** @type {Map<string, string>} */
  const faults = new Map();
  /** When this tab saw a row end. @type {Map<string, number>} */
  const ended = new Map();
  /** @type {Set<string>} */
  const dismissed = new Set();
  /** What has been said already, so that it is said once. @type {Set<string>} */
  const said = new Set();
  /** @type {{key: string, sinceMs: number} | null} */
  let first = null;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  let ticking;
  /** @type {(() => void) | null} */
  let leaveQuotes = null;

  const rows = () => desk.topics.peek(topic)?.rows.values() ?? [];
  const rowOf = (/** @type {string} */ key) => desk.topics.peek(topic)?.rows.get(key);
  const isLive = () => desk.socket.link.state === "live" && (desk.topics.peek(topic)?.isFresh ?? false);
  const quoteOf = (/** @type {Row} */ row) => desk.topics.peek(`quotes:${account}`)?.rows.get(row["quote"]);
  const present = () => trayRows(rows(), desk.clock.now(), { dismissed, ended });

  /** @param {string} what @param {() => void} say */
  function once(what, say) {
    if (said.has(what)) return;
    said.add(what);
    say();
  }

  /* --- what the desk tells --------------------------------------------------------------------- */

  /** @param {string} key @param {Row | undefined} row */
  function heard(key, row) {
    if (!row) return;
    const now = desk.clock.now();
    if (row["decision"]) {
      presses.delete(key);
      faults.delete(key);
    }
    const wasOpen = said.has(`open:${key}`);
    if (isActive(row)) said.add(`open:${key}`);
    if (!isActive(row) && wasOpen && !ended.has(key)) ended.set(key, now);
    const { text, tone } = outcomeWords(row, now);
    if (text && wasOpen && row["state"] !== "confirming")
      once(`outcome:${key}:${row["state"]}`, () => {
        const words = `${text}: ${headline(row, format)}, ${subject(/** @type {any} */ (row))}`;
        announce(words, tone === "danger" ? "assertive" : "polite");
        if (!isActive(row))
          notice({ title: text, text: `${headline(row, format)}, ${subject(/** @type {any} */ (row))}` });
      });
  }

  /** Sound, title, notification, and words for screen readers: once for each that comes. @param {Row[]} shown @param {number} now */
  function call(shown, now) {
    if (mayDecide)
      title.show(
        titleWords(
          shown.filter((row) => isCalled(row, now, Number(person))),
          now,
        ),
        now,
      );
    for (const row of shown) {
      if (!isUndecided(row, now)) continue;
      const key = row["key"];
      once(`said:${key}`, () => announce(callWords(row, format, now), "assertive"));
      for (const ms of WARN_MS)
        if (leftMs(row, now) < ms && row["send_by_ms"] - row["heard_ms"] > ms * 1.5)
          once(`warned:${key}:${ms}`, () =>
            announce(`${Math.round(leftMs(row, now) / 1_000)} seconds left to confirm.`, "assertive"),
          );
      if (!mayDecide || !isCalled(row, now, Number(person))) continue;
      once(`called:${key}`, () => {
        sound.ring();
        notify("Confirm a quote?", callWords(row, format, now), key);
      });
    }
  }

  /* --- drawing ----------------------------------------------------------------------------------- */

  function draw() {
    const now = desk.clock.now();
    const shown = present();
    const waiting = shown.find((row) => isUndecided(row, now));
    if (waiting?.["key"] !== first?.key) first = waiting ? { key: waiting["key"], sinceMs: now } : null;
    const target = mayDecide ? keyTarget(shown, now, first) : null;
    call(shown, now);
    const visible = shown.slice(0, MOST);
    for (const [key, card] of cards) {
      if (visible.some((row) => row["key"] === key)) continue;
      card.node.remove();
      cards.delete(key);
    }
    visible.forEach((row, at) => {
      const key = row["key"];
      let card = cards.get(key);
      if (!card) {
        card = createCard(key, { mayDecide, format, onDecide: decide, onDismiss: dismiss });
        cards.set(key, card);
      }
      if (list.children[at] !== card.node && !list.contains(document.activeElement))
        list.insertBefore(card.node, list.children[at] ?? null);
      else if (!card.node.parentElement) list.append(card.node);
      card.show(row, {
        now,
        quote: quoteOf(row),
        press: presses.get(key),
        isLive: isLive(),
        isTarget: target?.["key"] === key,
        fault: faults.get(key) ?? "",
      });
    });
    setText(more, shown.length > MOST ? `and ${shown.length - MOST} more` : "");
    tray.hidden = shown.length === 0;
    if (shown.length) placeTray(tray);
    follow(shown.length > 0);
  }

  /** The clock runs only while there is something to count down. @param {boolean} isNeeded */
  function follow(isNeeded) {
    if (isNeeded && ticking === undefined) ticking = setInterval(draw, TICK_MS);
    if (!isNeeded && ticking !== undefined) {
      clearInterval(ticking);
      ticking = undefined;
      title.show("", 0);
    }
    // Who quoted it, and when, stands in the quote's own row.
    if (isNeeded && !leaveQuotes) leaveQuotes = desk.topics.watch(`quotes:${account}`, () => {});
    if (!isNeeded && leaveQuotes) {
      leaveQuotes();
      leaveQuotes = null;
    }
  }

  /** @param {string} key */
  function dismiss(key) {
    dismissed.add(key);
    draw();
  }

  /* --- deciding ---------------------------------------------------------------------------------- */

  /** @param {string} key @param {Decision} decision */
  async function decide(key, decision) {
    const row = rowOf(key);
    const now = desk.clock.now();
    // A second click, or a click when it is over, changes nothing.
    if (!row || !isUndecided(row, now) || presses.has(key) || !isLive()) return;
    /** @type {import("./model.js").Press} */
    const press = { decision, phase: "sending", sentMs: now };
    presses.set(key, press);
    faults.delete(key);
    draw();
    const slow = setTimeout(() => {
      if (press.phase === "sending") press.phase = "slow";
    }, SLOW_MS);
    const answer = await desk.socket.command("confirm.decide", { confirm: key, decision });
    clearTimeout(slow);
    if (answer.kind === "unknown") {
      // The row says what came of it; if it still waits once the page is live again, the same press may be repeated.
      press.phase = "unknown";
      faults.set(key, answer.text);
    } else {
      if (presses.get(key) === press) presses.delete(key);
      if (answer.kind === "error") {
        faults.set(key, answer.text);
        announce(answer.text, "assertive");
      } else if (answer.value["confirm"]) desk.topics.peek(topic)?.rows.upsert(key, answer.value["confirm"]);
    }
    draw();
  }

  /** @param {KeyboardEvent} event inside the tray: about the card that has the focus */
  function pressed(event) {
    if (event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
    const letter = event.key.toLowerCase();
    if (letter !== "y" && letter !== "n") return;
    event.preventDefault();
    event.stopPropagation();
    const key = /** @type {Element} */ (event.target).closest("[data-confirm]")?.getAttribute("data-confirm");
    if (key) void decide(key, letter === "y" ? "confirm" : "lapse");
  }

  if (mayDecide) {
    tray.addEventListener("keydown", pressed);
    for (const [letter, decision, label] of /** @type {const} */ ([
      ["y", "confirm", "Confirm the most urgent accepted quote"],
      ["n", "lapse", "Let the most urgent accepted quote lapse"],
    ]))
      desk.keys.register({
        keys: letter,
        label,
        group: "Must confirm",
        isSingle: true,
        when: () => !tray.hidden && present().some((row) => isUndecided(row, desk.clock.now())),
        run: () => {
          const target = keyTarget(present(), desk.clock.now(), first);
          if (target && !focusedField()) void decide(target["key"], decision);
        },
      });
  }

  /* --- start --------------------------------------------------------------------------------------- */

  desk.topics.watch(topic, (state) => {
    if (state.isFresh) for (const [key, press] of presses) if (press.phase === "unknown") presses.delete(key);
    draw();
  });
  desk.topics.peek(topic)?.rows.subscribe(heard);
  document.addEventListener("focusin", () => {
    if (!tray.hidden) placeTray(tray);
  });
  window.addEventListener("resize", () => {
    if (!tray.hidden) placeTray(tray);
  });
}

const tray = /** @type {HTMLElement | null} */ (document.querySelector("[data-tray]"));
if (tray) start(tray);
