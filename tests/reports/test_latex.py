"""Text that LaTeX prints as it is, whatever it holds."""

import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.latex import _LETTERS, _SIGNS, Tex, breakable, escaped, render

SPECIAL = set("\\&%$#_{}~^")


@given(st.text())
def test_nothing_special_is_left(text):
    plain = escaped(text)
    for sign in sorted(set(_SIGNS.values()) | {"{}"}, key=len, reverse=True):
        plain = Tex(plain.replace(sign, ""))
    assert not SPECIAL & set(plain)
    assert all(char.isascii() or char in _LETTERS for char in plain)


@pytest.mark.parametrize(("text", "wanted"), [
    ("a -- b, 'c'", "a -{}- b, 'c'"), ("x\n\x00\u2028y", "x y"), ("½", "[U+00BD]"), ("ẽ", "e"), ("ﬁ", "fi"), ("é", "é"),
    ("", ""), ("''", "'{}'"), (r"\input{x}", r"\textbackslash{}input\{x\}"),
])  # fmt: skip
def test_ligatures_control_characters_and_what_the_font_lacks(text, wanted):
    assert escaped(text) == wanted


def test_lines_break_behind_commas_and_brackets():
    assert breakable("a--b,,c") == r"a-{}-b,\allowbreak{}{},\allowbreak{}c"
    assert breakable("a[b=1,c] d") == r"a[\allowbreak{}b=1,\allowbreak{}c] d"


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex is installed")
def test_every_character_compiles(tmp_path):
    chars = [*map(chr, range(0x20, 0x180)), *_SIGNS, "検", "🎉", "\ud800", "``", "?`", ",,"]
    text = "\n\n".join(escaped(char) for char in chars)
    (tmp_path / "t.tex").write_text(
        rf"\documentclass{{article}}\usepackage[T1]{{fontenc}}\begin{{document}}{text}\end{{document}}"
    )
    arguments = ["-interaction=nonstopmode", "-halt-on-error", "-draftmode", "t.tex"]
    done = subprocess.run(["pdflatex", *arguments], cwd=tmp_path, capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stdout[-2000:]


def test_templates_escape_all_but_latex():
    text = render(
        "table.tex", sheets=[[]], floats=True, star=Tex(""), caption="50 % & {more}", label=Tex("tab:x"),
    )  # fmt: skip
    assert r"\caption{50 \% \& \{more\}}" in text and r"\label{tab:x}" in text
