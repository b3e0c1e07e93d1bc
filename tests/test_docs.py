"""The Markdown of the repository: prose of at most 100 columns, and links that lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
_COLUMNS = 100
# Folders of the checkout that hold documents of ours; others hold what tools put there.
_FOLDERS = (".github", "docs", "examples", "scripts", "serverless_instrument", "tests")
# https://spec.commonmark.org/0.31.2/#links: a whole inline link or image, and the target of one.
_LINK = re.compile(r"\[(?:[^\[\]]|\[[^\]]*\])*\]\(<?([^()\s>]+)>?(?:\s+\"[^\"]*\")?\)")
_TARGET = re.compile(r"\]\(<?([^()\s>]+)>?(?:\s+\"[^\"]*\")?\)")
_REFERENCE = re.compile(r"^\[[^\]]+\]:\s*<?(\S+?)>?(?:\s|$)", re.MULTILINE)
_URL = re.compile(r"https?://\S+")
_CODE_SPAN = re.compile(r"(`+).+?\1")


def documents() -> list[Path]:
    """Every Markdown file of ours, by its path from the root."""
    found = [*ROOT.glob("*.md")]
    for folder in _FOLDERS:
        found += (ROOT / folder).rglob("*.md")
    return sorted(path.relative_to(ROOT) for path in found)


def outside_fences(text: str) -> Iterator[tuple[int, str]]:
    """(line number, line) of every line that is in no fenced code block."""
    fence = ""
    for number, line in enumerate(text.splitlines(), 1):
        mark = re.match(r"\s*(`{3,}|~{3,})", line)
        if mark and (not fence or mark[1].startswith(fence)):
            fence = "" if fence else mark[1]
        elif not fence:
            yield number, line


def overlong_prose(text: str) -> list[int]:
    """Numbers of the lines that are over 100 columns, and could be wrapped."""
    return [
        number
        for number, line in outside_fences(text)
        if len(line) > _COLUMNS and not line.lstrip().startswith("|") and _has_break(line)
    ]


def _has_break(line: str) -> bool:
    """Can `line` be shorter? Not if all of it is a link, a URL or a code span after its marker."""
    one_word = _CODE_SPAN.sub("x", _URL.sub("x", _LINK.sub("x", line)))
    return len(one_word.split()) > 2


def relative_links(text: str) -> list[str]:
    """Targets of links to files, without their fragments."""
    prose = "\n".join(_CODE_SPAN.sub("", line) for _, line in outside_fences(text))
    targets = _TARGET.findall(prose) + _REFERENCE.findall(prose)
    files = (target.partition("#")[0] for target in targets if not _has_scheme(target))
    return [target for target in files if target]


def _has_scheme(target: str) -> bool:
    return re.match(r"[a-z][a-z0-9+.-]*:", target, re.IGNORECASE) is not None


def test_the_documents_are_found() -> None:
    found = {str(path) for path in documents()}
    assert {"README.md", "CONTRIBUTING.md", "SECURITY.md", "docs/architecture.md"} <= found
    assert "docs/architecture.md" in found


@pytest.mark.parametrize("document", documents(), ids=str)
def test_prose_is_wrapped(document: Path) -> None:
    assert not overlong_prose((ROOT / document).read_text(encoding="utf-8"))


@pytest.mark.parametrize("document", documents(), ids=str)
def test_relative_links_point_at_files(document: Path) -> None:
    targets = relative_links((ROOT / document).read_text(encoding="utf-8"))
    folder = (ROOT / document).parent
    assert not [target for target in targets if not (folder / target).exists()]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("word " * 21, [1]),
        ("- " + "word " * 21, [1]),
        ("short\n" + "ü" * 99 + " a b", [2]),
        ("ü" * 100, []),
        ("| " + "cell | " * 21, []),
        ("```sh\n" + "word " * 21 + "\n```\n" + "word " * 21, [4]),
        ("````\n```\n" + "word " * 21 + "\n````", []),
        ("- https://example.com/" + "a" * 100, []),
        ("- [a title of words](https://example.com/" + "a" * 100 + ")", []),
        ("- `" + "word " * 21 + "`", []),
        ("a sentence with https://example.com/" + "a" * 100, [1]),
    ],
)
def test_which_lines_are_overlong(text: str, lines: list[int]) -> None:
    assert overlong_prose(text) == lines


def test_which_links_are_relative() -> None:
    text = (
        '[a](docs/a.md#part), ![b](b.svg "title"), [c](#part), [d](https://example.com/x.md),\n'
        "[![e](e.svg)](e.md), `[f](f.md)`, <https://example.com>, [mail](mailto:a@example.com)\n"
        "```\n[g](g.md)\n```\n"
        "[h]: h/h.md\n"
    )
    assert sorted(relative_links(text)) == ["b.svg", "docs/a.md", "e.md", "e.svg", "h/h.md"]
