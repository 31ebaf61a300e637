"""The processes of live channels, one module a kind: each has `async def main(channel, first)`."""
