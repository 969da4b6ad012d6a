"""The machine that is measured on: its environment, conditions and disturbances."""
