"""What a run looked like: its report, the tables and figures of the paper. HTML stands in templates only."""
