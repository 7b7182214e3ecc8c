// The clock of the crucible, by the server's time.

const NEAR = 60_000; // ms before the end that are shown as near

export class Countdown {
  /** @param {{clock: HTMLElement, label: HTMLElement, now: () => number, over: () => void}} parts */
  constructor({ clock, label, now, over }) {
    Object.assign(this, { clock, label, now, over });
    this.target = null;
    this.end = 0;
    this.crucible = null;
    setInterval(() => this.tick(), 250);
  }

  /** @param {{status: string, startAt: string|null, endAt: string|null}} crucible */
  show(crucible) {
    const { status, startAt, endAt } = crucible;
    this.crucible = crucible;
    const start = Date.parse(startAt ?? "") || 0;
    const end = Date.parse(endAt ?? "") || 0;
    this.end = end;
    this.target = null;
    if (status === "Completed" || status === "Cancelled" || (end && end <= this.now())) {
      this.say("", status === "Cancelled" ? "cancelled" : "ended");
    } else if (start > this.now()) {
      this.aim("starts in", start);
    } else if (end) {
      this.aim("ends in", end);
    } else {
      this.say("", "no end set");
    }
  }

  /** Whether the end has come, by what we know of the server's time: half a second more or less. */
  get out() {
    return this.end !== 0 && this.end <= this.now();
  }

  aim(words, target) {
    this.words = words;
    this.target = target;
    this.tick();
  }

  tick() {
    if (this.target === null) return;
    const left = this.target - this.now();
    if (left <= 0) {
      this.show(this.crucible); // it may have begun or ended; that is known without asking
      this.over();
      return;
    }
    this.say(this.words, spell(left), left < NEAR);
  }

  say(words, time, near = false) {
    if (this.clock.textContent !== time) this.clock.textContent = time;
    if (this.label.textContent !== words) this.label.textContent = words;
    this.clock.parentElement.dataset.near = String(near);
  }
}

/** `spell(3_725_000)` is `1:02:05`, `spell(90_061_000)` is `1 d 01:01:01`. */
export function spell(ms) {
  const total = Math.ceil(ms / 1000);
  const [days, hours, minutes, seconds] = [total / 86400, (total / 3600) % 24, (total / 60) % 60, total % 60].map(Math.floor);
  const two = (number) => String(number).padStart(2, "0");
  if (days) return `${days} d ${two(hours)}:${two(minutes)}:${two(seconds)}`;
  return hours ? `${hours}:${two(minutes)}:${two(seconds)}` : `${minutes}:${two(seconds)}`;
}
