"""Words every layer shares: errors, identifiers, clocks, units, logs, child processes. Imports nothing of ours."""
