"""The folder of a run: the one place that knows its layout."""
