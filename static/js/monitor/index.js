/** The Monitor page: the wall, read at once when a fill, a quote or a window of the account moves. */
import { desk } from "../frame/desk.js";
import { createWall } from "./wall.js";

const SOON_MS = 400; // many fills of one moment are one reading

const root = /** @type {HTMLElement} */ (document.querySelector("[data-wall]"));
const wall = createWall(root);
wall.start();

/** @type {ReturnType<typeof setTimeout> | undefined} */
let soon;
for (const kind of ["fills", "quotes", "rfqs", "confirms", "kill", "trading"]) {
  let isFirst = true;
  desk.topics.watch(`${kind}:${root.dataset["account"]}`, (state) => {
    if (state.version < 0) return;
    if (!isFirst)
      soon ??= setTimeout(() => {
        soon = undefined;
        void wall.read();
      }, SOON_MS);
    isFirst = false;
  });
}
