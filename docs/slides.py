"""Slides and a handout of the course, made of its executed notebooks: `make slides` writes build/slides.

A deck follows a path of the lecturers' page. A notebook's question, predictions, figures, claims, what to notice and
what to take away become slides; the text between them becomes the speaker's notes.
"""

import itertools
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from pathlib import Path

import nbformat
from markdown_it import MarkdownIt

from landscape_nb.course.html_page import ICON, write_html
from landscape_nb.course.notebook_page import put_moving_parts, write_plotly
from landscape_nb.course.notebooks import NOTEBOOKS, find_notebook

PATHS = {
    45: {"00": 10, "02": 15, "05": 20},
    90: {"00": 10, "02": 15, "03": 15, "04": 15, "05": 20, "11": 15},
}
"""Minutes of a lecture: its notebooks, with their minutes. The lecturers' page says the same."""
SKIPPED = ("Exercises", "What this does not show", "References")
MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable("table")
CHROMIUM = ("--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer")

NOTES = """<p>Press T for the notes, below the slide. Where a server gives the slides, as
<code>python -m http.server</code> in this folder does, S opens them in a window of its own.</p>"""

HANDOUT = """
figure { margin: 1em 0; break-inside: avoid; } img { max-width: 100%; max-height: 9cm; } h2 { break-before: page; }
"""
DECK = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Loss landscapes in {minutes} minutes – landscape-nb</title>
<meta name="viewport" content="width=device-width">
<meta name="description" content="Slides of the course on loss landscapes, for {minutes} minutes">{icon}
<link rel="stylesheet" href="reveal/reveal.css"><link rel="stylesheet" href="reveal/white.css">
<style>
.reveal {{ font-size: 30px; }}
.reveal h1 {{ font-size: 1.9em; text-transform: none; }}
.reveal h2 {{ font-size: 1.3em; text-transform: none; }}
.reveal section img {{ width: 100%; max-height: 560px; object-fit: contain; margin: 0; }}
.reveal section.title img {{ max-height: 470px; }}
.reveal .predict {{ font-size: 1.35em; line-height: 1.35; }}
.reveal .claim {{ font-size: .85em; text-align: left; }}
.reveal pre {{ font-size: .75em; width: auto; white-space: pre-wrap; box-shadow: none; }}
.reveal .question {{ font-size: 1.2em; }}
.reveal .landscape-player {{ font-size: 22px; }}
.reveal .landscape-player .player-note {{ font-size: 18px; }}
.reveal .landscape-player .player-controls {{ justify-content: center; }}
.reveal .landscape-player img {{ margin: 0 auto; max-height: 500px; }}
.reveal ol, .reveal ul {{ display: block; }}
.reveal li {{ margin-bottom: .5em; }}
.plotly-graph-div {{ margin: 0 auto; }}
</style></head><body>
<div class="reveal"><div class="slides">
{slides}
</div></div>
<script src="reveal/reveal.js"></script><script src="reveal/notes/notes.js"></script>
<script>
Reveal.initialize({{width: 1280, height: 720, hash: true, plugins: [RevealNotes], slideNumber: true}});
const fit = slide => slide.querySelectorAll(".js-plotly-plot").forEach(plot => Plotly.Plots.resize(plot));
Reveal.on("ready", event => fit(event.currentSlide));
Reveal.on("slidechanged", event => fit(event.currentSlide));
// A window of its own hears of the slides only where a server gives them: from disk, T shows the notes below the slide.
Reveal.addKeyBinding({{keyCode: 84, key: "T", description: "Notes below the slide"}},
  () => Reveal.configure({{showNotes: !Reveal.getConfig().showNotes}}));
// Reveal hears no key while a slider has the focus, and hears a space that is meant for a button. So a dragged slider
// gives the focus back, a clicker's keys move on all the same, and keys of buttons are theirs.
for (const player of document.querySelectorAll(".landscape-player")) {{
  player.addEventListener("pointerup", () => setTimeout(() => document.activeElement.blur()));
  player.addEventListener("keydown", event => {{
    const move = {{PageDown: () => Reveal.next(), PageUp: () => Reveal.prev(), Escape: () => {{}}}}[event.key];
    if (move) {{
      event.preventDefault();
      document.activeElement.blur();
      move();
    }} else if (event.target.tagName !== "BUTTON" || ![" ", "Enter"].includes(event.key)) return;
    event.stopPropagation();
  }});
}}
</script>
</body></html>
"""


def main(course, out):
    """Write a deck for each path, a page that leads to them, and the handout."""
    course, out = Path(course).resolve(), Path(out).resolve()
    out.mkdir(parents=True, exist_ok=True)
    write_assets(course, out)
    for minutes, path in PATHS.items():
        slides = "\n".join(slide for number, part in path.items() for slide in slides_of(course, number, part))
        (out / f"{minutes}.html").write_text(DECK.format(minutes=minutes, slides=slides, icon=ICON), encoding="utf-8")
    links = "".join(f'<li><a href="{minutes}.html">{minutes} minutes</a></li>' for minutes in PATHS)
    body = f'<h1>Slides</h1><ul>{links}<li><a href="handout.pdf">Handout</a></li></ul>{NOTES}'
    write_html(out / "index.html", "slides", 900, "", body)
    write_handout(course, out)


def write_assets(course, out):
    """Put what the decks load beside them: reveal.js, plotly.js and the players' pictures."""
    reveal = files("sphinx_revealjs") / "_static" / "revealjs"
    (out / "reveal" / "notes").mkdir(parents=True, exist_ok=True)
    for name in ("dist/reveal.js", "dist/reveal.css", "dist/theme/white.css"):
        shutil.copy(str(reveal / name), out / "reveal")
    shutil.copytree(str(reveal / "dist/theme/fonts"), out / "reveal" / "fonts", dirs_exist_ok=True)
    for name in ("notes.js", "speaker-view.html"):
        shutil.copy(str(reveal / "plugin" / "notes" / name), out / "reveal" / "notes")
    write_plotly(out)
    shutil.copytree(course / "players", out / "players", dirs_exist_ok=True)
    shutil.copytree(course / "images", out / "images", dirs_exist_ok=True)


