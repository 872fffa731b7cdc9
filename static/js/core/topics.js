/**
 * The present state of live topics, shared by everything on the page. A topic is fresh when a frame came
 * since the last (re)connection; until then what is shown is old and must say so.
 */

import { createRowStore } from "./row-store.js";

/**
 * @typedef {object} TopicState
 * @property {string} topic
 * @property {any} value the whole frame (mode "whole"), null until the first
 * @property {ReturnType<typeof createRowStore>} rows rows by key (mode "rows")
 * @property {number} version -1 until the first frame
 * @property {boolean} isFresh
 */

/**
 * @param {import("./socket.js").Socket} socket
 */
export function createTopics(socket) {
  /** @type {Map<string, {state: TopicState, listeners: Set<(state: TopicState) => void>, leave: () => void}>} */
  const entries = new Map();

  /** @param {{topic: string, v: number, d: any}} frame */
  function apply(frame) {
    const entry = entries.get(frame.topic);
    if (!entry) return;
    const { state } = entry;
    // Of a whole frame `rows` is a list; of one of mode "rows" it is an object by key.
    const isRows = typeof frame.d === "object" && frame.d !== null && "rows" in frame.d && !Array.isArray(frame.d.rows);
    if (isRows) applyRows(state, frame);
    else if (frame.v > state.version) {
      state.version = frame.v;
      state.value = frame.d;
    }
    // The state that a reconnection brings may be the one already shown: it still proves that it is current.
    state.isFresh = true;
    entry.listeners.forEach((listener) => listener(state));
  }

  socket.onLink((link) => {
    for (const { state, listeners } of entries.values()) {
      if (link.state !== "live") state.isFresh = false;
      listeners.forEach((listener) => listener(state));
    }
  });

  return {
    /**
     * Call listener(state) on each frame and each change of the link, and at once when something is known.
     * @param {string} topic
     * @param {(state: TopicState) => void} listener
     * @returns {() => void} stop watching
     */
    watch(topic, listener) {
      let entry = entries.get(topic);
      if (!entry) {
        /** @type {TopicState} */
        const state = { topic, value: null, rows: createRowStore(), version: -1, isFresh: false };
        entry = { state, listeners: new Set(), leave: () => {} };
        entries.set(topic, entry);
        entry.leave = socket.subscribe(topic, apply);
      }
      const found = entry;
      found.listeners.add(listener);
      if (found.state.version >= 0) listener(found.state);
      return () => {
        found.listeners.delete(listener);
        if (found.listeners.size || entries.get(topic) !== found) return;
        entries.delete(topic);
        found.leave();
      };
    },
    /** @param {string} topic */
    peek: (topic) => entries.get(topic)?.state,
  };
}

/** @param {TopicState} state @param {{v: number, d: {all?: boolean, rows: Record<string, any>}}} frame */
function applyRows(state, frame) {
  state.version = Math.max(state.version, frame.v);
  if (frame.d.all) return state.rows.reset(frame.d.rows);
  for (const [key, row] of Object.entries(frame.d.rows)) {
    if (row === null) state.rows.remove(key);
    else state.rows.upsert(key, row);
  }
}
