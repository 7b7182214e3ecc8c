// From pair to pair: what is shown, what was chosen and is on its way to the API, and what follows.
//
// The pair that follows is loaded while somebody looks at the one before, and shown the moment that one is chosen from.
// Its vote may be given at once, too. Answers are waited for one after the other: the token of the pair that follows counts
// once the pair before it is judged.

import { Problem } from "./api.js";
import { persist } from "./patience.js";
import { Prepared, keyOf } from "./pictures.js";
import { held, hold, release } from "./session.js";
import { movingOn, waiting } from "./words.js";

const SKIPPED = "Skipped.";

export class Voting {
  /**
   * @param {{
   *   api: import("./api.js").Api, path: string, duel: import("./duel.js").Duel, signal: AbortSignal,
   *   judging: (entries: number[]) => void, say: (text: string, tone?: string) => void, quiet: (tone: string) => void,
   *   counted: (prepared: Prepared, side: string, outcome: any) => void,
   *   stop: (error: Error) => void, over: () => boolean,
   *   skips: (left: number|null) => void,
   * }} parts `judging` is told of which entries nothing should be
   *   shown just now, `counted` of each vote that counted, `stop` why there is nothing to judge; `over`: votes are
   */
  constructor(parts) {
    Object.assign(this, parts);
    this.line = []; // pairs to judge in their order, as the API last told them
    this.chosen = new Map(); // pairs that were chosen from and are not answered yet, by key
    this.turn = Promise.resolve();
    this.fetching = null;
  }

  /** Go on where another page of this tab was left: votes that it had no answer to come first. */
  resume() {
    for (const { body } of held().filter((one) => one.path === this.path)) {
      this.inTurn(async () => {
        await this.ask("votes", { body, has: ["winner", "loser"] }).catch(unlessRefused);
        release(body);
      });
    }
    return this.next();
  }

  /** Ask what there is to judge; whoever asks while that is on its way waits for the same answer. */
  next() {
    this.fetching ??= this.inTurn(() => this.fetch()).finally(() => (this.fetching = null));
    return this.fetching;
  }

  /** Choose a side of the pair that is shown, once it was seen. */
  async vote(side) {
    if (!this.duel.open) return;
    const { shown } = this.duel;
    await this.duel.seen;
    if (this.duel.shown !== shown || !this.duel.open) return;
    const body = { winner: shown.pair[side].entryId, loser: shown.pair[side === "left" ? "right" : "left"].entryId, token: shown.pair.token };
    this.chosen.set(shown.key, shown);
    this.line = this.line.filter((one) => one !== shown);
    hold(this.path, body);
    this.advance();
    this.duel.glow(side);
    await this.inTurn(() => this.cast(shown, side, body));
  }

  /** Pass on the pair that is shown. */
  async skip() {
    if (!this.duel.open) return;
    const { shown } = this.duel;
    this.duel.busy(true);
    await this.inTurn(() => this.pass(shown));
  }

  /** Forget what there is to judge: there is nothing any more. */
  end() {
    this.line = [];
    this.judging([]);
  }

  // In turn.

  inTurn(act) {
    const done = this.turn.then(act).catch((error) => this.fail(error));
    this.turn = done;
    return done;
  }

  fail(error) {
    if (this.signal.aborted) return;
    this.stop(error);
    if (!(error instanceof Problem)) reportError(error);
  }

  async fetch() {
    if (this.over()) return;
    this.take(await this.ask("pair", { has: ["left", "right", "token"] }).then((pair) => ({ pair, ...pair })));
  }

  async cast(prepared, side, body) {
    try {
      const outcome = await this.insist(prepared, body);
      release(body);
      this.counted(prepared, side, outcome);
      this.chosen.delete(prepared.key);
      await this.goOn(outcome);
    } catch (error) {
      this.chosen.delete(prepared.key);
      if (isAnswer(error)) release(body);
      await this.goOnAfter(error);
    }
  }

  /** Send a vote until it is answered; its pair may be signed anew meanwhile, and then it goes with the new token. */
  async insist(prepared, body) {
    const send = () => this.ask("votes", { body: { ...body, token: prepared.pair.token }, has: ["winner", "loser"] });
    try {
      return await send();
    } catch (error) {
      if (!(error instanceof Problem) || error.code !== "pair_token_expired") throw error;
      const before = prepared.pair.token;
      this.take(await this.ask("pair", { has: ["left", "right", "token"] }).then((pair) => ({ pair, ...pair })));
      if (prepared.pair.token === before) throw error; // another pair is open by now
      return await send();
    }
  }

  async pass(prepared) {
    try {
      const told = await this.ask("skips", { body: { token: prepared.pair.token }, has: ["pair"] });
      this.say(SKIPPED);
      await this.goOn(told);
    } catch (error) {
      if (error instanceof Problem && error.code === "skips_exhausted") {
        if (this.duel.shown === prepared) this.duel.busy(false);
        this.skips(0);
        this.say(movingOn(error.code), "bad");
        return;
      }
      await this.goOnAfter(error);
    }
  }

  /** Go on with what an answer names, or ask what there is. */
  async goOn(told) {
    if (told.pair) this.take(told);
    else await this.fetch();
  }

  /** Say why a vote or a skip was refused, and go on with what there is; else stop. */
  async goOnAfter(error) {
    const words = error instanceof Problem ? movingOn(error.code) : undefined;
    if (!words) throw error;
    this.say(words);
    await this.fetch();
  }

  /** Take what the API says is open, and what follows. */
  take({ pair, following, skipsLeft }) {
    const known = new Map([...this.line, ...this.chosen.values()].map((one) => [one.key, one]));
    const told = [pair, following].filter(Boolean).map((one) => {
      const prepared = known.get(keyOf(one)) ?? new Prepared(one);
      prepared.pair = { ...prepared.pair, ...one }; // with the newest token
      return prepared;
    });
    this.line = told.filter((one) => !this.chosen.has(one.key));
    if (skipsLeft !== undefined) this.skips(skipsLeft);
    this.advance();
  }

  /** Show the first pair of the line, or that it is on its way. */
  advance() {
    if (this.over()) return;
    const [first] = this.line;
    this.judging([first, ...this.chosen.values()].filter(Boolean).flatMap(({ pair }) => [pair.left.entryId, pair.right.entryId]));
    if (first) this.duel.show(first);
    else this.duel.clear();
    if (first === this.duel.shown) this.duel.busy(false);
  }

  /** Ask until there is an answer, and say why it takes long. */
  async ask(what, options) {
    const call = () => this.api.ask(`${this.path}/${what}`, { ...options, signal: this.signal });
    const answer = await persist(call, { waiting: (error, seconds) => this.say(waiting(error, seconds), "bad"), signal: this.signal });
    this.quiet("bad");
    return answer;
  }
}

/** Whether the API has decided about a vote: whoever is not known to it has not been heard. */
const isAnswer = (error) => error instanceof Problem && error.status !== 401;

/** A vote of before that is refused counts no more; what there is to judge is told next. */
function unlessRefused(error) {
  if (!isAnswer(error)) throw error;
}
