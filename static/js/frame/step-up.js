/** Asks a person to prove who they are in a window of its own, so that nothing on this page is lost meanwhile. */

import { CONFIRMED } from "../core/step-up.js";
import { element, setText } from "./dom.js";

const PAGE = "/confirm/";

/**
 * @param {string} text why
 * @returns {Promise<boolean>} true once it is proved, false when the person leaves it
 */
export function confirmSelf(text) {
  const words = element("p", { text, attributes: { role: "status" } });
  const leave = element("button", { class: "button", text: "Leave it", attributes: { type: "button" } });
  const go = element("button", {
    class: "button button--primary",
    text: "Confirm it is you",
    attributes: { type: "button" },
  });
  const title = element("h2", { class: "dialog__title", text: "Is it you?", attributes: { id: "step-up-title" } });
  const dialog = /** @type {HTMLDialogElement} */ (
    element("dialog", { class: "dialog ask", attributes: { "aria-labelledby": "step-up-title" } }, [
      element("header", { class: "dialog__header" }, [title]),
      element("div", { class: "dialog__body" }, [words]),
      element("footer", { class: "dialog__footer" }, [leave, go]),
    ])
  );
  const channel = new BroadcastChannel(CONFIRMED);
  let isProved = false;
  channel.onmessage = () => {
    isProved = true;
    dialog.close();
  };
  leave.addEventListener("click", () => dialog.close());
  go.addEventListener("click", () => {
    const opened = window.open(PAGE, "desk-confirm", "popup,width=520,height=720");
    if (opened) setText(words, "Confirm it in the window that has opened. What you were doing then goes on by itself.");
    else setText(words, `Your browser did not open the window. Open ${PAGE} in another tab; this goes on by itself.`);
  });
  document.body.append(dialog);
  dialog.showModal();
  go.focus();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      channel.close();
      dialog.remove();
      resolve(isProved);
    });
  });
}
