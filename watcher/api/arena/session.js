// Who judges, as long as this tab lives: the token that the page was opened with, and votes that were not answered yet.

const TOKEN = "crucible.token";
const VOTES = "crucible.votes";
const SHAPE = /^[\w-]+\.[\w-]+\.[\w-]+$/; // of a token; another one could not even be sent in a header
const LONGEST = 2 ** 31 - 1; // ms that a timer can wait

/** The token of the address' fragment, which is then taken out of the address and of the history; else the one kept, or null. */
export function takeToken() {
  const given = new URLSearchParams(window.location.hash.slice(1)).get("token");
  if (window.location.hash) window.history.replaceState(null, "", window.location.pathname + window.location.search);
  if (given === null) return kept();
  forget();
  const until = expiry(given);
  if (until > Date.now()) {
    write(TOKEN, { token: given, until });
    forgetAt(until);
  }
  return given;
}

/** Whether this may be a token at all. */
export const isWhole = (token) => SHAPE.test(token);

/** Keep the token no longer. */
export function forget() {
  withStorage((storage) => storage.removeItem(TOKEN));
}

/** Keep a vote until it is answered: a page that is loaded anew sends it again. */
export const hold = (path, body) => write(VOTES, [...held(), { path, body }]);

/** It is answered. */
export const release = (body) => write(VOTES, held().filter((one) => one.body.token !== body.token));

/** Votes that were not answered, in their order. */
export const held = () => read(VOTES) ?? [];

function kept() {
  const { token, until } = read(TOKEN) ?? {};
  if (!token || until <= Date.now()) {
    forget();
    return null;
  }
  forgetAt(until);
  return token;
}

function forgetAt(until) {
  setTimeout(() => (until <= Date.now() ? forget() : forgetAt(until)), Math.min(until - Date.now(), LONGEST));
}

/** When a token expires, in ms; 0 if it does not say. Whether it is true is the API's to tell. */
function expiry(token) {
  try {
    const part = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    const { exp } = JSON.parse(atob(part));
    return Number.isFinite(exp) ? exp * 1000 : 0;
  } catch {
    return 0;
  }
}

function read(name) {
  try {
    return JSON.parse(withStorage((storage) => storage.getItem(name)) ?? "null");
  } catch {
    return null;
  }
}

function write(name, value) {
  withStorage((storage) => storage.setItem(name, JSON.stringify(value)));
}

/** Browsers may refuse storage altogether; then the page goes on without. */
function withStorage(use) {
  try {
    return use(window.sessionStorage);
  } catch {
    return null;
  }
}
