"""Benchmarks: our way and its baselines in one run, taking turns. Imported by nothing."""
