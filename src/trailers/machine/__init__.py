"""The machine a job runs on: GPU, memory, threads, the watchdog, progress. Each exists once."""
