// Server-sent events by fetch: EventSource cannot send a token.

import { Problem } from "./api.js";
import { pause, rest } from "./patience.js";

const SILENCE = 45_000; // ms without a byte until the connection counts as dead; the server sends comments more often
const AFTER_END = 2; // seconds after which a stream that the server ended is asked for again

/**
 * Follow a stream for ever, connecting anew when it breaks; while the tab is hidden it is not followed. A browser has six
 * connections to a server at most: with as many tabs, each with a stream, no vote would get through.
 *
 * @param {import("./api.js").Api} api
 * @param {string} path
 * @param {{event: (name: string, data: any) => void, state: (on: boolean) => void, over: () => boolean, signal: AbortSignal}} to
 *   `over` tells whether an end of the stream is its last
 * @returns {Promise<Problem|null>} why it is given up: the API refuses for good, or null
 */
export async function follow(api, path, { event, state, over, signal }) {
  let last = "";
  for (let tries = 0; !signal.aborted; tries += 1) {
    await looking(signal);
    let wait = null;
    const away = new AbortController();
    document.addEventListener("visibilitychange", () => document.hidden && away.abort(), { signal: away.signal });
    try {
      for await (const one of events(api, path, last, AbortSignal.any([signal, away.signal]))) {
        tries = 0;
        last = one.id || last;
        state(true);
        if (one.data) deliver(event, one);
      }
      wait = AFTER_END;
    } catch (error) {
      if (error instanceof Problem && !error.passing) return error;
      wait = error.wait ?? null;
    } finally {
      away.abort();
    }
    if (signal.aborted) break;
    state(false);
    if (document.hidden) continue;
    await rest(wait ?? pause(tries), { signal, online: true }).catch(() => {});
    if (over()) break;
  }
  return null;
}

/** Resolves when somebody may be looking, or nobody ever will. */
function looking(signal) {
  return new Promise((resolve) => {
    const over = new AbortController();
    const look = () => {
      if (document.hidden && !signal.aborted) return;
      over.abort();
      resolve();
    };
    document.addEventListener("visibilitychange", look, { signal: over.signal });
    signal.addEventListener("abort", look, { signal: over.signal });
    look();
  });
}

/** A fault of whoever listens is no fault of the connection. */
function deliver(event, { name, data }) {
  try {
    event(name, JSON.parse(data));
  } catch (error) {
    reportError(error);
  }
}

async function* events(api, path, last, signal) {
  const broken = new AbortController();
  const either = AbortSignal.any([signal, broken.signal]);
  const headers = { Accept: "text/event-stream", ...(last ? { "Last-Event-ID": last } : {}) };
  let timer = setTimeout(() => broken.abort(), SILENCE);
  try {
    const response = await api.open(path, { headers, signal: either });
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    yield { name: "open", data: "", id: "" };
    for (let tail = ""; ; ) {
      const { done, value } = await reader.read();
      if (done) return;
      clearTimeout(timer);
      timer = setTimeout(() => broken.abort(), SILENCE);
      tail += value;
      const blocks = tail.replaceAll("\r\n", "\n").split("\n\n");
      tail = blocks.pop();
      for (const block of blocks) {
        const one = parse(block);
        if (one.data) yield one;
      }
    }
  } finally {
    clearTimeout(timer);
    broken.abort();
  }
}

/** One event: the fields of its lines. */
export function parse(block) {
  const one = { name: "message", data: "", id: "" };
  for (const line of block.split("\n")) {
    const [, field, value] = /^([^:]*):? ?(.*)$/.exec(line);
    if (field === "event") one.name = value;
    else if (field === "data") one.data += (one.data && "\n") + value;
    else if (field === "id") one.id = value;
  }
  return one;
}
