"""Live channels: publish once at a station, watch everywhere. See README.md for the anatomy of a service."""
