/** One accepted quote in the tray: built once, then only what changed is written. */
import { element, setAttribute, setText } from "../../frame/dom.js";
import {
  afterWords,
  buttons,
  checkWords,
  headline,
  isActive,
  isUndecided,
  leftMs,
  moveWords,
  originWords,
  outcomeWords,
  seconds,
  share,
} from "./model.js";
import { subject } from "./words.js";

/** @typedef {import("./model.js").Row} Row */
/** @typedef {ReturnType<typeof createCard>} Card */

/**
 * @param {string} key
 * @param {object} options
 * @param {boolean} options.mayDecide else there is no button in it
 * @param {import("./words.js").PriceFormat} options.format
 * @param {(key: string, decision: "confirm" | "lapse") => void} options.onDecide
 * @param {(key: string) => void} options.onDismiss
 */
export function createCard(key, { mayDecide, format, onDecide, onDismiss }) {
  const clock = element("p", { class: "tray__clock", attributes: { "aria-hidden": "true" } });
  const bar = /** @type {HTMLProgressElement} */ (
    element("progress", { class: "tray__bar", attributes: { max: "1", "aria-hidden": "true" } })
  );
  const ends = element("p", { class: "tray__ends" });
  const title = element("h3", { class: "tray__title" });
  const move = element("span");
  const origin = element("span");
  const after = element("span");
  const checks = element("ul", { class: "tray__checks", attributes: { "aria-label": "Checks of the last look" } });
  const policy = element("p", { class: "tray__policy" });
  const outcome = element("p", { class: "tray__outcome" });
  const problem = element("p", { class: "field__error tray__problem", attributes: { role: "alert" } });
  const confirm = decideButton("confirm", "button button--primary tray__button", "Y");
  const lapse = decideButton("lapse", "button tray__button", "N");
  const dismiss = element("button", {
    class: "button button--quiet tray__button",
    text: "Dismiss",
    attributes: { type: "button" },
  });
  dismiss.addEventListener("click", () => onDismiss(key));
  const deeds = element("div", { class: "tray__deeds" }, mayDecide ? [confirm.node, lapse.node, dismiss] : [dismiss]);
  const node = element("li", { class: "tray__card", attributes: { "data-confirm": key } }, [
    element("div", { class: "tray__time" }, [clock, bar, ends]),
    element("div", { class: "tray__words" }, [
      title,
      element("p", { class: "tray__facts" }, [origin, move, after]),
      outcome,
      problem,
    ]),
    checks,
    policy,
    deeds,
  ]);
  let checksShown = "";

  /** @param {"confirm" | "lapse"} decision @param {string} css @param {string} letter */
  function decideButton(decision, css, letter) {
    const words = element("span");
    const hint = element("kbd", { class: "kbd", text: letter, attributes: { "aria-hidden": "true" } });
    const button = element("button", { class: css, attributes: { type: "button", "data-decide": decision } }, [
      words,
      hint,
    ]);
    button.addEventListener("click", () => onDecide(key, decision));
    return { node: /** @type {HTMLButtonElement} */ (button), words, hint };
  }

  /** @param {Row} row */
  function showChecks(row) {
    const text = JSON.stringify(row["checks"]);
    if (text === checksShown) return;
    checksShown = text;
    checks.replaceChildren(
      ...(row["checks"] ?? []).map((/** @type {any} */ check) => {
        const words = checkWords(check);
        return element("li", { class: `tray__check tray__check--${words.tone}`, attributes: { title: words.title } }, [
          element("span", { attributes: { "aria-hidden": "true" }, text: `${words.mark} ${words.text}` }),
          element("span", { class: "visually-hidden", text: words.spoken }),
        ]);
      }),
    );
  }

  return {
    node,
    /**
     * @param {Row} row
     * @param {object} look
     * @param {number} look.now
     * @param {Row | undefined} look.quote
     * @param {import("./model.js").Press | undefined} look.press
     * @param {boolean} look.isLive
     * @param {boolean} look.isTarget Y and N are about this one
     * @param {string} look.fault what the desk said to the last press
     */
    show(row, { now, quote, press, isLive, isTarget, fault }) {
      const waits = isUndecided(row, now);
      const isEnded = !isActive(row);
      const result = outcomeWords(row, now);
      const moved = moveWords(row, format);
      setAttribute(node, "data-tone", waits ? (leftMs(row, now) < 5_000 ? "urgent" : "warning") : result.tone);
      setAttribute(node, "data-state", row["state"]);
      setText(title, `${waits ? "Confirm: " : ""}${headline(row, format)}, ${subject(/** @type {any} */ (row))}`);
      setText(clock, waits ? seconds(leftMs(row, now)) : "");
      if (waits) bar.value = share(row, now);
      bar.hidden = !waits;
      const window_ = Math.max(0, row["window_ends_ms"] - now);
      setText(ends, waits ? `s to send; window ${seconds(window_)} s` : "");
      setText(origin, originWords(row, quote));
      setText(move, moved.text);
      setAttribute(move, "data-tone", moved.tone);
      setText(after, afterWords(row));
      showChecks(row);
      setText(policy, waits ? (row["policy_text"] ?? "") : "");
      setText(outcome, result.text);
      setAttribute(outcome, "data-tone", result.tone);
      setText(problem, fault);
      dismiss.hidden = !isEnded;
      if (!mayDecide) return;
      const state = buttons(row, now, { press, isLive });
      for (const [each, words] of /** @type {const} */ ([
        [confirm, state.confirm],
        [lapse, state.lapse],
      ])) {
        setText(each.words, words.text);
        setAttribute(each.node, "data-phase", words.phase);
        each.node.hidden = isEnded;
        // Not `disabled`: the focus would fall off the button in the middle of the decision.
        setAttribute(each.node, "aria-disabled", String(state.isLocked));
        setAttribute(each.node, "title", state.isLocked ? `Not now: ${state.why}` : "");
        each.hint.hidden = !isTarget;
      }
    },
  };
}
