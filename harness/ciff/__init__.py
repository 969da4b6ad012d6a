"""Exchange with other engines in the Common Index File Format."""
