"""What the documentation says, for tests: its pages, links, anchors, code, and what it names of the product."""

import re
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).parent.parent
MADE = Path("docs/reference")  # written from the code, and compared with it by another test


@dataclass(frozen=True)
class Code:
    """A block of code on a page; ``line`` is where it begins, ``language`` what stands after its fence."""

    page: str
    line: int
    language: str
    text: str
    unrun: str  # why it is not run, from a comment above it: `<!-- not run: … -->`

    @property
    def where(self):
        return f"{self.page}:{self.line}"


@cache
def pages():
    """Return the text of every page that is written by hand, by its place in the repository."""
    places = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")]
    found = (place.relative_to(ROOT) for place in places)
    return {str(place): (ROOT / place).read_text() for place in found if MADE not in place.parents}


@cache
def _tokens(text):
    return MarkdownIt("commonmark").enable("table").parse(text)


def inline(text):
    """Yield every inline token of a page with its line: links, images, code spans, text."""
    for block in _tokens(text):
        for token in block.children or []:
            yield (block.map or [0])[0] + 1, token


def links(text):
    """Yield (line, target) of every link and picture."""
    for line, token in inline(text):
        if target := token.attrGet("href") or token.attrGet("src"):
            yield line, str(target)


def spans(text):
    """Yield (line, text) of every code span."""
    for line, token in inline(text):
        if token.type == "code_inline":
            yield line, token.content


def blocks(page):
    """Return the blocks of code of a page."""
    found, above = [], ""
    for token in _tokens(pages()[page]):
        if token.type == "fence":
            unrun = re.search(r"<!-- not run: (.+?) -->", above)
            found.append(Code(page, token.map[0] + 1, token.info.strip(), token.content, unrun[1] if unrun else ""))
        if not token.type.endswith("_close"):
            above = token.content if token.type == "html_block" else ""
    return found


def anchors(text):
    """Return the anchors of a page: of its headings, as GitHub makes them, and those that it sets itself."""
    found: dict[str, int] = {}
    tokens = _tokens(text)
    for opening, title in pairwise(tokens):
        if opening.type == "heading_open":
            words = "".join(t.content for t in title.children if t.type in ("text", "code_inline"))
            slug = re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")
            count = found.get(slug, 0)
            found[slug] = count + 1
            if count:
                found[f"{slug}-{count}"] = 1
    return set(found) | set(re.findall(r'<a id="([^"]+)">', text))


def code(page):
    """Yield (line, text) of all that is set as code on a page: spans, and the lines of blocks."""
    yield from spans(pages()[page])
    for block in blocks(page):
        yield from ((block.line + number, line) for number, line in enumerate(block.text.splitlines(), 1))
