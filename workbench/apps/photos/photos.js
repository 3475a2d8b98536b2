// Leaving the page ends its program and removes the photos: the browser asks first while there are any.
let ended = false;
window.addEventListener("beforeunload", (event) => {
  if (!ended && document.querySelector(".photos-app.photos-chosen")) event.preventDefault();
});
// ipywidgets writes a slider's name beside it and not on the handle, which a screen reader reads out; and it has no
// landmarks, by which a screen reader finds the page's content.
const name = () => {
  document.querySelector(".photos-app")?.setAttribute("role", "main");
  for (const handle of document.querySelectorAll(".photos-app .noUi-handle:not([aria-label])")) {
    const label = handle.closest(".widget-slider, .jupyter-widgets")?.querySelector(".widget-label");
    if (label?.textContent) handle.setAttribute("aria-label", label.textContent);
  }
};
new MutationObserver(name).observe(document.body, { childList: true, subtree: true });
name();
// Enter in a field presses the button beside it. (Captured: ipywidgets keeps the keys of a field to itself.)
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && event.target.matches(".photos-app input[type=text]")) {
    event.target.closest(".widget-hbox")?.querySelector("button")?.click();
  }
}, true);
// A page whose program was ended looks as if it still worked.
let missed = 0;
const watch = setInterval(async () => {
  try {
    await fetch("/photos/alive", { cache: "no-store" });  // any answer will do
    missed = 0;
  } catch {
    missed += 1;
  }
  if (missed < 2) return;
  clearInterval(watch);
  ended = true;
  const banner = document.createElement("div");
  banner.className = "photos-ended";
  banner.setAttribute("role", "alert");
  banner.textContent = "The program has ended: nothing on this page works any more. What you saved is where you saved it.";
  document.body.prepend(banner);
}, 5000);