@dataclass
class Part:
    """What a slide may show: a question, other text, a figure, claims, or what was printed; and the words before it."""

    kind: str
    section: str
    body: str
    said: list[str]


def slides_of(course, number, minutes):
    """The slides of a notebook."""
    notebook = find_notebook(number)
    content = nbformat.read(course / f"{notebook.name}.ipynb", as_version=4)
    put_moving_parts(content)
    yield title_slide(content.cells[0].source, notebook, minutes)
    yield from (slide(part.section, part.body, part.said) for part in parts_to_show(content))


def parts_to_show(content):
    """The parts of a notebook that become slides. What is said at the end of a section is said with its last slide."""
    shown, asked, left = [], None, []
    for (section, is_result), group in itertools.groupby(parts_of(content), lambda p: (p.section, p.kind in RESULTS)):
        parts = [*group]
        if shown and shown[-1].section != section:
            shown[-1].said += left
            left = []
        parts[0].said = left + parts[0].said
        if is_result:
            parts, left = results_to_show(parts, asked == section)
        else:
            parts, left = [part for part in parts if part.kind != "end"], parts[-1].said * (parts[-1].kind == "end")
        if {part.kind for part in parts} & {"question", *RESULTS}:
            asked = section if any(part.kind == "question" for part in parts) else None
        shown += parts
    if shown:
        shown[-1].said += left
    return shown


def parts_of(content):
    """The parts of a notebook in their order, and an end where a section's last words are said."""
    section, level, said = "", 0, []
    for cell in content.cells[2:]:
        for kind, body in parts_of_cell(cell):
            if kind == "section":
                depth, heading = body
                if section in SKIPPED and depth > level:
                    continue
                if said:
                    yield Part("end", section, "", said)
                section, level, said = heading, depth, []
            elif section in ("", *SKIPPED):
                continue
            elif kind == "said":
                said.append(body)
            else:
                yield Part(kind, section, body, said)
                said = []
    yield Part("end", section, "", said)


def parts_of_cell(cell):
    """The kinds and bodies of a cell's parts.

    A cell's metadata may say otherwise, as in other tools that make slides of notebooks: where `slideshow.slide_type`
    is "skip", nothing of it is shown or said; where it is "notes", its text is said; where "slide", it is one slide.
    Headings begin a section all the same.
    """
    chosen = (cell.metadata.get("slideshow") or {}).get("slide_type")
    if chosen == "skip" or cell.cell_type == "raw":
        return
    if cell.cell_type == "code":
        yield from ((kind, body) for kind, found in RESULTS.items() for body in found(cell))
        return
    parts = [(text, *part_of_text(text)) for text in blocks_of(cell.source)]
    if chosen == "slide":
        yield from ((kind, body) for _, kind, body in parts if kind == "section")
        if texts := [text for text, kind, _ in parts if kind != "section"]:
            yield "text", MARKDOWN.render("\n\n".join(texts))
    elif chosen == "notes":
        yield from ((kind, body) if kind == "section" else ("said", text) for text, kind, body in parts)
    else:
        yield from ((kind, body) for _, kind, body in parts if kind)


def blocks_of(source):
    """The paragraphs, lists, tables, quotations and code blocks of a text, each as it is written."""
    lines = source.splitlines()
    for token in MARKDOWN.parse(source):
        if token.level == 0 and token.map:
            yield "\n".join(lines[slice(*token.map)]).strip()


def results_to_show(parts, asked):
    """Of the results of a question: its figures, and its claims, two on a slide; else, as an answer, what was printed.

    What is said before a result that is not shown is said with the next one; what is left of it is returned, too.
    """
    by_kind = {kind: [part for part in parts if part.kind == kind] for kind in RESULTS}
    claims = by_kind["claim"][::2]
    for part, other in zip(claims, by_kind["claim"][1::2], strict=False):
        part.body += f"\n{other.body}"
    shown = by_kind["figure"] + claims or by_kind["print"][:1] * asked
    said = []
    for part in parts:
        said += part.said
        if part in shown:
            part.said, said = said, []
    return shown, said


