"""What stands between a fresh checkout and a running Skyriver: the environment, the console's build, the checks.

Standard library only: it runs before anything is installed, on any Python from 3.11.
"""
