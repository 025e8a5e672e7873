"""A forge on this machine: git over HTTP and GitHub's REST API, as strict as GitHub Enterprise.

Called by the embedded stack, so that cloning, pushing and pull requests are real without an
account anywhere. In production its place is taken by GitHub; only the URL and the token differ.
"""
