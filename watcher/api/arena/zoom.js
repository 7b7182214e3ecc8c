// One of the two, as large as the screen or larger, for whoever wants to look closely.

import { enlarged } from "./pictures.js";

export class Zoom {
  /** @param {HTMLDialogElement} dialog */
  constructor(dialog) {
    this.dialog = dialog;
    this.frame = dialog.querySelector(".close-up");
    this.title = dialog.querySelector("h2");
    dialog.querySelector("button").addEventListener("click", () => dialog.close());
    this.frame.addEventListener("click", (event) => this.turn(event));
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close()); // the backdrop
    dialog.addEventListener("close", () => this.frame.replaceChildren());
  }

  get open() {
    return this.dialog.open;
  }

  /** @param {any} side of a pair, as the API tells it @param {string} called */
  show(side, called) {
    const picture = enlarged(side);
    this.title.textContent = `The ${called} image`;
    if (picture instanceof HTMLImageElement) picture.alt = this.title.textContent;
    else Object.assign(picture, { controls: true, autoplay: true }).setAttribute("aria-label", this.title.textContent);
    this.frame.dataset.full = "false";
    this.frame.replaceChildren(picture);
    if (!this.open) this.dialog.showModal();
  }

  /** From the whole image to each of its points and back; the point that was meant stays in the middle. */
  turn(event) {
    const picture = this.frame.firstElementChild;
    if (!(picture instanceof HTMLImageElement)) return;
    const box = picture.getBoundingClientRect();
    const at = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    const full = this.frame.dataset.full !== "true";
    this.frame.dataset.full = String(full);
    if (!full) return;
    this.frame.scrollTo(at[0] * picture.offsetWidth - this.frame.clientWidth / 2, at[1] * picture.offsetHeight - this.frame.clientHeight / 2);
  }
}
