// The page to vote on: puts the parts together, and holds what they share.

import { Api, Lost, Problem } from "./api.js";
import { Chart } from "./chart.js";
import { Comments } from "./comments.js";
import { Countdown } from "./countdown.js";
import { Duel } from "./duel.js";
import { OwnEntries } from "./own.js";
import { late, pause, persist, rest } from "./patience.js";
import { Result, further } from "./result.js";
import { Standings } from "./standings.js";
import { follow } from "./stream.js";
import { closed, endingCode, movingOn, notice, waiting } from "./words.js";

const AFTERGLOW = 650; // ms that the points of a vote are shown before the next pair
const TOP = 50; // entries on the board
const REFRESH = 30_000; // ms between looks at the crucible itself
const EARLY = 1_000; // ms until a pair is asked for again when this page thinks that the crucible has begun or ended, and the server not yet
const BUSY = 2_000; // ms from a change of the standings to such a look

const find = (id) => document.getElementById(id);

class Arena {
  constructor(crucible, token) {
    this.path = `crucibles/${crucible}`;
    this.over = new AbortController();
    this.api = new Api(new URL("../v1/", window.location), token);
    this.crucible = null;
    this.ending = null;
    this.mine = null;
    this.soon = null;
    this.failed = 0; // looks since one was answered
    this.fetching = null;
  }

  start() {
    const { signal } = this.over;
    this.duel = new Duel(find("duel"), { vote: (side) => this.vote(side), talk: (side) => this.talk(side) });
    this.comments = new Comments(find("comments"), (path, abort) => this.api.ask(path, { signal: abort }));
    this.own = new OwnEntries(find("own"), say);
    const image = (entry) => this.api.ask(`${this.path}/entries/${entry}`, { signal }).then((told) => told.image);
    this.result = new Result(find("result"), image);
    this.chart = new Chart(find("chart"), find("past-read"));
    this.board = new Standings(find("rows"), {
      chosen: (entry) => this.past(entry),
      image,
    });
    this.clock = new Countdown({
      clock: find("clock"),
      label: find("clock-label"),
      now: () => Date.now() + this.api.ahead,
      over: () => this.look().then(() => this.next()),
    });
    find("skip").addEventListener("click", () => this.skip());
    find("notice-act").addEventListener("click", () => this.next());
    find("discuss").addEventListener("click", () =>
      this.comments.show(`${this.path}/comments`, "Discussion of this crucible", "Nothing was said about this crucible yet."),
    );
    document.addEventListener("keydown", (event) => this.key(event));
    find("discuss").hidden = !this.api.token;
    if (!this.api.token) {
      live("off", "not signed in");
      this.stop(new Problem(401, { code: "signed_out" }));
      return;
    }
    follow(this.api, `${this.path}/stream`, {
      signal,
      state: (on) => live(on ? "on" : "off", on ? "live" : "reconnecting"),
      event: (name, data) => ({ standings: () => this.standings(data), ending: () => this.end(data) })[name]?.(),
      over: () => this.finished,
    }).then((refused) => live("off", refused ? "not available" : "final"));
    this.look().then(() => this.next());
    this.stand();
    setInterval(() => this.look(), REFRESH);
    setInterval(() => this.stand(), REFRESH);
  }

  // The crucible itself.

  async look() {
    clearTimeout(this.soon);
    this.soon = null;
    try {
      this.crucible = await this.api.ask(this.path, { signal: this.over.signal });
    } catch (error) {
      // Asking for a pair tells what is wrong.
      if (error instanceof Lost || error.passing) this.soon ??= setTimeout(() => this.look(), this.patience(error) * 1000);
      return;
    }
    this.failed = 0;
    const { name, me } = this.crucible;
    find("name").textContent = name;
    document.title = `${name} – Crucible`;
    this.mine = me?.votes ?? null;
    this.facts();
    this.clock.show(this.crucible);
    this.end(this.crucible.ending);
  }

