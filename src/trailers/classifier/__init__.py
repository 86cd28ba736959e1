"""Clip vectors -> genre probabilities. Uses arrays, never paths. Import single modules: some need torch, others not."""
