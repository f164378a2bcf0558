// Surfaces and contours of the planes in planes.js, drawn by plotly; the start page and the explorer use it.
const NOT_FINITE = -32768;
const SCALE = [[0, "#3b0f70"], [.2, "#8c2981"], [.45, "#de4968"], [.7, "#fe9f6d"], [1, "#fcfdbf"]];

// The heights log10(loss) of a plane: rows along beta, as plotly wants them; null where the loss is not finite.
function heights(plane) {
  const bytes = Uint8Array.from(atob(plane.heights), letter => letter.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  const n = plane.beta.length;
  const at = (i, j) => view.getInt16(2 * (i * n + j), true);
  return plane.beta.map((_, j) => plane.alpha.map((_, i) => at(i, j) === NOT_FINITE ? null : at(i, j) / 1000));
}

// One scale for everything that is compared. A deep funnel beside a shallow one would leave the shallow one a few
// pixels: so the scale begins a little below the bottom that is higher, and spans a bit less than three decades.
function commonRange(planes, whole = false) {
  const finite = planes.map(plane => heights(plane).flat().filter(height => height !== null));
  const lows = finite.map(values => Math.min(...values));
  const top = Math.max(...finite.map(values => Math.max(...values)));
  if (whole) return [Math.min(...lows), top];
  const bottom = Math.max(Math.min(...lows), Math.max(...lows) - .3);
  return [bottom, Math.min(top, bottom + 2.7)];
}

const loss = height => Number((10 ** height).toPrecision(3)).toString();

function lossTicks([low, high], linear) {
  if (linear) return {};
  const values = [];
  for (let decade = Math.floor(low); decade <= high; decade++)
    for (const digit of [1, 3]) {
      const value = decade + Math.log10(digit);
      if (value >= low - 1e-9 && value <= high + 1e-9) values.push(value);
    }
  return {tickvals: values, ticktext: values.map(loss)};
}

// What plotly draws of a plane. `range` is in log10(loss); what is outside of it is drawn at its ends.
function traces(plane, {range, linear = false, contours = false}) {
  const log = heights(plane);
  const [low, high] = linear ? range.map(height => 10 ** height) : range;
  const height = value => linear ? 10 ** value : value;
  const z = log.map(row => row.map(value => value === null ? null : Math.max(low, Math.min(height(value), high))));
  const text = log.map(row => row.map(value => value === null ? "not finite" : loss(value)));
  const common = {x: plane.alpha, y: plane.beta, z, text, colorscale: SCALE, hoverinfo: "none",
    colorbar: {title: {text: "loss"}, thickness: 12, len: .7, ...lossTicks(range, linear)}};
  if (contours)
    return [{...common, type: "contour", zmin: low, zmax: high, autocontour: false,
      contours: {start: low, end: high, size: (high - low) / 16}, line: {color: "#333", width: .7}}];
  return [{...common, type: "surface", cmin: low, cmax: high,
    lighting: {ambient: .55, diffuse: .8, specular: .15, roughness: .6}, lightposition: {x: -100, y: 200, z: 400}}];
}

function layout({range, linear = false, contours = false, camera}) {
  const margin = {l: 0, r: 0, t: 0, b: 0};
  if (contours)
    return {margin: {l: 45, r: 10, t: 10, b: 40}, xaxis: {title: {text: "α"}, constrain: "domain"},
      yaxis: {title: {text: "β"}, scaleanchor: "x", constrain: "domain"}, font: {size: 14}, dragmode: false};
  const [low, high] = linear ? range.map(height => 10 ** height) : range;
  // A little beyond both: plotly cuts surfaces at the ends, and of one that lies in an end it leaves specks.
  const ends = [low - (high - low) / 100, high + (high - low) / 100];
  return {margin, font: {size: 14}, scene: {camera, aspectmode: "manual", aspectratio: {x: 1, y: 1, z: .7},
    xaxis: {title: {text: "α"}}, yaxis: {title: {text: "β"}},
    zaxis: {title: {text: "loss"}, range: ends, ...lossTicks(range, linear)}}};
}

const START_CAMERA = {eye: {x: 1.35, y: -1.35, z: .95}, center: {x: 0, y: 0, z: -.12}};
// The wheel scrolls the page, as everywhere on it; a surface is turned by dragging.
const CONFIG = {responsive: true, displaylogo: false, displayModeBar: false, scrollZoom: false};

// Turning one of some surfaces turns the others with it, which tell of it like a reader's hand would: such news are not
// passed on again. `told` hears the new camera; while `quiet`, nothing is linked.
function linkCameras(plots, told, quiet = () => false) {
  let passing = false;
  const pass = async (camera, others) => {
    if (passing || !camera || quiet()) return;
    passing = true;
    told(camera);
    await Promise.all(others.map(plot => Plotly.relayout(plot, {"scene.camera": camera})));
    passing = false;
  };
  for (const plot of plots) {
    const others = plots.filter(other => other !== plot);
    for (const news of ["plotly_relayouting", "plotly_relayout"])
      plot.on(news, change => pass(change["scene.camera"], others));
    turnByFinger(plot, angle => plot.layout.scene && pass(turned(plot.layout.scene.camera, angle), plots));
  }
}

const turned = ({eye, ...camera}, angle) => ({...camera, eye: {z: eye.z,
  x: eye.x * Math.cos(angle) - eye.y * Math.sin(angle), y: eye.x * Math.sin(angle) + eye.y * Math.cos(angle)}});

// Plotly keeps every touch to itself: a page could not be scrolled past a plot, and a swipe would throw its surface over.
// So touches do not reach it: up and down scrolls the page, sideways turns the surface.
function turnByFinger(plot, turn) {
  const how = {capture: true, passive: true};
  let last = 0;
  plot.style.touchAction = "pan-y";
  plot.addEventListener("touchstart", event => {
    event.stopPropagation();
    last = event.touches[0].clientX;
  }, how);
  plot.addEventListener("touchmove", event => {
    event.stopPropagation();
    const moved = event.touches[0].clientX - last;
    last += moved;
    turn(-2 * Math.PI * moved / plot.clientWidth);
  }, how);
  plot.addEventListener("touchend", event => event.stopPropagation(), how);
}
