/** The bar over the ladder: working sizes, one-click arming, and how the ladder is set up. */
import { formatCount } from "../core/fixed.js";
import { MAX_PRESETS, presetWords, readPresets } from "./ladder-settings.js";

/**
 * @typedef {ReturnType<typeof import("./ladder-settings.js").createLadderSettings>} Settings
 * @typedef {import("./arming.js").ArmedState} ArmedState
 */

/**
 * @param {HTMLElement} panel
 * @param {{settings: Settings, onChange: () => void, onArm: () => void, onDisarm: () => void}} options
 *   onChange: a setting was changed
 */
export function createLadderBar(panel, { settings, onChange, onArm, onDisarm }) {
  const find = (/** @type {string} */ selector) => /** @type {HTMLElement | null} */ (panel.querySelector(selector));
  const presets = /** @type {HTMLElement} */ (find("[data-presets]"));
  const arm = /** @type {HTMLButtonElement | null} */ (find("[data-arm]"));
  const banner = find("[data-armed]");
  const menu = /** @type {HTMLElement} */ (find("[data-ladder-menu]"));
  const sizes = /** @type {HTMLInputElement} */ (menu.querySelector("[name='presets']"));
  const sizesError = /** @type {HTMLElement} */ (menu.querySelector("[data-presets-error]"));

  function drawPresets() {
    const { presets: list, preset } = settings.value;
    presets.replaceChildren(
      ...list.map((units, index) => {
        const button = document.createElement("button");
        button.type = "button";
        button.className = "chip";
        button.textContent = presetWords(units);
        button.setAttribute("aria-pressed", String(index === preset));
        button.setAttribute("aria-label", `${presetWords(units)}: work with ${formatCount(units)} contracts`);
        button.title = `Work with ${formatCount(units)} contracts (${index + 1})`;
        button.addEventListener("click", () => choose(index));
        return button;
      }),
    );
  }

  function drawMenu() {
    const value = settings.value;
    sizes.value = value.presets.map(presetWords).join(", ");
    for (const input of menu.querySelectorAll("input[type='radio'], input[type='checkbox'], select")) {
      const field = /** @type {HTMLInputElement} */ (input);
      if (field.name === "mouse") field.checked = field.value === value.mouse;
      if (field.name === "depth") field.checked = value.hasDepth;
      if (field.name === "post_only_click") field.checked = value.isPostOnly;
      if (field.name === "lapse") field.value = String(value.lapseSeconds);
    }
  }

  /** @param {number} index */
  function choose(index) {
    if (index < 0 || index >= Math.min(MAX_PRESETS, settings.value.presets.length)) return;
    settings.set({ preset: index });
    drawPresets();
    onChange();
  }

  menu.addEventListener("change", (event) => {
    const field = /** @type {HTMLInputElement} */ (event.target);
    if (field.name === "mouse") settings.set({ mouse: field.value === "buttons" ? "buttons" : "columns" });
    if (field.name === "depth") settings.set({ hasDepth: field.checked });
    if (field.name === "post_only_click") settings.set({ isPostOnly: field.checked });
    if (field.name === "lapse") settings.set({ lapseSeconds: Number(field.value) });
    if (field.name === "presets") {
      const reading = readPresets(field.value);
      sizesError.textContent = "error" in reading ? reading.error : "";
      if ("error" in reading) return;
      settings.set({ presets: reading.presets, preset: Math.min(settings.value.preset, reading.presets.length - 1) });
      drawPresets();
    }
    drawMenu();
    onChange();
  });
  menu.addEventListener("keydown", (event) => {
    // The menu is no form: Enter takes what was typed and sends nothing.
    if (/** @type {KeyboardEvent} */ (event).key === "Enter") {
      /** @type {HTMLElement} */ (event.target).dispatchEvent(new Event("change", { bubbles: true }));
    }
  });
  arm?.addEventListener("click", () => (arm.getAttribute("aria-pressed") === "true" ? onDisarm() : onArm()));
  find("[data-disarm]")?.addEventListener("click", onDisarm);
  drawPresets();
  drawMenu();

  return {
    choose,
    toggleDepth() {
      settings.set({ hasDepth: !settings.value.hasDepth });
      drawMenu();
      onChange();
    },
    /** @param {ArmedState} state @param {boolean} isPossible whether it could be armed now */
    showArmed({ isArmed, leftMs, why }, isPossible) {
      panel.dataset.oneClick = isArmed ? "armed" : "off";
      if (arm) {
        arm.setAttribute("aria-pressed", String(isArmed));
        arm.disabled = !isArmed && !isPossible;
        arm.title = isPossible || isArmed ? "A click on the ladder sends an order (A); Esc ends it" : why;
        const text = arm.querySelector("[data-arm-text]");
        if (text) text.textContent = isArmed ? "armed" : "one-click off";
      }
      if (!banner) return;
      banner.hidden = !isArmed;
      const { isPostOnly } = settings.value;
      const words = `a click sends ${formatCount(settings.size)}${isPostOnly ? ", post-only" : ""}`;
      const place = banner.querySelector("[data-armed-text]");
      if (place && place.textContent !== words) place.textContent = words;
      const left = banner.querySelector("[data-armed-left]");
      if (left) left.textContent = `${Math.ceil(leftMs / 1_000)} s`;
    },
  };
}
