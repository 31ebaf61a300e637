"""Live captions: lines that a captioner sends while a show is on the air, by language.

```
captioner --HTTP--> API --bus--> transcoder and its standby --`captions-<language>`--> relays --> MoQ viewers
                                                                                         +--> delivery: WebVTT
```

The track is one of the `live` broadcast, written by whoever writes the pictures: one catalog tells viewers of all, a
standby that takes over has heard every cue, and nothing new can fail between a cue and the picture it belongs to. A
cue is never stored. What a channel has in its row is which languages there are, so that they are on offer from a
show's first second.
"""
