"""From a spec to its stages."""
