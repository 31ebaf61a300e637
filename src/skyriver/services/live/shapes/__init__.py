"""What comes in and goes out over HTTP, one module an area: checked and described."""
