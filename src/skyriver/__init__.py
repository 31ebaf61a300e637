"""Skyriver: a cloud for live things that runs on its owner's own machines."""

__version__ = "0.1.0"
