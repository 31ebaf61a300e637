"""Media files that tenants upload: sources to pull from, and films to show while nobody publishes.

What a file is, nobody believes its name or its sender: it is cut into pieces in the object store (`storage`), and read
by a process of its own that has limits and nothing to steal (`confined`). Who may do what with it: `operations`.
"""
