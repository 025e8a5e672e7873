"""Bash scripts that run git inside the sandbox.

All of it may be lied to; nothing leaves but bytes on stdout, which the worker checks.
`$HOME/.errand/tree.git` holds the objects and an index of its own, so that the work can be taken
whatever the agent does to /workspace/.git; that one borrows its objects (gitrepository-layout(5),
objects/info/alternates).
"""

from typing import Final

ALONE: Final = r"""
set -eu -o pipefail
export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_ATTR_NOSYSTEM=1 LC_ALL=C.UTF-8
export GIT_TERMINAL_PROMPT=0 GIT_LFS_SKIP_SMUDGE=1 GIT_OPTIONAL_LOCKS=0
tree="$HOME/.errand/tree.git"
set_up="$HOME/.errand/set-up"  # what set-up added, as gitignore(5) has it; in .list as it is
export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=core.excludesFile GIT_CONFIG_VALUE_0="$set_up"
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
    ALONE
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
    ALONE
    + r"""
cd "$WORKSPACE"
export GIT_DIR="$tree"
git index-pack --stdin --fix-thin >/dev/null
GIT_WORK_TREE="$WORKSPACE" git read-tree --reset -u "$1"
"""
)

# $1 limit in bytes of one file, $2 the tree that was taken last, $3 the base's tree, $4 the state
# of the files then; stdin: the paths that tools wrote, each ended by NUL. Where the files are as
# they were then (paths, times of change, inodes) it writes a `=` and a line end, and no more.
# Else it writes the id of the work's tree, a blank, the state of the files and a line end; the
# length of the report and a line end; the report; and then, unless the tree is $2, the pack of what
# the base does not hold. The report names what is left out: `<kind> <path>`, each ended by NUL
# (services.worker.workspace.left_out_report).
#
# Two changes within one tick of the kernel's clock (at most 10 ms) may have the same time. So while
# the newest is no older than that, the state is looked at again, and what is still newer then is
# part of no state that comes again.
#
# Taken is what is tracked, what git does not ignore, and of the rest what a tool wrote or the
# agent's own index has. A file that is ignored and that the agent took out of its index is taken
# out. An embedded repository is taken as the files it holds: git walks into a directory once its
# index knows a file there.
#
# A program takes longer to start than to work here, so none is started for nothing: what the base
# holds is listed once, and git lists paths in the order of LC_ALL=C.
TAKE: Final = (
    ALONE
    + r"""
cd "$WORKSPACE"
export GIT_DIR="$tree" GIT_WORK_TREE="$WORKSPACE"
[ ! -e "$tree/index.lock" ] || rm -f "$tree/index.lock"
work="$tree/work"
[ -d "$work" ] || mkdir "$work"
wrote=(); mapfile -d '' -t wrote
: > "$work/report"
report() { printf '%s %s\0' "$1" "$2" >> "$work/report"; }
links() { { grep -z '^160000 ' || true; } | cut -z -f 2-; }
minus() { LC_ALL=C comm -z -23 "$1" "$2"; }
is_file() { [ -f "$1" ] || [ -L "$1" ]; }
not_set_up() {
  if [ ! -s "$set_up.list" ]; then cat; return; fi
  LC_ALL=C sort -z | minus - "$set_up.list"
}
drop() { git update-index -z --force-remove --stdin; }

look() {
  local now=${EPOCHREALTIME:-} since
  now=${now/[.,]/}; since=$((${now:-20000} - 12000))
  state=$(find . -path '*/.git/objects/[0-9a-f][0-9a-f]' -prune -o \( \
    \( -newerct "@${since:0:-6}.${since: -6}" -printf "%i %C@ $now %p\0" -fprintf "$work/new" . -o \
      -printf '%i %C@ %p\0' \) , \
    -path ./.git -o -path '*/.git/*' -o -name .git -fprintf "$work/found" 'n%h\0' -o \
    -type f -size "+${1}c" -fprintf "$work/found" 'l%p\0' \) | git hash-object --stdin)
}

look "$1"
if [ -s "$work/new" ]; then
  read -r -t 0.013 <> <(:) || true
  look "$1"
fi
if [ -n "$4" ] && [ "$state" = "$4" ]; then printf '=\n'; exit 0; fi

: > "$work/agent"
if [ -f .git/objects/info/alternates ] && [ -f .git/index ]; then
  GIT_INDEX_FILE="$WORKSPACE/.git/index" git ls-files -z > "$work/agent" 2>/dev/null ||
    : > "$work/agent"
