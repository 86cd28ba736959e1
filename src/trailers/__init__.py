"""Staged feature extraction and genre classification for movie trailers, after Trailers12k / DIViTA."""

__version__ = "0.1.0"
