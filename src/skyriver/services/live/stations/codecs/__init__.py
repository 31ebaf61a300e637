"""What stations read of the codecs they take: sizes, rates and profiles, never pictures."""
