"""What git does inside the sandbox, as bash scripts.

All of it may be lied to; nothing leaves but bytes on stdout, which the worker checks.
`$HOME/.errand/tree.git` holds the objects and an index of its own, so that the work can be taken
whatever the agent does to /workspace/.git; that one borrows its objects (gitrepository-layout(5),
objects/info/alternates).
"""

from typing import Final

DAMAGED: Final = 97

_ALONE: Final = r"""
set -eu -o pipefail
export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_ATTR_NOSYSTEM=1 LC_ALL=C.UTF-8
export GIT_TERMINAL_PROMPT=0 GIT_LFS_SKIP_SMUDGE=1 GIT_OPTIONAL_LOCKS=0
tree="$HOME/.errand/tree.git"
"""

# $1 commit, $2 the shallow file's content; stdin: the pack. Makes tree.git, and nothing else.
STORE: Final = (
    _ALONE
    + r"""
rm -rf "$tree"; mkdir -p "$HOME/.errand"
git init -q --bare --template= "$tree"
mkdir -p "$tree/info"
[ -z "$2" ] || printf '%s' "$2" > "$tree/shallow"
git -C "$tree" index-pack --stdin >/dev/null
git -C "$tree" config core.bare false
git -C "$tree" config core.fsmonitor false
git -C "$tree" config core.hooksPath /dev/null
git -C "$tree" config gc.auto 0
git -C "$tree" update-ref refs/errand/base "$1"
printf '%s\n' '__pycache__/' '*.py[cod]' .pytest_cache/ .mypy_cache/ .ruff_cache/ .hypothesis/ \
  node_modules/ .venv/ .tox/ .DS_Store > "$tree/info/exclude"
"""
)

# $1 commit, $2 branch, $3 name, $4 address. Checks the base out, under a .git for the agent.
CHECK_OUT: Final = (
    _ALONE
    + r"""
cd "$WORKSPACE"
GIT_DIR="$tree" GIT_WORK_TREE="$WORKSPACE" git read-tree --reset -u "$1^{tree}"
git init -q --template= -b "$2" .
mkdir -p .git/objects/info .git/info
printf '%s\n' "$tree/objects" > .git/objects/info/alternates
[ ! -f "$tree/shallow" ] || cp "$tree/shallow" .git/shallow
cp "$tree/info/exclude" .git/info/exclude
cp "$tree/index" .git/index
git update-ref "refs/heads/$2" "$1"
git config user.name "$3"
git config user.email "$4"
"""
)

# $1 tree; stdin: its pack. Puts a snapshot's tree into the workspace.
RESTORE: Final = (
    _ALONE
    + r"""
cd "$WORKSPACE"
git -C "$tree" index-pack --stdin --fix-thin >/dev/null
GIT_DIR="$tree" GIT_WORK_TREE="$WORKSPACE" git read-tree --reset -u "$1"
"""
)

# $1 limit in bytes of one file. Writes the tree's id. An embedded repository is taken as the files
# it holds: git walks into a directory once its index knows a file there.
TAKE_TREE: Final = (
    _ALONE
    + rf"""
cd "$WORKSPACE"
git -C "$tree" cat-file -e 'refs/errand/base^{{tree}}' 2>/dev/null || exit {DAMAGED}
export GIT_DIR="$tree" GIT_WORK_TREE="$WORKSPACE" GIT_LITERAL_PATHSPECS=1
rm -f "$tree/index.lock"
find . -mindepth 2 -name .git -prune -print0 | while IFS= read -r -d '' nested; do
  directory=${{nested#./}}; directory=${{directory%/.git}}
  [ -z "$(git ls-files -s -- "$directory" | head -n 1)" ] || continue
  ! git check-ignore -q -- "$directory" || continue
  find "$directory" -name .git -prune -o -type f -print0 | while IFS= read -r -d '' file; do
    ! git check-ignore -q -- "$file" || continue
    printf '%s\0' "$file" | git update-index -z --add --stdin && break
  done || true
done || true
unset GIT_LITERAL_PATHSPECS
code=0
{{
  printf '.\0'
  find . -name .git -prune -o -type f -size "+${{1}}c" -print0 |
    while IFS= read -r -d '' large; do printf ':(exclude,literal)%s\0' "${{large#./}}"; done
}} | git -c advice.addEmbeddedRepo=false add -A --ignore-errors \
  --pathspec-from-file=- --pathspec-file-nul >/dev/null 2>"$HOME/.errand/complaint" || code=$?
[ "$code" -le 1 ] || {{ cat "$HOME/.errand/complaint" >&2; exit {DAMAGED}; }}
links() {{ {{ grep -z '^160000 ' || true; }} | cut -z -f 2- | sort -z; }}
comm -z -23 <(git ls-files -s -z | links) <(git ls-tree -r -z refs/errand/base | links) |
  git update-index -z --force-remove --stdin
git write-tree
"""
)

# $1 tree. Writes the pack of what the base's tree does not hold.
TAKE_PACK: Final = (
    _ALONE
    + r"""
printf '%s\n' "$1" '^refs/errand/base^{tree}' |
  git -C "$tree" pack-objects --revs --stdout -q --delta-base-offset --threads=1
"""
)
