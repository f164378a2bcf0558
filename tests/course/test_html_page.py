"""Pages of the course are whole documents of HTML with a frame in common."""

from html.parser import HTMLParser

from landscape_nb.course.html_page import write_html


class Outline(HTMLParser):
    """Which elements are where, each with the texts right inside it; fails where one is not closed in its turn."""

    def __init__(self, text):
        super().__init__()
        self.open, self.texts, self.attributes = [], {}, {}
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.attributes.setdefault(tag, []).append(dict(attrs))
        if tag not in ("meta", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        place = " ".join(self.open)
        self.texts[place] = self.texts.get(place, "") + data


def test_a_page_is_a_whole_document(tmp_path):
    page = write_html(tmp_path / "x.html", "claims", 900, "p { color: red; }", "<h1>Größe α</h1>\n<p>{braces} stay</p>")
    assert page == tmp_path / "x.html"
    text = page.read_bytes().decode("utf-8")
    assert text.startswith("<!doctype html>\n")
    outline = Outline(text)
    assert outline.texts["html head title"] == "landscape-nb: claims"
    assert outline.texts["html body main h1"] == "Größe α"
    assert outline.texts["html body main p"] == "{braces} stay"
    assert outline.attributes["html"] == [{"lang": "en"}]
    assert {"charset": "utf-8"} in outline.attributes["meta"]
    assert [meta["content"] for meta in outline.attributes["meta"] if meta.get("name") == "description"]
    (icon,) = outline.attributes["link"]
    assert icon["rel"] == "icon"
    assert Outline(icon["href"].removeprefix("data:image/svg+xml,")).attributes["ellipse"]


def test_the_style_has_the_width_and_the_pages_own_rules(tmp_path):
    page = write_html(tmp_path / "x.html", "x", 1234, "figure { margin: 0; }", "")
    style = Outline(page.read_text(encoding="utf-8")).texts["html head style"]
    assert "max-width: 1234px" in style
    assert "figure { margin: 0; }" in style
    assert style.count("{") == style.count("}") == 2


def test_a_page_that_is_there_is_replaced(tmp_path):
    (tmp_path / "x.html").write_text("old" * 10_000)
    assert "old" not in write_html(tmp_path / "x.html", "x", 900, "", "new").read_text(encoding="utf-8")
