/** Notifications of the browser: asking for them by a click, and showing them. */

import { setText } from "../frame/dom.js";
import { ownPage, permissionWords } from "./bell-model.js";

/** @returns {"granted" | "denied" | "default" | "unsupported"} */
export function permission() {
  return "Notification" in window ? Notification.permission : "unsupported";
}

/** The words and the button of `[data-browser]`. @param {ParentNode} root @param {() => void} changed */
export function wirePermission(root, changed) {
  for (const place of root.querySelectorAll("[data-browser]")) {
    const ask = /** @type {HTMLElement | null} */ (place.querySelector("[data-browser-ask]"));
    const show = () => {
      setText(place.querySelector("[data-browser-words]"), permissionWords(permission()));
      if (ask) ask.hidden = permission() !== "default";
    };
    ask?.addEventListener("click", () => {
      void Notification.requestPermission().then(() => {
        show();
        changed();
      });
    });
    show();
  }
}

/** Show one; every tab of the person uses the same tag, so it is seen once. @param {import("./bell-model.js").Shown} one */
export function show(one) {
  try {
    const shown = new Notification(one.title, { body: one.text, tag: one.tag, requireInteraction: one.is_urgent });
    shown.addEventListener("click", () => {
      window.focus();
      location.assign(ownPage(one.link));
      shown.close();
    });
    return true;
  } catch {
    return false; // some phones allow them to service workers only
  }
}
