"""Frames -> vectors: rows, weights, a maker a library. Import the modules; none imports torch by itself."""
