"""What git does inside the sandbox, as bash scripts.

All of it may be lied to; nothing leaves but bytes on stdout, which the worker checks.
`$HOME/.errand/tree.git` holds the objects and an index of its own, so that the work can be taken
whatever the agent does to /workspace/.git; that one borrows its objects (gitrepository-layout(5),
objects/info/alternates).
"""

from typing import Final

_ALONE: Final = r"""
set -eu -o pipefail
export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_ATTR_NOSYSTEM=1 LC_ALL=C.UTF-8
export GIT_TERMINAL_PROMPT=0 GIT_LFS_SKIP_SMUDGE=1 GIT_OPTIONAL_LOCKS=0
tree="$HOME/.errand/tree.git"
"""

# $1 commit, $2 the shallow file's content; stdin: the pack. Makes tree.git, and nothing else.
# Spelled out rather than made by git init and git config: each of those is a process more.
STORE: Final = (
    _ALONE
    + r"""
rm -rf "$tree"; mkdir -p "$tree/info" "$tree/objects/info" "$tree/objects/pack" "$tree/refs/errand"
printf 'ref: refs/heads/none\n' > "$tree/HEAD"
printf '[core]\n\t%s\n\t%s\n\t%s\n\t%s\n\t%s\n[gc]\n\tauto = 0\n' 'repositoryformatversion = 0' \
  'bare = false' 'fsmonitor = false' 'hooksPath = /dev/null' 'fsync = none' > "$tree/config"
printf '%s\n' '__pycache__/' '*.py[cod]' .pytest_cache/ .mypy_cache/ .ruff_cache/ .hypothesis/ \
  node_modules/ .venv/ .tox/ .DS_Store > "$tree/info/exclude"
[ -z "$2" ] || printf '%s' "$2" > "$tree/shallow"
GIT_DIR="$tree" git index-pack --stdin >/dev/null
printf '%s\n' "$1" > "$tree/refs/errand/base"
"""
)

# $1 and $2 as for STORE, $3 branch, $4 name, $5 address; stdin: the pack. Checks the base out,
# under a .git for the agent.
CHECK_OUT: Final = (
    STORE
    + r"""
cd "$WORKSPACE"
GIT_DIR="$tree" GIT_WORK_TREE="$WORKSPACE" git read-tree --reset -u "$1^{tree}"
git init -q --template= -b "$3" .
mkdir -p .git/info ".git/refs/heads/$(dirname -- "$3")"
printf '%s\n' "$tree/objects" > .git/objects/info/alternates
[ ! -f "$tree/shallow" ] || cp "$tree/shallow" .git/shallow
cp "$tree/info/exclude" .git/info/exclude
cp "$tree/index" .git/index
printf '%s\n' "$1" > ".git/refs/heads/$3"
git config user.name "$4"
git config user.email "$5"
"""
)

# $1 tree; stdin: its pack. Puts a snapshot's tree into the workspace.
RESTORE: Final = (
    _ALONE
    + r"""
cd "$WORKSPACE"
export GIT_DIR="$tree"
git index-pack --stdin --fix-thin >/dev/null
GIT_WORK_TREE="$WORKSPACE" git read-tree --reset -u "$1"
"""
)

# $1 limit in bytes of one file, $2 the tree that was taken last, $3 the base's tree. Writes the
# id of the work's tree and a line end, and then, unless it is $2, the pack of what the base does
# not hold. An embedded repository is taken as the files it holds: git walks into a directory once
# its index knows a file there.
TAKE: Final = (
    _ALONE
    + r"""
cd "$WORKSPACE"
export GIT_DIR="$tree" GIT_WORK_TREE="$WORKSPACE"
rm -f "$tree/index.lock"
nested=() pathspecs=(.)
while IFS= read -r -d '' found; do
  case "$found" in
    n*) nested+=("${found#n./}") ;;
    l*) pathspecs+=(":(exclude,literal)${found#l./}") ;;
  esac
done < <(find . -name .git \( -path ./.git -o -printf 'n%h\0' \) -prune -o \
  -type f -size "+${1}c" -printf 'l%p\0')
for directory in ${nested[@]+"${nested[@]}"}; do
  export GIT_LITERAL_PATHSPECS=1
  [ -z "$(git ls-files -s -- "$directory" | head -n 1)" ] || continue
  ! git check-ignore -q -- "$directory" || continue
  find "$directory" -name .git -prune -o -type f -print0 | while IFS= read -r -d '' file; do
    ! git check-ignore -q -- "$file" || continue
    printf '%s\0' "$file" | git update-index -z --add --stdin && break
  done || true
done
unset GIT_LITERAL_PATHSPECS
code=0
printf '%s\0' "${pathspecs[@]}" | git -c advice.addEmbeddedRepo=false add -A --ignore-errors \
  --pathspec-from-file=- --pathspec-file-nul >/dev/null || code=$?
[ "$code" -le 1 ] || exit "$code"
links() { { grep -z '^160000 ' || true; } | cut -z -f 2- | sort -z; }
if [ "$(git ls-files -s | grep -c '^160000 ')" != 0 ]; then
  comm -z -23 <(git ls-files -s -z | links) <(git ls-tree -r -z "$3" | links) |
    git update-index -z --force-remove --stdin
fi
made=$(git write-tree)
printf '%s\n' "$made"
[ "$made" = "$2" ] || printf '%s\n' "$made" "^$3" |
  git pack-objects --revs --stdout -q --delta-base-offset --threads=1
"""
)
