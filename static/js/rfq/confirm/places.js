/** Where the tray stands: in the page's own slot, over the page, or inside the dialog that is open. */
import { placeFor } from "./model.js";

const EDITABLE =
  "input:not([type=checkbox], [type=radio], [type=button], [type=submit]), textarea, select, [contenteditable]";
const MARGIN = 8;

/** @returns {HTMLElement | null} the field that has the keyboard */
export function focusedField() {
  const active = document.activeElement;
  return active instanceof HTMLElement && active.matches(EDITABLE) ? active : null;
}

/** @param {HTMLElement} tray */
export function placeTray(tray) {
  // What is outside an open modal dialog can be neither seen to react nor reached: there the tray goes inside.
  const dialog = [...document.querySelectorAll("dialog:modal")].at(-1);
  const slot = document.querySelector("[data-confirm-slot]");
  const home = dialog ?? slot ?? document.body;
  if (tray.parentElement !== home) {
    const held = tray.contains(document.activeElement) ? /** @type {HTMLElement} */ (document.activeElement) : null;
    home.append(tray);
    held?.focus();
  }
  const isFloating = home !== slot;
  tray.toggleAttribute("data-floating", isFloating);
  if (isFloating) float(tray);
}

/** @param {HTMLElement} tray */
function float(tray) {
  const bar = document.querySelector("[data-bar]")?.getBoundingClientRect();
  const rail = document.querySelector(".rail")?.getBoundingClientRect();
  const isPhone = rail !== undefined && rail.top > window.innerHeight / 2;
  const top = (bar?.bottom ?? 0) + MARGIN;
  const under = (isPhone ? window.innerHeight - (rail?.top ?? 0) : 0) + MARGIN;
  const left = (isPhone ? 0 : (rail?.right ?? 0)) + MARGIN;
  const height = tray.offsetHeight;
  const box = { left, right: window.innerWidth - MARGIN };
  const kept = [focusedField(), document.querySelector("[data-halt-open]")]
    .filter((node) => node !== null && !tray.contains(node))
    .map((node) => /** @type {Element} */ (node).getBoundingClientRect());
  const place = placeFor(
    {
      top: { ...box, top, bottom: top + height },
      bottom: { ...box, top: window.innerHeight - under - height, bottom: window.innerHeight - under },
    },
    kept,
  );
  tray.dataset["place"] = place;
  tray.style.setProperty("--tray-inset", `${place === "top" ? top : under}px`);
  tray.style.setProperty("--tray-left", `${left}px`);
}
