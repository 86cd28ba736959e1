"""Frames -> vectors: rows, weights, one maker per library. Importing these modules does not import torch."""
