// The one door to the API: a bearer token on every request, and failures that say what to do about them.

/** The API refused, with a problem document (RFC 9457). */
export class Problem extends Error {
  /** @param {number} status @param {{code: string, title?: string, detail?: string}} said @param {number|null} wait seconds */
  constructor(status, said, wait) {
    super(said.detail || said.title || `The server answered ${status}.`);
    this.status = status;
    this.code = said.code;
    this.wait = wait;
  }

  /** Whether the same request may succeed later. */
  get passing() {
    return this.status >= 500 || (this.status === 429 && this.code !== "skips_exhausted");
  }
}

/** No answer of the API came: none at all, half of one, or that of somebody in between. */
export class Lost extends Error {
  /** @param {string} what came instead @param {{wait?: number|null, cause?: Error}} more `wait`: seconds that were named */
  constructor(what, { wait = null, cause } = {}) {
    super(what, { cause });
    this.wait = wait;
  }
}

const PATIENCE = 15_000; // ms for an answer; a vote whose answer is lost is simply sent again

export class Api {
  /** How far the server's clock is ahead of ours, in ms. */
  ahead = 0;

  /** @param {URL} root of the API @param {string} token */
  constructor(root, token) {
    this.root = root;
    this.token = token;
  }

  /**
   * The answer to a GET, or to a POST when there is a body.
   *
   * @param {string} path
   * @param {{body?: any, signal?: AbortSignal, has?: string[]}} options `has`: what an answer of this route has; one
   *   without is somebody else's
   * @throws {Lost} none came in time @throws {Problem} the API refused @throws whatever `signal` was aborted with
   */
  async ask(path, { body, signal, has = [] } = {}) {
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(new Lost("no answer in time")), PATIENCE);
    try {
      const response = await this.open(path, { body, signal: AbortSignal.any([late.signal, ...(signal ? [signal] : [])]) });
      const answer = await response.json();
      const lacks = has.find((name) => !Object.hasOwn(Object(answer), name));
      if (lacks) throw new Lost(`an answer without ${lacks}`);
      return answer;
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      throw error instanceof Problem || error instanceof Lost ? error : new Lost(error.message, { cause: error });
    } finally {
      clearTimeout(timer);
    }
  }

  /** A response whose body is still to come. Aborted, it throws what `signal` was aborted with. */
  async open(path, { body, signal, headers = {} } = {}) {
    let response;
    try {
      response = await fetch(new URL(path, this.root), {
        method: body === undefined ? "GET" : "POST",
        headers: {
          Authorization: `Bearer ${this.token}`,
          ...(body === undefined ? {} : { "Content-Type": "application/json" }),
          ...headers,
        },
        body: body === undefined ? undefined : JSON.stringify(body),
        cache: "no-store",
        credentials: "omit",
        referrerPolicy: "no-referrer",
        signal,
      });
    } catch (error) {
      throw signal?.aborted ? signal.reason : new Lost(error.message, { cause: error });
    }
    const date = Date.parse(response.headers.get("Date") || "");
    if (date) this.ahead = date + 500 - Date.now(); // whole seconds: half a second off on average
    if (response.ok) return response;
    const wait = after(response.headers.get("Retry-After"));
    const said = await response.json().catch(() => null);
    // Only the API's own refusals have a code. A proxy's are no answer: the API may never have been asked.
    throw said?.code ? new Problem(response.status, said, wait) : new Lost(`${response.status} of something in between`, { wait });
  }
}

/** Seconds that a server asks to wait: it may name them, or a time. */
export function after(header) {
  if (!header) return null;
  const seconds = Number(header);
  const until = Number.isFinite(seconds) ? seconds : (Date.parse(header) - Date.now()) / 1000;
  return Number.isFinite(until) ? Math.max(until, 0) : null;
}
