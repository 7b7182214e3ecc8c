// A picture that is pushed aside is chosen: for thumbs.

const BEGIN = 12; // px until a touch is a swipe
const FAR = 0.28; // of the element's width, from which on letting go chooses
const FAST = 0.5; // px per ms that choose, too
const LEAN = 0.03; // degrees per px

/**
 * @param {HTMLElement} element moves along with the finger; its CSS lets the browser scroll upwards and downwards alone
 * @param {() => void} chosen
 */
export function swipe(element, chosen) {
  let start = null;
  let moving = false;

  const rest = () => {
    element.style.removeProperty("transform");
    delete element.dataset.swiped;
    start = null;
    moving = false;
  };
  const far = (event) => {
    const way = event.clientX - start.x;
    return Math.abs(way) > element.offsetWidth * FAR || (Math.abs(way) > 3 * BEGIN && Math.abs(way) / (event.timeStamp - start.at) > FAST);
  };

  element.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "mouse" || !event.isPrimary) return;
    start = { x: event.clientX, y: event.clientY, at: event.timeStamp };
  });
  element.addEventListener("pointermove", (event) => {
    if (!start) return;
    const [x, y] = [event.clientX - start.x, event.clientY - start.y];
    if (!moving && (Math.abs(x) < BEGIN || Math.abs(x) < Math.abs(y))) return;
    moving = true;
    element.style.transform = `translateX(${x}px) rotate(${x * LEAN}deg)`;
    element.dataset.swiped = String(far(event));
  });
  element.addEventListener("pointerup", (event) => {
    const choose = start && moving && far(event);
    const swiped = moving;
    rest();
    if (!swiped) return;
    // What a finger ends with may count as a click as well.
    element.addEventListener("click", (click) => (click.preventDefault(), click.stopPropagation()), { capture: true, once: true, signal: AbortSignal.timeout(50) });
    if (choose) chosen();
  });
  element.addEventListener("pointercancel", rest);
}
