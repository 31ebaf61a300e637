"""Revisions of the schema, packed with the code. They name tables of every layer, and import none of them."""
