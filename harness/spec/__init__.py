"""The experiment as typed, frozen models; TOML in, JSON Schema out."""
