// The one door to the API: a bearer token on every request, and failures that say what to do about them.

/** The API refused, with a problem document (RFC 9457). */
export class Problem extends Error {
  /** @param {number} status @param {{code?: string, title?: string, detail?: string}} said @param {number|null} wait seconds */
  constructor(status, said, wait) {
    super(said.detail || said.title || `The server answered ${status}.`);
    this.status = status;
    this.code = said.code || "";
    this.wait = wait;
  }

  /** Whether the same request may succeed later. */
  get passing() {
    return [429, 502, 503, 504].includes(this.status);
  }
}

/** No answer came. */
export class Lost extends Error {}

const PATIENCE = 15_000; // ms for an answer; a vote whose answer is lost is simply sent again

export class Api {
  /** How far the server's clock is ahead of ours, in ms. */
  ahead = 0;

  /** @param {URL} root of the API @param {string} token */
  constructor(root, token) {
    this.root = root;
    this.token = token;
  }

  /** The answer to a GET, or to a POST when there is a body. */
  async ask(path, { body, signal } = {}) {
    const limits = [AbortSignal.timeout(PATIENCE), ...(signal ? [signal] : [])];
    const response = await this.open(path, { body, signal: AbortSignal.any(limits) });
    try {
      return response.status === 204 ? null : await response.json();
    } catch (error) {
      throw lost(error, signal);
    }
  }

  /** A response whose body is still to come. */
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
      throw lost(error, signal);
    }
    const date = Date.parse(response.headers.get("Date") || "");
    if (date) this.ahead = date + 500 - Date.now(); // whole seconds: half a second off on average
    if (response.ok) return response;
    const said = await response.json().catch(() => ({}));
    throw new Problem(response.status, said, after(response.headers.get("Retry-After")));
  }
}

function lost(error, signal) {
  return signal?.aborted ? signal.reason : new Lost(error.message, { cause: error });
}

function after(header) {
  const seconds = Number(header);
  return header !== null && Number.isFinite(seconds) ? Math.max(seconds, 0) : null;
}
