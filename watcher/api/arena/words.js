// What the page says in each state that is not "here are two images".

import { Lost } from "./api.js";

/** Why there is nothing to judge for now: code of a problem, or a name of our own. */
const NOTICES = {
  all_judged: ["You have judged every pair", "Thank you. When new entries come in, there will be more.", "Look again"],
  no_pair: ["Nothing to judge yet", "There are too few entries that you may see. They may still be on their way.", "Look again"],
  ended: ["This crucible has ended", "No more votes are taken. The standings are final once everything is counted."],
  completed: ["This crucible has ended", "Every vote was counted, and the standings are final."],
  frozen: ["Voting is over", "Every vote is being counted once more. The result comes here by itself."],
  cancelled: ["This crucible was cancelled", "No votes are taken."],
  not_started: ["This crucible has not begun", "Voting opens when the clock runs out."],
  not_active: ["This crucible is not open", "Votes are taken while it is active."],
  unknown_crucible: ["There is no such crucible", "The address may be mistyped, or the crucible was removed."],
  no_token: ["Please sign in", "Open this page from the site. The sign-in is kept in this tab alone."],
  bad_token: ["Your sign-in is damaged", "The address was cut off or changed on its way, or the sign-in was withdrawn. Open this page from the site again."],
  token_expired: ["Your sign-in has expired", "Open this page from the site again."],
  user_banned: ["You cannot vote", "This account is banned."],
  user_muted: ["You cannot vote", "This account is muted."],
  user_deleted: ["You cannot vote", "This account was closed."],
  judge_requirement_unmet: ["You cannot judge this crucible", "It asks more of its judges than this account has."],
  judge_requirement_unknown: ["You cannot judge this crucible", "It asks something of its judges that cannot be checked."],
  level_not_allowed: ["Nothing here for your level", "The images of this crucible are outside the levels that you see."],
};

/** Refusals of one vote after which the next pair is simply served. */
const MOVING_ON = {
  judged_otherwise: "You judged this pair the other way round before; that vote stands.",
  pair_token_expired: "That pair was open for too long. Here is another.",
  not_admitted: "One of the two was withdrawn. Here is another pair.",
  unknown_entry: "One of the two was withdrawn. Here is another pair.",
  own_entry: "One of the two is yours. Here is another pair.",
  pair_token_stale: "That pair is not open any more. Here is another.",
  pair_token_early: "That pair comes after this one.",
  skips_exhausted: "You have skipped too many pairs. Judge some, and you may skip again.",
};

const LEFT_FOR_GOOD = new Set(["ended", "frozen", "not_active", "not_started"]);

/** @returns {{title: string, text: string, act: string|undefined, tone: "calm"|"bad"}} */
export function notice(code, error) {
  const [title, text, act] = NOTICES[code] ?? byStatus(error);
  return { title, text, act, tone: NOTICES[code] && code !== "bad_token" && error?.status !== 403 ? "calm" : "bad" };
}

function byStatus(error) {
  if (error?.status === 401) return NOTICES.bad_token;
  if (error?.status === 403) return ["This is not for you", error.message];
  return ["Something went wrong", error?.message ?? "", "Try again"];
}

/** What to say of a crucible that ends, by how far that is. */
export const endingCode = ({ status }) => (status === "settling" ? "frozen" : status);

/** After which notices it is told who is in front, and how the own votes did. */
export const summed = (code) => ["all_judged", "ended", "completed", "frozen"].includes(code);

/** What to say when a vote or a skip was refused and a pair follows, or undefined. */
export const movingOn = (code) => MOVING_ON[code];

/** Whether the crucible takes no votes from anybody. */
export const closed = (code) => LEFT_FOR_GOOD.has(code);

/** Why we wait, and how long. */
export function waiting(error, seconds) {
  const soon = `${Math.max(1, Math.ceil(seconds))} s`;
  if (error instanceof Lost) return navigator.onLine === false ? "You are offline. Waiting for the network." : `No answer from the server. Trying again in ${soon}.`;
  if (error.status === 429) return `You are quick! Going on in ${soon}.`;
  return `The server is busy with its records. Trying again in ${soon}.`;
}
