"""The version of the code that makes an artefact follows the code."""

from harness.pipeline.code_version import code_version


def test_comments_and_docstrings_do_not_change_the_version(tmp_path, monkeypatch):
    def version(name, text, helper="def help():\n    return 1\n"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / f"{name}.py").write_text(text)
        monkeypatch.syspath_prepend(str(folder))
        from harness.pipeline import code_version as code

        return code._tree_digest(name)

    plain = version("code_a", "def f():\n    return 1\n")
    assert version("code_b", '"""Doc."""\n# comment\ndef f():\n    """Doc."""\n    return 1\n') == plain
    assert version("code_c", "def f():\n    return 2\n") != plain


def test_version_reaches_what_is_imported():
    from harness.pipeline import code_version as code

    assert "harness.indexes._kernels" in code._reached(("harness.indexes.inverted",))
    assert "harness.errors" not in code._reached(("harness.indexes.inverted",))
    assert code_version(("harness.indexes.inverted",)) != code_version(("harness.indexes.faiss_flat",))
