/**
 * What every page shares: the socket, the topics, the server's clock, the keys, toasts.
 * `import { desk } from "../frame/desk.js"`.
 */

import { createClock } from "../core/clock.js";
import { createKeys } from "../core/keys.js";
import { createSocket, watchTab } from "../core/socket.js";
import { withStepUp } from "../core/step-up.js";
import { createTopics } from "../core/topics.js";
import { confirmSelf } from "./step-up.js";

/**
 * @typedef {object} FrameData
 * @property {string} environment "paper", "demo", "production" or "" (no account yet)
 * @property {number | null} account
 * @property {number} subaccount
 * @property {import("../core/fixed.js").PriceFormat} price_format
 * @property {string} time_zone
 * @property {string[]} permissions of the person, on the selected account and subaccount
 * @property {boolean} sees_desk whether they see all of the desk, not only what is selected
 * @property {boolean} sees_account whether they see all of the selected account
 * @property {{url: string, label: string}[]} pages
 * @property {string[]} news_seen announcements of the exchange that the page shows, or that the person put away
 * @property {number} now_ms
 * @property {number} idle_s seconds without an act after which the sign-in ends; 0: it does not
 */

/** @returns {FrameData} */
function readData() {
  return JSON.parse(document.getElementById("frame-data")?.textContent ?? "{}");
}

function build() {
  const data = readData();
  const clock = createClock();
  clock.observe(data.now_ms, null);
  const address = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws/`;
  const socket = createSocket({ open: () => new WebSocket(address) });
  socket.command = withStepUp(socket.command, confirmSelf);
  socket.onClock((serverMs, sentAt) => clock.observe(serverMs, sentAt));
  return {
    data,
    clock,
    socket,
    topics: createTopics(socket),
    keys: createKeys(),
    /** @param {string} permission for showing and hiding only: the server decides */
    may: (permission) => data.permissions.includes(permission),
    start() {
      watchTab(socket, { page: document, win: window });
      socket.start();
    },
  };
}

export const desk = build();
