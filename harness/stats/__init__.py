"""Evidence: pure functions on arrays, no input or output. Import from the modules."""
