"""Delivery without Media over QUIC: LL-HLS, HLS and DASH from the same CMAF parts, by an HTTP/1.1 server of our own.

    fabric --frames--> ChannelFeed --parts--> TrackRing --bytes--> Connection --> players
                                                  ^                     |
                                                  +---- Routes <--------+   (one path, one resource; see `routes`)

A channel is filled from the fabric while somebody asks for it, once for all viewers; every part is kept as the bytes
that are sent, and every response has its head written beforehand.
"""