  /** It ends: votes are over, then the result is there. What comes late of an earlier step is none. */
  end(ending) {
    if (!further(ending, this.ending)) return;
    const before = this.ending;
    this.ending = ending;
    this.result.show(ending);
    this.stop(new Problem(409, { code: "frozen" }));
    if (before) this.look(); // the row of a crucible that one has seen end says so too
  }

  /** Seconds until the next look after one that failed. */
  patience({ wait }) {
    this.failed += 1;
    return wait ? late(wait) : pause(this.failed - 1);
  }

  /** How the asker's own entries stand; what cannot be told now is told the next time. */
  async stand() {
    try {
      const { entries } = await this.api.ask(`${this.path}/entries/mine`, { signal: this.over.signal });
      this.own.show(entries);
    } catch (error) {
      if (!(error instanceof Lost || error instanceof Problem) && !this.over.signal.aborted) throw error;
    }
  }

  get finished() {
    return ["Completed", "Cancelled"].includes(this.crucible?.status) || ["completed", "cancelled"].includes(this.ending?.status);
  }

  facts() {
    const { entries, votes } = this.crucible;
    const words = [count(entries, "entry", "entries"), count(votes, "vote", "votes"), this.mine && `${this.mine} by you`];
    find("facts").textContent = words.filter(Boolean).join(" · ");
  }

  // Pairs.

  /** The next pair; whoever asks while one is on its way waits for the same one. */
  next() {
    this.fetching ??= this.fetch().finally(() => (this.fetching = null));
    return this.fetching;
  }

  async fetch() {
    if (this.ending) {
      this.stop(new Problem(409, { code: "frozen" }));
      return null;
    }
    this.duel.clear();
    find("notice").hidden = true;
    find("duel").hidden = find("skip").hidden = false;
    try {
      const pair = await this.ask(() => this.api.ask(`${this.path}/pair`, { signal: this.over.signal, has: ["left", "right", "token"] }));
      await this.duel.show(pair);
      if (this.clock.out) setTimeout(() => this.next(), EARLY);
      return pair;
    } catch (error) {
      this.stop(error);
      return null;
    }
  }

  async vote(side) {
    if (!this.duel.open) return;
    const { pair } = this.duel;
    const other = side === "left" ? "right" : "left";
    const body = { winner: pair[side].entryId, loser: pair[other].entryId, token: pair.token };
    this.duel.choose(side);
    try {
      const outcome = await this.ask(() => this.api.ask(`${this.path}/votes`, { body, signal: this.over.signal, has: ["winner", "loser"] }));
      if (this.crucible) {
        this.mine += 1;
        this.facts();
      }
      if (this.duel.pair === pair) this.duel.settle(side, outcome.winner.delta);
      say(`You chose the ${this.duel.called(side)} image: it rose by ${outcome.winner.delta} to ${outcome.winner.rating}.`);
      await rest(AFTERGLOW / 1000);
    } catch (error) {
      if (!(error instanceof Problem) || !movingOn(error.code)) {
        this.stop(error);
        return;
      }
      say(movingOn(error.code));
      await rest(AFTERGLOW / 500);
    }
    if (this.duel.pair === pair || this.duel.pair === null) await this.next(); // else the clock has brought another one
  }

  async skip() {
    if (!this.duel.open) return;
    const body = { token: this.duel.pair.token };
    try {
      await this.api.ask(`${this.path}/skips`, { body, signal: this.over.signal });
      say("Skipped.");
    } catch (error) {
      say(error.message, "bad");
      if (error instanceof Problem && error.code === "skips_exhausted") return;
    }
    await this.next();
  }

  /** Ask until there is an answer, and say why it takes long. */
  async ask(call) {
    const answer = await persist(call, { waiting: (error, seconds) => say(waiting(error, seconds), "bad"), signal: this.over.signal });
    quiet("bad");
    return answer;
  }

