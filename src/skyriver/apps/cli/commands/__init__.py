"""One module a noun; each registers its commands with the program."""
