/**
 * A command that the desk answers with "prove that it is you" is sent once more after the proof: the same command with
 * the same key, so nothing is done twice and nothing that was typed is lost. No DOM here.
 */

/** @typedef {import("./socket.js").Outcome} Outcome */
/** @typedef {(name: string, params: Record<string, unknown>) => Promise<Outcome>} Send */

export const CONFIRMED = "desk-confirmed"; // the channel on which a window says that the proof was given

/**
 * @param {Send} send
 * @param {(text: string) => Promise<boolean>} confirm shows the words and resolves once the person has proved who they
 *   are, or does not want to
 * @returns {Send}
 */
export function withStepUp(send, confirm) {
  /** @type {Promise<boolean> | null} */
  let asking = null;
  return async (name, params) => {
    const outcome = await send(name, params);
    if (outcome.kind !== "error" || outcome.code !== "ask_again") return outcome;
    // Commands that come meanwhile wait for the same proof.
    asking ??= confirm(outcome.text).finally(() => {
      asking = null;
    });
    if (await asking) return send(name, params);
    const text = "Not sent: you did not confirm that it is you.";
    return { kind: "error", code: "ask_again", text, fields: { general: text } };
  };
}
