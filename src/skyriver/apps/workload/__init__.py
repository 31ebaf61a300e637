"""The child process every workload runs in: `python -m skyriver.apps.workload KIND`."""
