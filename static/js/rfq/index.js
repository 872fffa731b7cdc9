/** The RFQ desk: wires the requester's side, and starts the maker's when the page has one. */
import { watchFeed } from "../markets/live.js";

const root = /** @type {HTMLElement | null} */ (document.querySelector("[data-module='rfq']"));

/**
 * The maker's panel names its own module (data-script); it exports `start(panel, root)`.
 * @param {HTMLElement} page
 */
async function startMaker(page) {
  const panel = /** @type {HTMLElement | null} */ (page.querySelector("[data-maker][data-script]"));
  const address = panel?.dataset["script"];
  if (!panel || !address) return;
  const maker = await import(address);
  maker.start(panel, page);
}

if (root) {
  watchFeed(root, root.dataset["environment"] ?? "");
  void startMaker(root);
}