def title_slide(head, notebook, minutes):
    """A notebook's question and its answer figure."""
    question = re.search(r"\*\*Question\.\*\* (.*)", head)[1]
    image = re.search(r"!\[(.*?)\]\((.*?)\)", head)
    caption = re.search(r"^\*(?!\*)(.*)\*$", head, re.M)
    body = f'<p class="question">{MARKDOWN.renderInline(question)}</p>'
    body += f'<img src="{image[2]}" alt="{escape(image[1])}">' if image else ""
    return slide(notebook.title, body, [f"{minutes} minutes.", caption[1] if caption else ""], "title")


def part_of_text(text):
    """What kind of part a block is, and what of it is shown; one that is not shown is said."""
    if heading := re.match(r"(#{2,6}) (?:\d+ · )?(.*?)[ #]*$", text):
        return "section", (len(heading[1]), re.sub("[`*]", "", heading[2]))
    quoted = re.sub("^> ?", "", text, flags=re.M)
    if quoted.startswith("**Predict.** "):
        return "question", f'<div class="predict">{MARKDOWN.render(quoted)}</div>'
    if re.match(r"\d+\. |[-*|] ", text):
        return "text", MARKDOWN.render(text)
    label = text.strip(" .:") in ("**Notice**", "**Notice.**")  # the list that follows is shown
    return ("", "") if label or text.startswith(("# ", "<details")) else ("said", text)


def figures(cell):
    """What a cell shows: HTML that moves, or pictures."""
    for output in cell.outputs:
        data = output.get("data", {})
        if "text/html" in data:
            yield data["text/html"]
        elif "image/png" in data:
            yield picture(output)


def claims(cell):
    """The claims that a cell makes, and their numbers."""
    if "lnb.claim(" in cell.source:
        for output in cell.outputs:
            if "text/markdown" in output.get("data", {}):
                yield f'<div class="claim">{MARKDOWN.render(output.data["text/markdown"])}</div>'


def prints(cell):
    """What a cell prints, and its value."""
    for output in cell.outputs:
        if output.get("name") == "stderr":
            continue
        text = output.get("text") or output.get("data", {}).get("text/plain", "")
        if text.strip() and not {"text/markdown", "image/png"} & output.get("data", {}).keys():
            yield f"<pre>{escape(text)}</pre>"


RESULTS = {"figure": figures, "claim": claims, "print": prints}


def picture(output):
    """An output's picture, with its words."""
    return f'<img src="data:image/png;base64,{output.data["image/png"].strip()}" alt="{words(output)}">'


def words(output):
    """What an output's picture shows, for those who do not see it."""
    return escape(output.metadata.get("image/png", {}).get("alt", ""))


def slide(heading, body, said, kind="part"):
    """A slide, and in its notes what is said with it."""
    notes = MARKDOWN.render("\n\n".join(filter(None, said)))
    made = f'<section class="{kind}"><h2>{escape(heading)}</h2>\n{body}\n<aside class="notes">{notes}</aside></section>'
    return alone(made)


def alone(made):
    """HTML for a page without notebooks beside it: links to them become text, and emoji plain marks."""
    made = re.sub(r'<a href="[^":/]*\.ipynb[^"]*">(.*?)</a>', r"\1", made)
    return made.replace("✅", "✓").replace("❌", "✗")


def write_handout(course, out):
    """Write the figures and the claims of all notebooks, without code, as a page and as a PDF."""
    body = "<h1>Loss landscapes: the figures of the course</h1>" + "\n".join(
        handout_of(course, notebook) for notebook in NOTEBOOKS
    )
    page = write_html(out / "handout.html", "handout", 1000, HANDOUT, body)
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        raise SystemExit(f"The PDF needs Chromium or Chrome, which is not here: print {page} from another browser.")
    command = [chromium, *CHROMIUM, f"--print-to-pdf={out / 'handout.pdf'}", page.as_uri()]
    subprocess.run(command, check=True, capture_output=True)


def handout_of(course, notebook):
    """A notebook's question, figures and claims."""
    content = nbformat.read(course / f"{notebook.name}.ipynb", as_version=4)
    question = re.search(r"\*\*Question\.\*\* (.*)", content.cells[0].source)[1]
    parts = [f"<h2>{notebook.number} · {escape(notebook.title)}</h2><p>{MARKDOWN.renderInline(question)}</p>"]
    for cell in content.cells:
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            if "image/png" in data:
                parts.append(f"<figure>{picture(output)}<figcaption>{words(output)}</figcaption></figure>")
        parts += claims(cell)
    return alone("\n".join(parts))


if __name__ == "__main__":
    main(*sys.argv[1:])
