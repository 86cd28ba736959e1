"""Benchmarks: each runs our way and its baselines in turns, in one process. The pipeline does not import them."""
