"""Readers and writers of all files; the only room that knows formats. Each module loads only what it needs."""
