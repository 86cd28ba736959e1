"""The machine on which a job runs: GPUs, memory, threads, watchdog and progress."""
