"""Folders of vectors, as stages leave them."""

from harness.vectors import VectorsWriter


def write_vectors(directory, kind, columns, blocks):
    """Write all blocks into a new folder; see `VectorsWriter`."""
    directory.mkdir(parents=True, exist_ok=True)
    writer = VectorsWriter(directory, kind, columns)
    for block in blocks:
        writer.append(block)
    return writer.close()
