"""Media between this cloud and other places: what a channel takes from a URL, and what it sends on to other platforms.

`addresses` says which URLs are possible and where they may lead; `rtmp_client` and `rtmp_push` are our RTMP publisher,
which serves both directions; `srt_link` and `srt_push` are our SRT caller; `source` reads a URL with PyAV; `flv` writes
what goes out. The processes are `workloads.pull` and `workloads.push`.
"""
