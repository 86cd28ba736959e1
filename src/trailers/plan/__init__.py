"""What a manifest and a configuration ask for: studies, shards, pairs, targets, and what makes a job run again."""
