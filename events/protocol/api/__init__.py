"""Shapes of the public HTTP API that its server and its clients share."""
