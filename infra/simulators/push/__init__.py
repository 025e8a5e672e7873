"""The push services of the internet, played strictly: Web Push, APNs, FCM with Google's OAuth 2.

One HTTP/2 server over TLS; what a real service refuses is refused here with the same words, and
faults are injected on request. It runs inside the tests that need it: a browser or phone on a real
stack is reached by its maker's own push service and by nothing else. Sources: realtime.md §6 and
the specifications named in each module.
"""
