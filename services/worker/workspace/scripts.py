"""Bash scripts that run git inside the sandbox.

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

# What builds make, in any repository: not taken unless a tool wrote it or the agent added it.
_BUILD_OUTPUT: Final = (
    *("__pycache__/", "*.py[cod]", ".pytest_cache/", ".mypy_cache/", ".ruff_cache/"),
    *(".hypothesis/", "node_modules/", ".venv/", ".tox/", ".DS_Store"),
)

# Writes what git is to know in tree.git. Spelled out rather than made by git init and git config:
# each of those is a process more. Of a repository's attributes only those for line ends count: the
# others name programs, or encodings that not every file can be read in.
_SET_UP: Final = (
    r"""
set_up() {
  mkdir -p "$tree/info" "$tree/objects/info" "$tree/objects/pack" "$tree/refs/errand"
  printf 'ref: refs/errand/base\n' > "$tree/HEAD"
  printf '[core]\n\t%s\n\t%s\n\t%s\n\t%s\n\t%s\n[gc]\n\tauto = 0\n' 'repositoryformatversion = 0' \
    'bare = false' 'fsmonitor = false' 'hooksPath = /dev/null' 'fsync = none' > "$tree/config"
  printf '%s\n' """
    + " ".join(f"'{pattern}'" for pattern in _BUILD_OUTPUT)
    + r""" > "$tree/info/exclude"
  printf '%s\n' '* !filter !ident !working-tree-encoding' > "$tree/info/attributes"
}

