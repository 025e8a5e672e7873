"""Simulators of push services, as strict as these: Web Push, APNs, FCM with Google's OAuth 2.

One HTTP/2 server over TLS; what a real service refuses is refused here with the same words, and
faults are injected on request. It runs inside the tests that need it: a browser or phone on a real
stack is reached by its maker's own push service and by nothing else. Sources: the
specifications named in each module.
"""
