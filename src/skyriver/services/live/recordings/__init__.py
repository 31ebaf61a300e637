"""Recordings of channels: their settings, shows, clips, retention and playback, as tenants see them."""
