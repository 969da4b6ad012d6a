"""From finished stages to records."""
