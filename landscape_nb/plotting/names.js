// JupyterLab gives a slider's handle no name, and a widget's picture and plotly's figure no text: a screen reader says
// "slider", "image". Here they get them, from the label beside the handle, from the hidden words before the picture
// and from those in the output before the figure; and so does what is displayed later, as long as the page is open. (A tooltip of the picture would be the obvious place for its text,
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
    for (const words of document.querySelectorAll('.jp-OutputArea-child .landscape-nb-alt')) {
      const next = words.closest('.jp-OutputArea-child').nextElementSibling;
      const figure = next && next.querySelector('.jp-RenderedPlotly:not([aria-label])');
      if (figure) {
        figure.setAttribute('role', 'figure');
        figure.setAttribute('aria-label', words.textContent.trim());
        for (const still of figure.querySelectorAll('img')) still.alt = words.textContent.trim();
      }
    }
  };
  if (!window.landscapeNames) {
    window.landscapeNames = new MutationObserver(name);
    window.landscapeNames.observe(document.body, {childList: true, subtree: true});
  }
  name();
})();
