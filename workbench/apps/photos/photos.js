// Leaving the page ends its program and removes the photos: the browser asks first while there are any.
window.addEventListener("beforeunload", (event) => {
  if (document.querySelector(".photos-app.photos-chosen")) event.preventDefault();
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
