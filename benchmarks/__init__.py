"""Speed, memory and decision quality, each measured against a named peer in one run: `python -m benchmarks.NAME [--quick] [--json]`."""
