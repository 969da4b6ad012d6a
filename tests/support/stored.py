"""Artefacts that tests put into a store."""

KEY = "a" * 64


def keep(store, key=KEY, *, files=None, kind="build", label="build x", result=None, seconds=2.0):
    """Store an artefact with these files ({path: bytes}); returns it."""
    with store.unfinished(key) as directory:
        for name, content in ({"x.txt": b"content"} if files is None else files).items():
            path = directory / "files" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return store.commit(
            directory, key=key, kind=kind, label=label, recipe={}, result={"n": 1} if result is None else result,
            seconds=seconds, peak_bytes=3 << 20,
        )  # fmt: skip
