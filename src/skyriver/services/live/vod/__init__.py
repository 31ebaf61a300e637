"""Playing what was recorded: playlists, media, pictures and MP4 files out of the object store.

Nothing here knows how it is served: a path of a recording goes in, bytes come out (see `source`).
"""
