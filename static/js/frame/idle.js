/** The warning before a sign-in ends because nobody acts: core/idle.js on the page. */

import { createIdle } from "../core/idle.js";
import { desk } from "./desk.js";
import { setText } from "./dom.js";

const ACTS = ["pointerdown", "keydown", "wheel", "touchstart"];

let isLeaving = false;

function toSignIn() {
  if (isLeaving) return;
  isLeaving = true;
  // Pages that hear of a closed link keep what was typed; it is there again after the sign-in, and nothing is sent.
  desk.socket.stop("signed out: sign in again");
  location.assign(`/accounts/login/?next=${encodeURIComponent(location.pathname + location.search)}`);
}

/** The wall is on the screen: the desk takes that for an act of people who only look. */
const isWatched = () => document.visibilityState === "visible" && document.querySelector("[data-wall]") !== null;

export function startIdle() {
  const dialog = /** @type {HTMLDialogElement} */ (document.querySelector("[data-idle-dialog]"));
  const left = dialog.querySelector("[data-idle-left]");
  const idle = createIdle({
    idleS: desk.data.idle_s ?? 0,
    async ask(isAct) {
      const outcome = await desk.socket.command("session", { is_act: isAct, is_watched: isWatched() });
      return outcome.kind === "ok" ? outcome.value.left_s : null;
    },
    warn(leftS) {
      setText(left, String(leftS));
      if (!dialog.open) dialog.showModal();
    },
    calm: () => dialog.close(),
    over: toSignIn,
  });
  ACTS.forEach((name) => addEventListener(name, idle.act, { capture: true, passive: true }));
  idle.start();
  desk.socket.onLink((link) => {
    // The server was first. A session that ends otherwise leaves the page, and what was typed into it, as it is.
    if (dialog.open && link.state === "closed") toSignIn();
  });
}