  /** Say why there is nothing to judge. */
  stop(error) {
    if (this.over.signal.aborted) return;
    let code = error instanceof Problem ? error.code : "";
    if (closed(code) && this.ending) code = endingCode(this.ending);
    if (closed(code) && this.crucible?.status === "Cancelled") code = "cancelled";
    if (code === "not_active" && this.crucible?.status === "Completed") code = "ended";
    if (code === "not_started" && Date.parse(this.crucible?.startAt ?? "") <= this.clock.now()) setTimeout(() => this.next(), EARLY);
    const { title, text, act, tone } = notice(code, error);
    const had = find("duel").contains(document.activeElement) || document.activeElement === find("skip");
    this.duel.clear();
    find("duel").hidden = find("skip").hidden = true;
    find("notice-title").textContent = title;
    find("notice-text").textContent = text;
    find("notice-act").textContent = act ?? "";
    find("notice-act").hidden = !act;
    Object.assign(find("notice").dataset, { waiting: "false", tone, code: code || "unknown" });
    find("notice").hidden = false;
    say(title);
    if (had) find("notice-title").focus();
  }

  // Comments.

  talk(side) {
    if (!this.duel.pair) return;
    const path = `${this.path}/entries/${this.duel.pair[side].entryId}/comments`;
    this.comments.show(path, `Comments on the ${this.duel.called(side)} image`, "No comments on this image yet.");
  }

  // The board.

  standings({ entries }) {
    this.soon ??= setTimeout(() => this.look(), BUSY);
    this.board.show(entries.slice(0, TOP));
    const picked = entries.find((entry) => entry.entryId === this.board.picked);
    if (picked && this.charted === picked.entryId) this.chart.add({ at: Date.now() + this.api.ahead, rating: picked.rating });
  }

  async past({ entryId }) {
    this.charted = null;
    this.pasts?.abort();
    this.pasts = new AbortController();
    const { signal } = this.pasts;
    find("past-title").textContent = `Rating of entry ${entryId}`;
    this.chart.clear(`entry ${entryId}`);
    try {
      const call = () => this.api.ask(`${this.path}/entries/${entryId}/history`, { signal });
      const { points } = await persist(call, { waiting: () => {}, signal });
      this.chart.show(`entry ${entryId}`, points.map(({ at, rating }) => ({ at: Date.parse(at), rating })));
      this.charted = entryId;
    } catch (error) {
      if (!signal.aborted) find("past-read").textContent = error.message;
    }
  }

  // Keys.

  key(event) {
    if (!find("keys").checked || this.comments.open || event.repeat) return;
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input:not([type=checkbox]), textarea, select")) return;
    const act = {
      a: () => this.vote("left"),
      arrowleft: () => this.vote("left"),
      d: () => this.vote("right"),
      arrowright: () => this.vote("right"),
      s: () => this.skip(),
      c: () => this.talk(this.duel.near),
    }[event.key.toLowerCase()];
    if (!act) return;
    event.preventDefault();
    act();
  }
}

function say(text, tone = "calm") {
  find("said").textContent = text;
  find("said").dataset.tone = tone;
}

/** Take back what was said in this tone. */
function quiet(tone) {
  if (find("said").dataset.tone === tone) say("");
}

function live(state, text) {
  find("live").dataset.state = state;
  find("live").textContent = text;
}

const count = (number, one, many) => (number === undefined || number === null ? "" : `${number.toLocaleString()} ${number === 1 ? one : many}`);

/** A pair by its entries, whichever way round. */

/** The token of the address' fragment, which is then taken out of the address and of the history. */
function takeToken() {
  const token = new URLSearchParams(window.location.hash.slice(1)).get("token");
  if (window.location.hash) window.history.replaceState(null, "", window.location.pathname + window.location.search);
  return token ?? "";
}

const crucible = window.location.pathname.split("/").filter(Boolean).at(-1);
const arena = new Arena(crucible, takeToken());
window.addEventListener("hashchange", () => window.location.hash.includes("token=") && window.location.reload());
arena.start();
