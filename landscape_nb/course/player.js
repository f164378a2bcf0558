// Controls above pictures that were drawn beforehand: what a slider is where no kernel runs. See players.py.
(() => {
  const STYLE = `
    .landscape-player { margin: 1em 0; }
    .landscape-player img { display: block; max-width: 100%; height: auto; background: white; }
    .landscape-player .player-controls { display: flex; flex-wrap: wrap; gap: .5em 1.5em; align-items: center; }
    .landscape-player label, .landscape-player fieldset { display: inline-flex; align-items: center; gap: .5em; }
    .landscape-player fieldset { border: 0; margin: 0; padding: 0; flex-wrap: wrap; min-width: 0; }
    .landscape-player legend { float: left; padding: 0; margin: 0; font-size: inherit; }
    .landscape-player input[type=range] { width: min(24em, 50vw); }
    .landscape-player button { font: inherit; }
    .landscape-player output { min-width: 4em; font-variant-numeric: tabular-nums; }
    .landscape-player .player-note { margin: .3em 0; font-size: .85em; }`;
  const PAUSE = 400;  // milliseconds between two pictures of a film
  let count = 0;

  const element = (name, properties = {}, ...children) => {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  };

  // Each of these makes a control and returns it; `move(at)` is to be called with the number of the chosen value.
  const makers = {
    slider({label, values, at}, move) {
      const said = element("output", {textContent: values[at]});
      const range = element("input", {type: "range", min: 0, max: values.length - 1, step: 1, value: at});
      range.setAttribute("aria-label", label);
      range.setAttribute("aria-valuetext", values[at]);
      range.addEventListener("input", () => {
        said.textContent = values[range.value];
        range.setAttribute("aria-valuetext", values[range.value]);
        move(Number(range.value));
      });
      return element("label", {}, label, range, said);
    },
    choice({label, values, at}, move) {
      const name = `landscape-player-${count++}`;
      const buttons = values.map((value, number) => {
        const radio = element("input", {type: "radio", name, checked: number === at});
        radio.addEventListener("change", () => move(number));
        return element("label", {}, radio, value);
      });
      return element("fieldset", {}, element("legend", {textContent: label}), ...buttons);
    },
    checkbox({label, at}, move) {
      const box = element("input", {type: "checkbox", checked: at === 1});
      box.addEventListener("change", () => move(Number(box.checked)));
      return element("label", {}, box, label);
    },
    fixed({label, values}) {
      return element("span", {textContent: `${label}: ${values[0]}`});
    },
  };

  // A button that walks a slider from where it stands, or from its start if it stands at its end, to its end.
  const playButton = (range, loaded) => {
    const button = element("button", {type: "button", textContent: "▶ play"});
    button.setAttribute("aria-description", `moves “${range.getAttribute("aria-label")}”`);
    let playing = false;
    const walk = async () => {
      let next = range.value === range.max ? 0 : Number(range.value) + 1;
      for (; playing && next <= Number(range.max); next++) {
        range.value = next;
        range.dispatchEvent(new Event("input"));
        await Promise.all([loaded(), new Promise(resolve => setTimeout(resolve, PAUSE))]);
      }
      playing = false;
      button.textContent = "▶ play";
    };
    button.addEventListener("click", () => {
      playing = !playing;
      button.textContent = playing ? "pause" : "▶ play";
      if (playing) walk();
    });
    return button;
  };

  const build = player => {
    player.dataset.ready = "yes";
    const controls = JSON.parse(player.dataset.controls);
    const picture = player.querySelector("img");
    const alt = picture.alt;
    const now = controls.map(control => control.at);
    const file = at => `${player.dataset.frames}/${at.join("-")}.webp`;
    const show = () => {
      picture.src = file(now);
      picture.alt = `${alt} (${controls.map((control, k) => `${control.label} ${control.values[now[k]]}`).join(", ")})`;
    };
    const prefetch = k => [now[k] + 1, now[k] - 1].filter(at => at in controls[k].values).forEach(
      at => { new Image().src = file(now.with(k, at)); });
    const made = controls.map((control, k) => makers[control.kind](control, at => {
      now[k] = at;
      show();
      prefetch(k);
    }));
    const film = controls.findIndex(control => control.kind === "slider" && control.values.length > 4);
    if (film >= 0) made.unshift(playButton(made[film].querySelector("input"), () => picture.decode().catch(() => {})));
    const thinned = controls.filter(control => control.of > control.values.length).map(
      control => ` Of the ${control.of} values of “${control.label}”, ${control.values.length} ${control.values.length === 1 ? "is" : "are"} here.`);
    const typed = controls.filter(control => control.kind === "fixed" && control.of === 1).map(
      control => ` “${control.label}” changes only in a notebook.`);
    const note = "Precomputed: these pictures were drawn when this page was made. In a notebook they are drawn as you move."
      + [...thinned, ...typed].join("");
    player.prepend(element("div", {className: "player-controls"}, ...made), element("p", {className: "player-note", textContent: note}));
  };

  const start = () => {
    if (!document.getElementById("landscape-player-style"))
      document.head.append(element("style", {id: "landscape-player-style", textContent: STYLE}));
    document.querySelectorAll(".landscape-player:not([data-ready])").forEach(build);
  };
  if (document.readyState === "loading") addEventListener("DOMContentLoaded", start); else start();
})();
