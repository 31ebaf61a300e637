"""Webhooks: a tenant's own programs are told what happened, signed, and again until they have heard it."""
