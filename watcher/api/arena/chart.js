// A rating over time as SVG.

const NS = "http://www.w3.org/2000/svg";
const WIDTH = 340;
const HEIGHT = 170;
const EDGE = { left: 34, right: 10, top: 10, bottom: 20 };
const BASE = 1500;
const MOST = 2000; // points kept; older ones are on the screen as less than a pixel

export class Chart {
  /** @param {SVGElement} svg @param {HTMLElement} reading where a point is told */
  constructor(svg, reading) {
    this.svg = svg;
    this.reading = reading;
    this.points = [];
    svg.addEventListener("pointermove", (event) => this.point(event));
    svg.addEventListener("pointerleave", () => this.draw());
  }

  /** @param {string} name of the entry @param {{at: number, rating: number}[]} points by time, in ms */
  show(name, points) {
    this.name = name;
    this.points = points.slice(-MOST);
    this.draw();
  }

  /** Nothing yet of this entry: whose line was there before is another one. */
  clear(name) {
    this.name = name;
    this.points = [];
    this.svg.replaceChildren();
    this.svg.setAttribute("aria-label", `Looking for the rating of ${name}`);
    this.reading.textContent = "";
  }

  /** Show nothing while its entry is judged; what is known of it stays. */
  hide(is) {
    if (this.svg.parentElement.dataset.away === String(is)) return;
    this.svg.parentElement.dataset.away = String(is);
    if (is) this.reading.textContent = "not shown while you judge it";
    else this.draw();
  }

  /** One more, now. */
  add(point) {
    const last = this.points.at(-1);
    if (last && (last.rating === point.rating || point.at <= last.at)) return;
    this.points = [...this.points, point].slice(-MOST);
    this.draw();
  }

  draw() {
    const { svg, points } = this;
    svg.replaceChildren();
    if (!points.length) {
      svg.append(node("text", { x: WIDTH / 2, y: HEIGHT / 2, "text-anchor": "middle" }, "No votes yet"));
      svg.setAttribute("aria-label", this.name ? `${this.name} has no votes yet` : "No entry chosen yet");
      this.reading.textContent = "";
      return;
    }
    const ratings = points.map((point) => point.rating);
    const [low, high] = room(Math.min(BASE, ...ratings), Math.max(BASE, ...ratings));
    const [from, to] = [points[0].at, Math.max(points.at(-1).at, points[0].at + 1000)];
    this.x = (at) => EDGE.left + ((at - from) / (to - from)) * (WIDTH - EDGE.left - EDGE.right);
    this.y = (rating) => HEIGHT - EDGE.bottom - ((rating - low) / (high - low)) * (HEIGHT - EDGE.top - EDGE.bottom);
    for (const rating of [low, (low + high) / 2, high]) {
      const y = this.y(rating);
      svg.append(node("line", { class: "grid", x1: EDGE.left, x2: WIDTH - EDGE.right, y1: y, y2: y }));
      svg.append(node("text", { x: EDGE.left - 5, y: y + 3.5, "text-anchor": "end" }, String(Math.round(rating))));
    }
    svg.append(node("line", { class: "base", x1: EDGE.left, x2: WIDTH - EDGE.right, y1: this.y(BASE), y2: this.y(BASE) }));
    svg.append(node("text", { x: EDGE.left, y: HEIGHT - 5 }, time(from)));
    svg.append(node("text", { x: WIDTH - EDGE.right, y: HEIGHT - 5, "text-anchor": "end" }, time(to)));
    // A rating holds until the next vote: steps, not slopes.
    let way = `M${this.x(from)} ${this.y(points[0].rating)}`;
    for (const { at, rating } of points.slice(1)) way += `H${this.x(at).toFixed(1)}V${this.y(rating).toFixed(1)}`;
    way += `H${this.x(to)}`;
    svg.append(node("path", { class: "area", d: `${way}V${HEIGHT - EDGE.bottom}H${EDGE.left}Z` }));
    svg.append(node("path", { class: "way", d: way }));
    const last = points.at(-1);
    svg.append(node("circle", { class: "here", r: 4, cx: this.x(to), cy: this.y(last.rating) }));
    this.reading.textContent = `${last.rating}`;
    svg.setAttribute(
      "aria-label",
      `Rating of ${this.name}: ${points[0].rating} at ${time(from)}, now ${last.rating}; ` +
        `lowest ${Math.min(...ratings)}, highest ${Math.max(...ratings)}`,
    );
  }

  /** Tell the point below the pointer. */
  point(event) {
    if (this.points.length < 2) return;
    const box = this.svg.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * WIDTH;
    const near = this.points.findLast((point) => this.x(point.at) <= x) ?? this.points[0];
    this.draw();
    const at = Math.min(Math.max(x, EDGE.left), WIDTH - EDGE.right);
    this.svg.append(node("line", { class: "cross", x1: at, x2: at, y1: EDGE.top, y2: HEIGHT - EDGE.bottom }));
    this.svg.append(node("circle", { class: "here", r: 4, cx: at, cy: this.y(near.rating) }));
    this.reading.textContent = `${near.rating} at ${time(near.at)}`;
  }
}

/** Bounds with air around them, on multiples of ten, never flat. */
function room(low, high) {
  const air = Math.max((high - low) * 0.1, 10);
  return [Math.floor((low - air) / 10) * 10, Math.ceil((high + air) / 10) * 10];
}

function time(ms) {
  const today = new Date(ms).toDateString() === new Date().toDateString();
  const day = today ? {} : { day: "numeric", month: "short" };
  return new Date(ms).toLocaleString([], { ...day, hour: "2-digit", minute: "2-digit" });
}

function node(name, attributes, text) {
  const made = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  if (text !== undefined) made.textContent = text;
  return made;
}
