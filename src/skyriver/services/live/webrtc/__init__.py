"""WebRTC as a server needs it: signalling by one offer and one answer, ICE-lite and DTLS-SRTP on one UDP port, RTP.

Media is never decoded here: encoded frames come out of packets, or go into them.
"""
