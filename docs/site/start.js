// The start page's pair of surfaces turns until somebody stops it or takes hold of it.
const pair = ["without", "with"].map(skip => PLANES.find(plane => plane.facts["skip connections"] === skip));
const plots = [...document.querySelectorAll(".plot")];
const range = commonRange(pair);
const button = document.getElementById("turn");
const RADIUS = Math.hypot(START_CAMERA.eye.x, START_CAMERA.eye.y);
const PERIOD = 40_000;  // milliseconds for a full turn
const PAUSE = 50;
let angle = Math.atan2(START_CAMERA.eye.y, START_CAMERA.eye.x);
let turning = false;

const cameraAt = angle => ({...START_CAMERA,
  eye: {x: RADIUS * Math.cos(angle), y: RADIUS * Math.sin(angle), z: START_CAMERA.eye.z}});

async function turn() {
  while (turning) {
    const began = performance.now();
    await new Promise(done => setTimeout(done, PAUSE));
    if (!turning || document.hidden) continue;
    angle += 2 * Math.PI * (performance.now() - began) / PERIOD;
    await Promise.all(plots.map(plot => Plotly.relayout(plot, {"scene.camera": cameraAt(angle)})));
  }
}

function setTurning(wanted) {
  turning = wanted;
  button.textContent = turning ? "stop turning" : "▶ turn";
  button.setAttribute("aria-pressed", turning);
  if (turning) turn();
}

button.addEventListener("click", () => setTurning(!turning));
const look = layout({range, camera: cameraAt(angle)});
for (const axis of ["xaxis", "yaxis", "zaxis"]) Object.assign(look.scene[axis], {showticklabels: false, title: {text: ""}});
Promise.all(plots.map((plot, k) => {
  const drawn = Plotly.newPlot(plot, traces(pair[k], {range}), structuredClone(look), CONFIG);
  plot.addEventListener("pointerdown", event => event.pointerType === "touch" || setTurning(false));
  return drawn;
})).then(() => {
  linkCameras(plots, ({eye}) => { angle = Math.atan2(eye.y, eye.x); }, () => turning);
  setTurning(!matchMedia("(prefers-reduced-motion: reduce)").matches);
});
