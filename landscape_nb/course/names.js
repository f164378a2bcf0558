// JupyterLab gives a slider's handle no name and a widget's picture no text: a screen reader says "slider", "image".
// Here they get them, from the label beside the handle and from the hidden words before the picture; and so does what
// is displayed later, as long as the page is open. (A tooltip of the picture would be the obvious place for its text,
// but with one ipywidgets 8.1 shows an error in the place of the picture.)
(() => {
  const name = () => {
    for (const handle of document.querySelectorAll('.widget-slider .noUi-handle:not([aria-label])')) {
      const label = handle.closest('.widget-slider').querySelector('.widget-label');
      if (label && label.textContent) handle.setAttribute('aria-label', label.textContent);
    }
    for (const picture of document.querySelectorAll('.landscape-nb-alt + img:not([alt])')) {
      const words = picture.previousElementSibling.textContent.trim();
      if (words) picture.alt = words;
    }
  };
  if (!window.landscapeNames) {
    window.landscapeNames = new MutationObserver(name);
    window.landscapeNames.observe(document.body, {childList: true, subtree: true});
  }
  name();
})();
