"""The store that keeps artefacts by content, on this machine or shared."""
