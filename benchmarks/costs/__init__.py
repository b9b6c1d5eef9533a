"""Cost guards: what the hot paths cost in instructions and calls, which no noisy clock is needed for.

``python -m benchmarks.costs`` compares what it counts with what ``recorded.json`` says.
"""
