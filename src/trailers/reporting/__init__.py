"""The report of a run, the tables and figures of the paper, pages of trailers. HTML is in templates only."""
