"""What is on disk: the only room that knows formats. Import the modules, each costs only what it needs."""
