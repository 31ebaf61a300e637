"""Measurements on a running cloud: headless viewers, drills and benchmarks that print tables."""
