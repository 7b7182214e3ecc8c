// The page to vote on: puts the parts together, and holds what they share.

import { Api, Lost, Problem } from "./api.js";
import { Chart } from "./chart.js";
import { Comments } from "./comments.js";
import { Countdown } from "./countdown.js";
import { Duel } from "./duel.js";
import { listen } from "./keys.js";
import { Last } from "./last.js";
import { Outlook } from "./outlook.js";
import { OwnEntries } from "./own.js";
import { late, pause, persist, rest } from "./patience.js";
import { Result, further } from "./result.js";
import { forget, isWhole, takeToken } from "./session.js";
import { Standings } from "./standings.js";
import { follow } from "./stream.js";
import { swipe } from "./swipe.js";
import { Voting } from "./voting.js";
import { closed, endingCode, notice, summed } from "./words.js";
import { Zoom } from "./zoom.js";

const TOP = 50; // entries on the board
const REFRESH = 30_000; // ms between looks at the crucible itself
const EARLY = 1_000; // ms until a pair is asked for again when this page thinks that the crucible has begun or ended, and the server not yet
const STORED = 3; // seconds in which a vote comes to where it is stored, and somewhat more
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
  }

  start() {
    const { signal } = this.over;
    const image = (entry) => this.api.ask(`${this.path}/entries/${entry}`, { signal }).then((told) => told.image);
    this.duel = new Duel(find("duel"), { vote: (side) => this.vote(side), talk: (side) => this.talk(side), zoom: (side) => this.closely(side) });
    this.comments = new Comments(find("comments"), (path, abort) => this.api.ask(path, { signal: abort }));
    this.zoom = new Zoom(find("closely"));
    this.last = new Last(find("last"));
    this.own = new OwnEntries(find("own"), say);
    this.result = new Result(find("result"), image);
    this.outlook = new Outlook(find("outlook"), image);
    this.chart = new Chart(find("chart"), find("past-read"));
    this.board = new Standings(find("rows"), { chosen: (entry) => this.past(entry), away: (is) => this.chart.hide(is), image });
    this.clock = new Countdown({
      clock: find("clock"),
      label: find("clock-label"),
      now: () => Date.now() + this.api.ahead,
      over: () => this.look().then(() => this.next()),
    });
    this.voting = new Voting({
      api: this.api, path: this.path, duel: this.duel, signal, say, quiet,
      judging: (entries) => this.board.veil(entries),
      counted: (...vote) => this.counted(...vote),
      stop: (error) => this.stop(error),
      over: () => this.ending !== null,
      skips: (left) => find("skip").setAttribute("aria-disabled", String(left === 0)),
    });
    this.listen();
    find("discuss").hidden = !isWhole(this.api.token);
    if (!isWhole(this.api.token)) {
      live("off", "not signed in");
      this.stop(new Problem(401, { code: this.api.token === null ? "no_token" : "bad_token" }));
      return;
    }
    follow(this.api, `${this.path}/stream`, {
      signal,
      state: (on) => live(on ? "on" : "off", on ? "live" : "reconnecting"),
      event: (name, data) => ({ standings: () => this.standings(data), ending: () => this.end(data) })[name]?.(),
      over: () => this.finished,
    }).then((refused) => live("off", refused ? "not available" : "final"));
    this.look().then(() => this.voting.resume()).then(() => this.again());
    this.stand();
    setInterval(() => this.look(), REFRESH);
    setInterval(() => this.stand(), REFRESH);
  }

  listen() {
    find("skip").addEventListener("click", (event) => this.duel.means(event) && this.voting.skip());
    find("notice-act").addEventListener("click", () => this.next());
    find("discuss").addEventListener("click", () =>
      this.comments.show(`${this.path}/comments`, "Discussion of this crucible", "Nothing was said about this crucible yet."),
    );
    for (const side of ["left", "right"]) {
      find(`reach-${side}`).addEventListener("click", (event) => this.duel.means(event) && this.vote(side));
      swipe(find("duel").querySelector(`[data-side=${side}]`), () => this.vote(side));
    }
    listen(find("keys"), () => this.comments.open || this.zoom.open, {
      a: () => this.vote("left"),
      arrowleft: () => this.vote("left"),
      d: () => this.vote("right"),
      arrowright: () => this.vote("right"),
      s: () => this.voting.skip(),
      c: () => this.talk(this.duel.near),
      z: () => this.closely(this.duel.near),
    });
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
    const words = [count(entries, "entry", "entries"), count(Math.max(votes, this.mine ?? 0), "vote", "votes"), this.mine && `${this.mine} by you`];
    find("facts").textContent = words.filter(Boolean).join(" · ");
  }

  // Pairs.

  /** Look what there is to judge. */
  next() {
    if (this.ending) {
      this.stop(new Problem(409, { code: "frozen" }));
      return;
    }
    find("notice").hidden = true;
    find("duel").hidden = find("skip").hidden = false;
    this.voting.next().then(() => this.again());
  }

  /** By our clock it has ended, and yet there was a pair: ask again soon. */
  again() {
    if (this.clock.out && this.voting.line.length) setTimeout(() => this.next(), EARLY);
  }

  vote(side) {
    this.voting.vote(side);
  }

  counted(prepared, side, { winner }) {
    if (this.crucible) {
      this.mine += 1;
      this.facts();
    }
    const came = winner.delta === null ? "it counts." : `it rose by ${winner.delta} to ${winner.rating}.`;
    say(`You chose the ${this.duel.called(side)} image: ${came}`);
    this.last.show(prepared, side, winner.delta);
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
    this.voting.end();
    this.duel.clear();
    find("duel").hidden = find("skip").hidden = true;
    find("notice-title").textContent = title;
    find("notice-text").textContent = text;
    find("notice-act").textContent = act ?? "";
    find("notice-act").hidden = !act;
    Object.assign(find("notice").dataset, { waiting: "false", tone, code: code || "unknown" });
    find("notice").hidden = false;
    if (error instanceof Problem && error.status === 401) forget();
    this.sum(code);
    say(title);
    if (had) find("notice-title").focus();
  }

  /** Beside a notice after which there is nothing more to do: who is in front, and how the own votes did. */
  async sum(code) {
    const { signal } = this.over;
    find("outlook").hidden = !summed(code);
    if (!summed(code)) return;
    this.outlook.leader(this.front, this.finished);
    try {
      const call = () => this.api.ask(`${this.path}/votes/mine`, { signal, has: ["votes", "upheld"] });
      for (let tries = 0; tries < 4 && find("notice").dataset.code === code; tries += 1) {
        const [told, cast] = [await persist(call, { waiting: () => {}, signal }), this.mine ?? 0];
        this.outlook.mine(told.votes < cast ? { votes: cast, upheld: null } : told, this.finished);
        if (told.votes >= cast) return;
        await rest(STORED, { signal }); // the last ones are on their way to where they are stored
      }
    } catch (error) {
      if (!(error instanceof Problem) && !signal.aborted) throw error; // without it the notice says what matters
    }
  }

  /** Whoever is first, as far as it is told. */
  get front() {
    return this.ending?.podium?.[0] ?? this.board.first;
  }

  // Comments.

  talk(side) {
    if (!this.duel.shown) return;
    const path = `${this.path}/entries/${this.duel.shown.pair[side].entryId}/comments`;
    this.comments.show(path, `Comments on the ${this.duel.called(side)} image`, "No comments on this image yet.");
  }

  closely(side) {
    if (this.duel.shown) this.zoom.show(this.duel.shown.pair[side], this.duel.called(side));
  }

  // The board.

  standings({ entries }) {
    this.soon ??= setTimeout(() => this.look(), BUSY);
    this.board.show(entries.slice(0, TOP));
    if (!find("outlook").hidden) this.outlook.leader(this.front, this.finished);
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

const crucible = window.location.pathname.split("/").filter(Boolean).at(-1);
const arena = new Arena(crucible, takeToken());
window.addEventListener("hashchange", () => window.location.hash.includes("token=") && window.location.reload());
arena.start();
