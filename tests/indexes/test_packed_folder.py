"""A folder of files is the same after it was one file, and zeros take no room."""

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.indexes._packed_folder import BLOCK, bytes_by_file, pack_folder, unpack_folder

PIECES = st.lists(st.tuples(st.sampled_from([b"\0", b"x", b"\0y"]), st.integers(0, 2 * BLOCK + 1)), max_size=4)


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.sampled_from(["a", "b.dat", "c/d", "c/e/f"]), PIECES))
def test_a_folder_comes_back_as_it_was(tmp_path_factory, files):
    folder, packed, again = (tmp_path_factory.mktemp(name) for name in ("folder", "packed", "again"))
    contents = {name: b"".join(text * count for text, count in pieces) for name, pieces in files.items()}
    for name, content in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    entries = pack_folder(folder, packed / "all")
    unpack_folder(packed / "all", entries, again)
    assert {str(p.relative_to(again)): p.read_bytes() for p in again.rglob("*") if p.is_file()} == contents
    blocks = [content[i : i + BLOCK] for content in contents.values() for i in range(0, len(content), BLOCK)]
    assert (packed / "all").stat().st_size == sum(len(block) for block in blocks if any(block))
    assert sum(bytes_by_file(folder).values()) == (packed / "all").stat().st_size
