"""Measure learned sparse against dense retrieval on a CPU: quality, memory, latency and FLOPs.

A spec says what is compared (`harness.spec`), stages measure it and keep what they make by content
(`harness.pipeline`), and records carry the numbers (`harness.records`) to the reports (`reports`).
"""

__version__ = "0.1.0"
