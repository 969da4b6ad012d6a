"""A run folder of a hostile colleague: every text of its files that a reader lets pass carries attacks."""

import json
import re
from html.parser import HTMLParser

from harness.claims.judge_run import claims_of
from harness.errors import UserError
from harness.history import entry_of
from harness.runs.read import load_run

TAG = "attack-tag"
POISONS = (
    f'"\'><{TAG} onload="x">',
    "\x1b[2J\x07\u202e\r\n",
    "\\input{x}%$#&_^{~",
    "[l](javascript:x)",
)
"""For pages, terminals, LaTeX and Markdown."""
POISON = "".join(POISONS)
FORMULA = "=cmd|'x'!A0"
"""For spreadsheets: it must stand at the beginning."""
FILES = ("run.json", "records.jsonl", "per_query.jsonl", "explain.jsonl", "conditions.jsonl", "training.jsonl")


def poisoned(folder):
    """Put `FORMULA` before and `POISON` after each text that a run still opens with; how many there are.

    A system's name is the same text in all files, so the same change keeps them together.
    """
    count = 0
    contents = {name: (folder / name).read_text() for name in FILES if (folder / name).is_file()}
    texts = {text for content in contents.values() for text in _texts(content)}
    for text in sorted(texts, key=lambda text: (-len(text), text)):
        changed = {name: _replaced(content, text) for name, content in contents.items()}
        try:
            _write(folder, changed)
            claims_of(load_run(folder))
            entry_of(folder)
        except UserError:
            continue
        contents, count = changed, count + 1
    _write(folder, contents)
    return count


def attacks_in_page(page):
    """Elements, attributes and addresses of a page that come from `POISON`."""
    found = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attributes):
            if tag == TAG or any(name.startswith("on") for name, _ in attributes):
                found.append((tag, attributes))
            found.extend(
                value
                for name, value in attributes
                if name in {"href", "src"} and "attack" in (value or "#") and value[0] != "#"
            )
            found.extend(value for _, value in attributes if (value or "").strip().lower().startswith("javascript:"))

    Reader(convert_charrefs=True).feed(page)
    return found


def attacks_on_terminal(text):
    """Characters that steer a terminal; lines, tabs and the colours of our own tables are not."""
    text = re.sub("\x1b\\[[0-9;]*m", "", text)
    return re.findall("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)


def attacks_in_latex(text):
    """Commands of `POISON` that LaTeX would run, and signs of it that are not escaped."""
    return re.findall(r"\\input|\{x\}%|(?<!\\)\$#", text)


def _texts(content):
    def below(value):
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            for inner in value.values():
                yield from below(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from below(inner)

    for row in [json.loads(content)] if content.startswith("{\n") else map(json.loads, content.splitlines()):
        yield from below(row)


def _replaced(content, text):
    def below(value):
        if value == text and isinstance(value, str):
            return f"{FORMULA}{value[:40]}{POISON}"
        if isinstance(value, dict):
            return {name: below(inner) for name, inner in value.items()}
        return [below(inner) for inner in value] if isinstance(value, list) else value

    return "".join(json.dumps(below(json.loads(line))) + "\n" for line in content.splitlines())


def _write(folder, contents):
    for name, content in contents.items():
        (folder / name).write_text(content)
