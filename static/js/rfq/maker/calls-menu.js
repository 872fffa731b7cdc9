/** How a person wants to be called when a quote must be confirmed: the switches for sound and notifications. */
import { setText } from "../../frame/dom.js";
import { createSound } from "../confirm/calls.js";

/**
 * @param {HTMLElement | null} menu only for whoever may confirm
 * @param {Pick<Storage, "getItem" | "setItem"> | null} storage
 */
export function wireCalls(menu, storage) {
  if (!menu) return;
  const sound = createSound(storage);
  const box = /** @type {HTMLInputElement} */ (menu.querySelector("[data-sound]"));
  const ask = /** @type {HTMLButtonElement} */ (menu.querySelector("[data-notify-ask]"));
  box.checked = sound.isOn;
  box.addEventListener("change", () => sound.set(box.checked));

  function show() {
    const permission = "Notification" in window ? Notification.permission : "unsupported";
    const words = {
      granted: "Notifications of this browser: shown when the desk is not in front.",
      denied: "Notifications are blocked in this browser's settings.",
      default: "Notifications of this browser are not permitted yet.",
      unsupported: "This browser has no notifications.",
    };
    setText(/** @type {HTMLElement} */ (menu).querySelector("[data-notify-words]"), words[permission]);
    ask.hidden = permission !== "default";
  }

  ask.addEventListener("click", () => void Notification.requestPermission().then(show));
  show();
}
