// JupyterLab gives a slider's handle no name, and a widget's picture no text: a screen reader says "slider".
// Names are given to what is there, and to what is displayed later, as long as the page is open.
(() => {
  const name = () => {
    for (const handle of document.querySelectorAll('.widget-slider .noUi-handle:not([aria-label])')) {
      const label = handle.closest('.widget-slider').querySelector('.widget-label');
      if (label && label.textContent) handle.setAttribute('aria-label', label.textContent);
    }
    for (const picture of document.querySelectorAll('img.widget-image[title]')) {
      picture.alt = picture.title;
      picture.removeAttribute('title');
    }
  };
  if (!window.landscapeNames) {
    window.landscapeNames = new MutationObserver(name);
    window.landscapeNames.observe(document.body, {childList: true, subtree: true, attributeFilter: ['title']});
  }
  name();
})();
