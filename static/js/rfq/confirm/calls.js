/** Calling a person to the desk: a sound if they want one, a notification if they permit it, the tab's title. */

const SOUND_KEY = "desk:rfq.sound";
const TONES = [880, 1_175]; // Hz, one after the other
const TONE_S = 0.12;

/** @param {Pick<Storage, "getItem" | "setItem"> | null} storage this browser's: a sound belongs to a machine */
export function createSound(storage, makeContext = () => new AudioContext()) {
  /** @type {AudioContext | null} */
  let context = null;
  const isOn = () => storage?.getItem(SOUND_KEY) === "on";
  function play() {
    try {
      context ??= makeContext();
      void context.resume();
      const start = context.currentTime;
      TONES.forEach((tone, at) => {
        const [oscillator, gain] = [
          /** @type {AudioContext} */ (context).createOscillator(),
          /** @type {AudioContext} */ (context).createGain(),
        ];
        const from = start + at * TONE_S;
        oscillator.frequency.value = tone;
        gain.gain.setValueAtTime(0.12, from);
        gain.gain.exponentialRampToValueAtTime(0.001, from + TONE_S);
        oscillator.connect(gain).connect(/** @type {AudioContext} */ (context).destination);
        oscillator.start(from);
        oscillator.stop(from + TONE_S);
      });
    } catch {
      // No sound device: the tray and the title say the same.
    }
  }
  return {
    get isOn() {
      return isOn();
    },
    /** @param {boolean} on Turning it on plays it once: that is also what browsers ask for before they let a page sound. */
    set(on) {
      try {
        storage?.setItem(SOUND_KEY, on ? "on" : "off");
      } catch {
        // Forbidden storage: as it was.
      }
      if (on) play();
    },
    ring() {
      if (isOn()) play();
    },
  };
}

/**
 * @param {string} title @param {string} body @param {string} tag one per quote: tabs of the same person show it once
 */
export function notify(title, body, tag) {
  if (!("Notification" in window) || Notification.permission !== "granted" || document.hasFocus()) return;
  try {
    const shown = new Notification(title, { body, tag, requireInteraction: true });
    shown.addEventListener("click", () => {
      window.focus();
      shown.close();
    });
  } catch {
    // Some phones allow them to service workers only.
  }
}

/** The tab's title in turn with what waits; its own again when nothing does. @param {{title: string}} page */
export function createTitle(page) {
  let own = "";
  return {
    /** @param {string} words "" for nothing @param {number} now */
    show(words, now) {
      if (!words) {
        if (own) page.title = own;
        own = "";
        return;
      }
      if (!own) own = page.title;
      page.title = Math.floor(now / 1_000) % 2 ? own : words;
    },
  };
}
