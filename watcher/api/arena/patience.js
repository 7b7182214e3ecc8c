// Asking again: after the time that the server names, else after ever longer pauses, at once when the network is back.

import { Lost, Problem } from "./api.js";

const FIRST = 0.5;
const LONGEST = 15; // seconds

/**
 * Call until it is answered for good.
 *
 * @param {() => Promise<T>} call may be repeated without harm
 * @param {{waiting: (error: Error, seconds: number) => void, signal?: AbortSignal}} options
 * @returns {Promise<T>}
 * @template T
 */
export async function persist(call, { waiting, signal }) {
  for (let tries = 0; ; tries += 1) {
    try {
      return await call();
    } catch (error) {
      const passing = error instanceof Lost || (error instanceof Problem && error.passing);
      if (!passing) throw error;
      const seconds = error.wait === undefined || error.wait === null ? pause(tries) : late(error.wait);
      waiting(error, seconds);
      await rest(seconds, { signal, online: error instanceof Lost });
    }
  }
}

/** Seconds before try number `tries` + 2; random, so that many pages do not come back at the same moment. */
export function pause(tries) {
  return Math.min(FIRST * 2 ** tries, LONGEST) * (0.75 + Math.random() / 2);
}

/** Up to half as long again as the server asks for: it names the same time to every page. */
export function late(seconds) {
  return seconds * (1 + Math.random() / 2);
}

/** Wait; when `online`, no longer than until the browser says that the network is back. */
export function rest(seconds, { signal, online = false } = {}) {
  return new Promise((resolve, reject) => {
    const over = new AbortController();
    const timer = setTimeout(done, seconds * 1000);
    function done() {
      clearTimeout(timer);
      over.abort();
      if (signal?.aborted) reject(signal.reason);
      else resolve();
    }
    if (signal?.aborted) {
      done();
      return;
    }
    signal?.addEventListener("abort", done, { signal: over.signal });
    if (online) window.addEventListener("online", done, { signal: over.signal });
  });
}