fi
if [ ! -f "$work/base-$3" ]; then
  git ls-tree -r -z "$3" > "$work/base.new"
  cut -z -f 2- < "$work/base.new" > "$work/paths-$3"
  links < "$work/base.new" > "$work/links-$3"
  mv -f "$work/base.new" "$work/base-$3"
fi
if [ -s "$work/links-$3" ]; then
  if [ -s "$work/agent" ]; then
    GIT_INDEX_FILE="$WORKSPACE/.git/index" git ls-files -s -z | links > "$work/agent-links"
  else
    : > "$work/agent-links"
  fi
  while IFS= read -r -d '' link; do
    [ -d "$link" ] && [ ! -L "$link" ] || continue
    [ -n "$(find "$link" -name .git -prune -o ! -type d -print -quit)" ] || continue
    if [ -s "$work/agent" ] && ! grep -qzxF -e "$link" "$work/agent-links"; then
      printf '%s\0' "$link" | drop  # the agent made files of the submodule
    else
      report submodule "$link"
    fi
  done < "$work/links-$3"
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
done < "$work/found"
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

git ls-files -z > "$work/ours"
if [ -s "$work/agent" ]; then
  git ls-files -z -c -i --exclude-per-directory=.gitignore > "$work/ignored"
  if [ -s "$work/ignored" ]; then
    LC_ALL=C comm -z -12 "$work/paths-$3" "$work/ignored" > "$work/untracked"
    minus "$work/untracked" "$work/agent" | drop
  fi
fi
wanted="$work/agent"
if [ "${#wrote[@]}" -gt 0 ]; then
  wanted="$work/wanted"
  for path in "${wrote[@]}"; do
    case "$path" in */../* | ../* | */./* | *//*) path=$(realpath -ms -- "$path") ;; esac
    path=${path#"$WORKSPACE"/}; path=${path#/workspace/}
    printf '%s\0' "${path#./}"
  done | LC_ALL=C sort -zu - "$work/agent" > "$wanted"
fi
minus "$wanted" "$work/ours" | while IFS= read -r -d '' path; do
  case "$path" in /* | ../* | .git | .git/* | */.git/*) continue ;; esac
  is_file "$path" || continue
  if [ ! -L "$path" ] && [ -n "$(find "./$path" -maxdepth 0 -size "+${1}c")" ]; then
    grep -qzxF -e "too_large $path" "$work/report" || report too_large "$path"
  else
    printf '%s\0' "$path" | git update-index -z --add --stdin 2>/dev/null || report refused "$path"
  fi
done
if [ "${#nested[@]}" -gt 0 ] || [ -s "$work/links-$3" ]; then  # nothing else makes a link
  git ls-files -s -z | links > "$work/new-links"
  minus "$work/new-links" "$work/links-$3" | drop
fi

git status --porcelain -z -uall --ignored=matching --no-renames --ignore-submodules=all |
  { grep -z -E '^.[^ ] ' || true; } > "$work/others"
others=(); mapfile -d '' -t -n 1500 others < "$work/others"
for found in ${others[@]+"${others[@]}"}; do
  [ "${found:0:2}" = '!!' ] || continue
  printf '%s\0' "${found:3}"
done | not_set_up > "$work/ignored"
if [ -s "$work/ignored" ]; then
  { git check-ignore -v -z --stdin < "$work/ignored" || true; } |
    while IFS= read -r -d '' origin && IFS= read -r -d '' _ && IFS= read -r -d '' _ &&
      IFS= read -r -d '' path; do
      case "$origin" in "$tree"/*) report build_output "$path" ;; *) report ignored "$path" ;; esac
    done
fi
for found in ${others[@]+"${others[@]}"}; do
  case "$found" in '!!'* | */) continue ;; esac
  grep -qzxF -e "too_large ${found:3}" "$work/report" || report refused "${found:3}"
done
git ls-files -z -o --directory --exclude-standard > "$work/folders"
folders=(); mapfile -d '' -t -n 500 folders < "$work/folders"
for path in ${folders[@]+"${folders[@]}"}; do
  [ -d "$path" ] && [ ! -L "${path%/}" ] || continue
  [ -n "$(find "./$path" ! -type d -print -quit)" ] || report empty_folder "$path"
done

made=$(git write-tree)
printf '%s %s\n' "$made" "$state"
if [ -s "$work/report" ]; then
  wc -c < "$work/report"
  cat "$work/report"
else
  printf '0\n'
fi
[ "$made" = "$2" ] || printf '%s\n' "$made" "^$3" |
  git pack-objects --revs --stdout -q --delta-base-offset --threads=1
"""
)
