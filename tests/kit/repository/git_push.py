"""Changes a test makes to a clone, and what the forge holds of them."""

from tests.kit.servers.forge import git_ok


def write_file(clone, name, content="x\n"):
    file = clone / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)


def commit_all(clone, message="work"):
    git_ok("add", "-A", "-f", ".", inside=clone)
    git_ok("commit", "-qm", message, inside=clone)


def remote_refs(forge):
    return git_ok("ls-remote", forge.clone_url("app"))


def tree_of(clone):
    return git_ok("rev-parse", "HEAD^{tree}", inside=clone).strip()
