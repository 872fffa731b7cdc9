/** Tells the page that asked for it that its person has proved who they are, and closes the window it was opened in. */

import { CONFIRMED } from "../core/step-up.js";

new BroadcastChannel(CONFIRMED).postMessage("");
window.close();
