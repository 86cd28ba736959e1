"""Review: a page on loopback on which a person chooses among the candidates of each title, and its results."""
