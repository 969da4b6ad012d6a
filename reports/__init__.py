"""Records into evidence that people can read; nothing here measures."""
