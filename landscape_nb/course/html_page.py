"""The frame of the pages that a run of the course writes."""

from pathlib import Path

ICON = (
    "<link rel=\"icon\" href=\"data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'>"
    "<g fill='none' stroke='%230b5c9e' stroke-width='3'><ellipse cx='16' cy='16' rx='14' ry='11'/>"
    "<ellipse cx='16' cy='18' rx='6' ry='4'/></g></svg>\">"
)
"""What a browser's tab shows: the contours of a bowl."""
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>landscape-nb: {title}</title>
<meta name="viewport" content="width=device-width">
<meta name="description" content="A course on the loss landscapes of neural networks: {title}">{icon}
<style>
body {{ font: 18px/1.5 system-ui, sans-serif; max-width: {width}px; margin: 2em auto; padding: 0 1em; }}
{style}
</style></head><body><main>
{body}
</main></body></html>
"""


def write_html(page: Path, title: str, width: int, style: str, body: str) -> Path:
    """Write a page of HTML that looks like the course's others.

    Args:
        page: The file.
        title: What the browser's tab says after `landscape-nb: `.
        width: How wide the text is at most, in pixels.
        style: Rules of CSS besides those that all pages have.
        body: What the page shows, in HTML.

    Returns:
        The file.

    Example:
        >>> import tempfile
        >>> write_html(Path(tempfile.mkdtemp()) / "x.html", "x", 900, "", "<p>x</p>").read_text().splitlines()[-1]
        '</main></body></html>'
    """
    text = _PAGE.format(title=title, width=width, style=style, body=body, icon=ICON)
    page.write_text(text, encoding="utf-8")
    return page
