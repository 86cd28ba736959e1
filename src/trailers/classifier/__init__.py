"""Clip vectors -> genre probabilities. Sees arrays, never paths. Import the modules, each costs only what it needs."""
