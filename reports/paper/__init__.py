"""A paper about runs: numbers as macros, tables, figures, the set-up, references, and a script that repeats it."""
