// The explorer: two planes side by side, chosen by what distinguishes their networks; see surfaces.js.
const unique = list => [...new Set(list)];
const collections = unique(PLANES.map(plane => plane.collection));
const view = {linear: false, contours: false};
let whole = false;
let camera = START_CAMERA;

// The planes of a collection, and what distinguishes them: the facts of which there is more than one.
const planesOf = collection => PLANES.filter(plane => plane.collection === collection);
const valuesOf = (planes, fact) => unique(planes.map(plane => plane.facts[fact]));
const factsOf = planes => Object.keys(planes[0].facts).filter(fact => valuesOf(planes, fact).length > 1);

// The plane with this value of a fact that has most in common with another one.
function nearest(planes, fact, value, other) {
  const common = plane => Object.entries(other.facts).filter(([name, said]) => plane.facts[name] === said).length;
  return planes.filter(plane => plane.facts[fact] === value).sort((a, b) => common(b) - common(a))[0];
}

const closest = (axis, value) =>
  axis.reduce((best, at, k) => Math.abs(at - value) < Math.abs(axis[best] - value) ? k : best, 0);

class Side {
  constructor(box, plane) {
    this.box = box;
    this.plane = plane;
    this.plot = box.querySelector(".plot");
    this.read = box.querySelector(".read");
    this.choose(plane);
  }

  choose(plane) {
    this.plane = plane;
    const planes = planesOf(plane.collection);
    const controls = [this.select("networks", collections, plane.collection, name => this.choose(planesOf(name)[0]))];
    for (const fact of factsOf(planes))
      controls.push(this.select(fact, valuesOf(planes, fact), plane.facts[fact],
        value => this.choose(nearest(planes, fact, value, this.plane))));
    const focused = document.activeElement?.dataset?.fact;
    const here = this.box.contains(document.activeElement);
    this.box.querySelector(".choices").replaceChildren(...controls);
    if (here && focused) this.box.querySelector(`select[data-fact="${focused}"]`)?.focus();
    this.box.querySelector("h2").textContent = plane.title;
    this.read.textContent = "Point at the picture to read the loss.";
    const rows = Object.entries(plane.numbers).map(([name, value]) => {
      const row = document.createElement("tr");
      row.append(Object.assign(document.createElement("th"), {textContent: name, scope: "row"}),
        Object.assign(document.createElement("td"), {textContent: value}));
      return row;
    });
    this.box.querySelector(".numbers tbody").replaceChildren(...rows);
    drawAll();
  }

  select(name, values, chosen, change) {
    const select = document.createElement("select");
    select.dataset.fact = name;
    select.append(...values.map(value => new Option(value, value, false, value === chosen)));
    select.addEventListener("change", () => change(select.value));
    const label = document.createElement("label");
    label.append(name, select);
    return label;
  }

  draw(range) {
    const how = {...view, range, camera};
    this.plot.setAttribute("aria-label", `${view.contours ? "Contours" : "Surface"} of the loss of ${this.plane.title}`);
    Plotly.react(this.plot, traces(this.plane, how), layout(how), CONFIG);
    this.plot.removeAllListeners?.("plotly_hover");
    this.plot.on("plotly_hover", ({points: [point]}) => {
      const height = heights(this.plane)[closest(this.plane.beta, point.y)][closest(this.plane.alpha, point.x)];
      this.read.textContent = `α ${point.x.toFixed(2)}, β ${point.y.toFixed(2)}: `
        + `loss ${height === null ? "not finite" : loss(height)}`;
    });
  }
}

let sides = [];
function drawAll() {
  if (sides.length < 2) return;
  const range = commonRange(sides.map(side => side.plane), whole);
  sides.forEach(side => side.draw(range));
}

// Both pictures with their titles in one PNG.
async function save() {
  const size = {format: "png", width: 700, height: 600};
  const urls = await Promise.all(sides.map(side => Plotly.toImage(side.plot, size)));
  const pictures = await Promise.all(urls.map(url => new Promise(done => {
    const picture = new Image();
    picture.onload = () => done(picture);
    picture.src = url;
  })));
  const canvas = Object.assign(document.createElement("canvas"), {width: 1400, height: 690});
  const context = canvas.getContext("2d");
  context.fillStyle = "white";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.fillStyle = "black";
  context.textAlign = "center";
  sides.forEach((side, k) => {
    context.drawImage(pictures[k], 700 * k, 50);
    context.font = "26px sans-serif";
    context.fillText(side.plane.title, 700 * k + 350, 34);
    context.font = "17px sans-serif";
    const facts = Object.entries(side.plane.facts).map(([name, value]) => `${name}: ${value}`).join(" · ");
    context.fillText(facts, 700 * k + 350, 676);
  });
  const link = Object.assign(document.createElement("a"), {href: canvas.toDataURL("image/png")});
  link.download = "landscapes.png";
  link.click();
}

const [first, second] = [...document.querySelectorAll(".side")];
const own = planesOf(collections[0]);
sides = [new Side(first, own.find(plane => plane.facts["skip connections"] === "without"))];
sides.push(new Side(second, own.find(plane => plane.facts["skip connections"] === "with")));
drawAll();
linkCameras(sides.map(side => side.plot), to => { camera = to; });
document.querySelectorAll("input[name=view]").forEach(radio => radio.addEventListener("change", () => {
  view.contours = radio.value === "contours";
  drawAll();
}));
document.querySelectorAll("input[name=height]").forEach(radio => radio.addEventListener("change", () => {
  view.linear = radio.value === "linear";
  drawAll();
}));
document.getElementById("whole").addEventListener("change", event => {
  whole = event.target.checked;
  drawAll();
});
document.getElementById("save").addEventListener("click", save);
