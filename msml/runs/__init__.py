"""Run directories: where a run keeps what it did, and how it is found again."""
