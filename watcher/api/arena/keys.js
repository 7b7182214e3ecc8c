// Keyboard shortcuts, for whoever has them switched on.

const FIELDS = "input:not([type=checkbox]), textarea, select";

/**
 * @param {HTMLInputElement} on @param {() => boolean} elsewhere whether keys belong to somebody else now
 * @param {Record<string, () => void>} acts by key, in small letters
 */
export function listen(on, elsewhere, acts) {
  document.addEventListener("keydown", (event) => {
    // Held down on a button, Enter clicks again and again: on pair after pair that nobody has looked at.
    if (event.repeat && event.key === "Enter" && event.target.closest("button")) event.preventDefault();
    if (!on.checked || elsewhere() || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest(FIELDS)) return;
    const act = acts[event.key.toLowerCase()];
    if (!act) return;
    event.preventDefault();
    act();
  });
}
