"""Workloads that the platform itself brings: the relay, and the probe."""
