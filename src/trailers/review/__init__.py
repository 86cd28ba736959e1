"""Review: a person looks at the candidates of every title and decides; a page on loopback, and what follows from it."""
