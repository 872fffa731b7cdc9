/** The Monitor page: the desk sends the panels of the account to everybody who watches; reading is only the way back. */
import { desk } from "../frame/desk.js";
import { createWall } from "./wall.js";

const root = /** @type {HTMLElement} */ (document.querySelector("[data-wall]"));
const wall = createWall(root);
wall.start();

let version = -1;
desk.topics.watch(`wall:${root.dataset["account"]}`, (state) => {
  // Called for changes of the link, too: only a newer frame says that the panels are current.
  if (state.version <= version || typeof state.value?.html !== "string") return;
  version = state.version;
  wall.take(state.value.html);
});
