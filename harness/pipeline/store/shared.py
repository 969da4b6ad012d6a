"""Artefacts in any store that fsspec reaches (a folder, S3, ...), under the same keys and with the same manifests."""

from __future__ import annotations

from pathlib import PurePosixPath

from harness.errors import UserError
from harness.pipeline.store.local import MANIFEST, SEAL, Artefact, Store, described
from harness.pipeline.store.manifest import DamagedError, Manifest, read_manifest


class SharedStore:
    """What several machines keep together. The manifest is written last, so that a lost writer leaves nothing valid.

    Args:
        url: Of fsspec, such as ``s3://bucket/folder`` or a plain folder.

    Raises:
        UserError: The protocol is unknown or its package is missing.
    """

    def __init__(self, url: str) -> None:
        import fsspec

        self.url = url
        try:
            self.files, self.root = fsspec.core.url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise UserError(
                f"cannot reach {url!r}: {error}", key="--artefacts", remedy="give a folder, or install its package"
            ) from None

    def has(self, key: str) -> bool:
        """Whether it is stored."""
        return bool(self.files.exists(self._path(key, MANIFEST)))

    def manifest(self, key: str) -> Manifest | None:
        """The manifest of this artefact; None where there is none.

        Raises:
            DamagedError: It is no manifest.
        """
        try:
            text: bytes = self.files.cat_file(self._path(key, MANIFEST))
        except FileNotFoundError:
            return None
        return read_manifest(text, self._path(key, MANIFEST))

    def push(self, artefact: Artefact) -> None:
        """Copy a finished artefact here; one that is here already is replaced."""
        source = artefact.directory
        names = [str(p.relative_to(source)) for p in sorted(source.rglob("*")) if p.is_file()]
        for name in (*(n for n in names if n not in (MANIFEST, SEAL)), SEAL, MANIFEST):
            target = self._path(artefact.key, name)
            self.files.makedirs(str(PurePosixPath(target).parent), exist_ok=True)
            partial = f"{target}.partial"
            self.files.put_file(str(source / name), partial)
            self.files.mv(partial, target)

    def pull(self, key: str, store: Store) -> Artefact:
        """Copy an artefact into a local store, where it is verified; at once where it is there already.

        Raises:
            DamagedError: It is missing, or is not what its manifest says.
        """
        with store.lock(key):
            try:
                if (there := store.get(key)) is not None:
                    return there
            except DamagedError:
                store.remove(key)
            manifest = self.manifest(key)
            if manifest is None:
                raise DamagedError(f"{self.url} has no artefact {key}")
            with store.unfinished(key) as directory:
                for name in (*manifest.files, SEAL, MANIFEST):
                    target = directory / name
                    if not target.resolve().is_relative_to(directory.resolve()):
                        raise DamagedError(f"{self._path(key, MANIFEST)}: it names a file outside of its folder")
                    target.parent.mkdir(parents=True, exist_ok=True)
                    try:
                        self.files.get_file(self._path(key, name), str(target))
                    except FileNotFoundError:
                        raise DamagedError(f"{self._path(key, name)}: it is missing") from None
                store.directory(key).parent.mkdir(exist_ok=True)
                store.remove(key)  # a folder without a manifest is no artefact, but in the way
                directory.rename(store.directory(key))
            try:
                artefact = store.get(key)
            except DamagedError:
                store.remove(key)
                raise
        assert artefact is not None  # noqa: S101 - it was put there above
        return artefact

    def described(self, key: str, store: Store) -> Artefact | None:
        """The artefact without its files: the facts of its manifest. Its folder may not be there.

        Raises:
            DamagedError: Its manifest is none.
        """
        manifest = self.manifest(key)
        return None if manifest is None else described(manifest, store.directory(key))

    def _path(self, key: str, name: str) -> str:
        return f"{self.root}/objects/{key[:2]}/{key}/{name}"
