/** The Monitor page: the desk sends the panels of the account to everybody who watches; reading is only the way back. */
import { desk } from "../frame/desk.js";
import { createWall } from "./wall.js";

const root = /** @type {HTMLElement} */ (document.querySelector("[data-wall]"));
const wall = createWall(root);
wall.start();

let shown = "";
desk.topics.watch(`wall:${root.dataset["account"]}`, (state) => {
  const html = state.value?.html;
  if (typeof html !== "string" || html === shown) return;
  shown = html;
  wall.take(html);
});
