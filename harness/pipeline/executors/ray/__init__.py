"""The executor that runs stages on a Ray cluster."""
