"""What a manifest and a configuration require: studies, shards, pairs, targets, and what makes a job run again."""