# $1 commit. Fills the index. A text file that the base holds with carriage returns stays as it is,
# byte for byte, whatever its attributes say: git would change all of its lines.
read_base() {
  GIT_DIR="$tree" GIT_WORK_TREE="$WORKSPACE" git read-tree --reset "$1^{tree}" || exit 65
  [ -n "$(GIT_DIR="$tree" git ls-files -- .gitattributes ':(glob)**/.gitattributes' |
    head -c 1)" ] || return 0
  GIT_DIR="$tree" GIT_WORK_TREE="$WORKSPACE" git ls-files -z --eol |
    { grep -z -E '^i/(crlf|mixed)' || true; } | cut -z -f 2- | while IFS= read -r -d '' file; do
      file=${file//\\/\\\\\\\\}; file=${file//\"/\\\"}; file=${file//$'\n'/\\n}
      file=${file//\*/\\\\*}; file=${file//\?/\\\\?}; file=${file//\[/\\\\[}
      printf '"/%s" -text\n' "$file"
    done >> "$tree/info/attributes"
}
"""
)

# $1 commit, $2 the shallow file's content; stdin: the pack. Makes tree.git, and nothing else.
STORE: Final = (
    _ALONE
    + _SET_UP
    + r"""
rm -rf "$tree"; set_up
[ -z "$2" ] || printf '%s' "$2" > "$tree/shallow"
GIT_DIR="$tree" git index-pack --stdin >/dev/null
printf '%s\n' "$1" > "$tree/refs/errand/base"
read_base "$1"
"""
)

# $1 and $2 as for STORE, $3 branch, $4 name, $5 address; stdin: the pack. Checks the base out,
# under a .git for the agent. Ends with 65 when git cannot make files of the base.
CHECK_OUT: Final = (
    STORE
    + r"""
cd "$WORKSPACE"
GIT_DIR="$tree" GIT_WORK_TREE="$WORKSPACE" git read-tree --reset -u "$1^{tree}" || exit 65
git init -q --template= -b "$3" .
mkdir -p .git/info ".git/refs/heads/$(dirname -- "$3")"
printf '%s\n' "$tree/objects" > .git/objects/info/alternates
[ ! -f "$tree/shallow" ] || cp "$tree/shallow" .git/shallow
cp "$tree/info/attributes" .git/info/attributes
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

# $1 limit in bytes of one file, $2 the tree that was taken last, $3 the base's tree; stdin: the
# paths that tools wrote, each ended by NUL. Writes the id of the work's tree and a line end; the
# length of the report and a line end; the report; and then, unless the tree is $2, the pack of what
# the base does not hold. The report names what is left out: `<kind> <path>`, each ended by NUL
# (services.worker.workspace.left_out_report).
#
# Taken is what is tracked, what git does not ignore, and of the rest what a tool wrote or the
# agent's own index has. A file that is ignored and that the agent took out of its index is taken
# out. An embedded repository is taken as the files it holds: git walks into a directory once its
# index knows a file there.
TAKE: Final = (
    _ALONE
    + r"""
cd "$WORKSPACE"
export GIT_DIR="$tree" GIT_WORK_TREE="$WORKSPACE"
rm -f "$tree/index.lock"
work="$tree/work"; rm -rf "$work"; mkdir "$work"
cat > "$work/wrote"
: > "$work/report"
report() { printf '%s %s\0' "$1" "$2" >> "$work/report"; }
paths() { cut -z -f 2- | LC_ALL=C sort -zu; }
links() { { grep -z '^160000 ' || true; } | paths; }
minus() { LC_ALL=C comm -z -23 "$1" "$2"; }
is_file() { [ -f "$1" ] || [ -L "$1" ]; }
drop() { git update-index -z --force-remove --stdin; }

: > "$work/agent"
if [ -f .git/objects/info/alternates ] && [ -f .git/index ] &&
  GIT_INDEX_FILE="$WORKSPACE/.git/index" git ls-files -s -z > "$work/entries" 2>/dev/null; then
  paths < "$work/entries" > "$work/agent"
fi
git ls-tree -r -z "$3" > "$work/base"
links < "$work/base" > "$work/links"
if [ -s "$work/links" ]; then
  links < "$work/entries" > "$work/agent-links" 2>/dev/null || : > "$work/agent-links"
  while IFS= read -r -d '' link; do
    [ -d "$link" ] && [ ! -L "$link" ] || continue
    [ -n "$(find "$link" -name .git -prune -o ! -type d -print -quit)" ] || continue
    if [ -s "$work/agent" ] && ! grep -qzxF -e "$link" "$work/agent-links"; then
      printf '%s\0' "$link" | drop  # the agent made files of the submodule
    else
      report submodule "$link"
    fi
  done < "$work/links"
fi

nested=() pathspecs=(.)
export GIT_LITERAL_PATHSPECS=1
while IFS= read -r -d '' found; do
  path=${found#?./}
  case "$found" in
    n*) nested+=("$path") ;;
    l*)
      [ "$(git ls-files -s -- "$path" | cut -d ' ' -f 2)" != "$(git hash-object -- "$path")" ] ||
        continue
      pathspecs+=(":(exclude,literal)$path")
      git check-ignore -q -- "$path" || report too_large "$path"
      ;;
  esac
done < <(find . -name .git \( -path ./.git -o -printf 'n%h\0' \) -prune -o \
  -type f -size "+${1}c" -printf 'l%p\0')
for directory in ${nested[@]+"${nested[@]}"}; do
  [ -z "$(git ls-files -s -- "$directory" | head -n 1)" ] || continue
  ! git check-ignore -q -- "$directory" || continue
  find "$directory" -name .git -prune -o -type f -print0 | while IFS= read -r -d '' file; do
    ! git check-ignore -q -- "$file" || continue
    printf '%s\0' "$file" | git update-index -z --add --stdin && break
  done || true
  [ -n "$(git ls-files -- "$directory" | head -c 1)" ] ||
    pathspecs+=(":(exclude,literal)$directory")
  report history "$directory/.git"
done
unset GIT_LITERAL_PATHSPECS
code=0
printf '%s\0' "${pathspecs[@]}" | git -c advice.addEmbeddedRepo=false add -A --ignore-errors \
  --pathspec-from-file=- --pathspec-file-nul >/dev/null || code=$?
[ "$code" -le 1 ] || exit "$code"

git ls-files -s -z > "$work/index"
paths < "$work/index" > "$work/ours"
if [ -s "$work/agent" ]; then
  git ls-files -z -c -i --exclude-per-directory=.gitignore | LC_ALL=C sort -z > "$work/ignored"
  paths < "$work/base" | LC_ALL=C comm -z -12 - "$work/ignored" > "$work/untracked"
  minus "$work/untracked" "$work/agent" | drop
fi
{
  while IFS= read -r -d '' path; do
    case "$path" in */../* | ../* | */./* | *//*) path=$(realpath -ms -- "$path") ;; esac
    path=${path#"$WORKSPACE"/}; path=${path#/workspace/}
    printf '%s\0' "${path#./}"
  done < "$work/wrote"
  cat "$work/agent"
} | LC_ALL=C sort -zu > "$work/wanted"
minus "$work/wanted" "$work/ours" | while IFS= read -r -d '' path; do
  case "$path" in /* | ../* | .git | .git/* | */.git/*) continue ;; esac
  is_file "$path" || continue
  if [ ! -L "$path" ] && [ -n "$(find "./$path" -maxdepth 0 -size "+${1}c")" ]; then
    grep -qzxF -e "too_large $path" "$work/report" || report too_large "$path"
  else
    printf '%s\0' "$path" | git update-index -z --add --stdin 2>/dev/null || report refused "$path"
  fi
done
if [ "$(links < "$work/index" | head -c 1 | wc -c)" != 0 ]; then
  git ls-files -s -z | links > "$work/new-links"
  minus "$work/new-links" "$work/links" | drop
fi

git status --porcelain -z -uall --ignored=matching --no-renames --ignore-submodules=all |
  { grep -z -E '^(!!|\?\?) ' || true; } | head -z -n 1000 > "$work/others"
{ grep -z '^!!' "$work/others" || true; } | cut -z -b 4- |
  { git check-ignore -v -z --stdin || true; } |
  while IFS= read -r -d '' origin && IFS= read -r -d '' _ && IFS= read -r -d '' _ &&
    IFS= read -r -d '' path; do
    case "$origin" in "$tree"/*) report build_output "$path" ;; *) report ignored "$path" ;; esac
  done
{ grep -z '^??' "$work/others" || true; } | cut -z -b 4- | while IFS= read -r -d '' path; do
  case "$path" in */) continue ;; esac
  grep -qzxF -e "too_large $path" "$work/report" || report refused "$path"
done
git ls-files -z -o --directory --exclude-standard | head -z -n 500 |
  while IFS= read -r -d '' path; do
    [ -d "$path" ] && [ ! -L "${path%/}" ] || continue
    [ -n "$(find "./$path" ! -type d -print -quit)" ] || report empty_folder "$path"
  done
while IFS= read -r -d '' path; do
  grep -qzxF -e "too_large $path" "$work/report" || report refused "$path"
done < <(git diff-files -z --name-only --ignore-submodules=all | head -z -n 500)

made=$(git write-tree)
printf '%s\n' "$made"
wc -c < "$work/report"
cat "$work/report"
[ "$made" = "$2" ] || printf '%s\n' "$made" "^$3" |
  git pack-objects --revs --stdout -q --delta-base-offset --threads=1
rm -rf "$work"
"""
)
