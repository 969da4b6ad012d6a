"""Numbers: isolated workers, latency, memory, quality, and the conditions they were taken under."""
