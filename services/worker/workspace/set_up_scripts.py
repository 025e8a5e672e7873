"""Bash scripts for what a set-up added to the workspace and the home directory.

They run inside the sandbox, like those of services.worker.workspace.scripts, and may be lied to
like them: a pack is made in a sandbox, and opened in one. Added is what git does not track, below
/workspace, and all of the home directory but what is Errand's own.
"""

from typing import Final

from services.worker.workspace.scripts import ALONE

# What package managers have downloaded, and keep beside what they installed from it.
_DOWNLOADS: Final = (
    *(".cache/pip", ".cache/uv", ".cache/yarn", ".npm/_cacache", ".npm/_logs"),
    *(".cache/pypoetry/artifacts", ".cache/pypoetry/cache", ".local/share/pnpm/store"),
)

_BEGIN: Final = (
    ALONE
    + r"""
cd "$WORKSPACE"
export GIT_DIR="$tree" GIT_WORK_TREE="$WORKSPACE"
own=(! -name .errand ! -name .errand_shell)
"""
)

# Puts back the files of the repository that set-up changed, and writes down what it added, so that
# neither counts as the agent's work. Writes the paths put back, each ended by NUL.
FINISH: Final = (
    _BEGIN
    + r"""
rm -f "$tree/index.lock"
git update-index -q --really-refresh >/dev/null 2>&1 || true
changed="$HOME/.errand/changed"
git diff-files -z --name-only --ignore-submodules=all > "$changed"
if [ -s "$changed" ]; then git checkout-index -z -f -u --stdin < "$changed"; fi
added=(-o --directory --no-empty-directory --exclude-per-directory=.gitignore)
{ git ls-files -z "${added[@]}" || true; } |
  head -z -n 2000 | LC_ALL=C sort -z > "$set_up.list"
while IFS= read -r -d '' path; do
  case "$path" in *$'\n'*) continue ;; esac
  path=${path//\\/\\\\}; path=${path//\*/\\*}; path=${path//\?/\\?}; path=${path//\[/\\[}
  printf '/%s\n' "${path/% /\\ }"
done < "$set_up.list" > "$set_up"
if [ -d .git/info ] && [ -s "$set_up" ]; then cat "$set_up" >> .git/info/exclude; fi
head -z -n 200 "$changed"
"""
)

# Arguments: the paths to keep, `~/` for the home directory; none: all that was added. Writes a tar.
PACK: Final = (
    _BEGIN
    + r"""
list="$HOME/.errand/packed"
inside() { while IFS= read -r -d '' path; do printf '%s/%s\0' "$WORKSPACE" "${path%/}"; done; }
{
  if [ $# = 0 ]; then
    git ls-files -z -o --directory | inside
    find "$HOME" -mindepth 1 -maxdepth 1 "${own[@]}" -print0
  fi
  for path; do
    case "$path" in
      '~/'*) [ ! -e "$HOME/${path:2}" ] || printf '%s\0' "$HOME/${path:2}" ;;
      *) git ls-files -z -o --directory -- ":(top,literal)${path%/}" | inside ;;
    esac
  done
} | cut -z -b 2- | LC_ALL=C sort -zu > "$list"
skipped=()
for path in """
    + " ".join(_DOWNLOADS)
    + r"""; do skipped+=("--exclude=${HOME:1}/$path"); done
exec tar --create --file=- --directory=/ --sort=name --numeric-owner --format=posix \
  --pax-option=delete=atime,delete=ctime --anchored --no-wildcards "${skipped[@]}" \
  --null --verbatim-files-from --files-from="$list"
"""
)

# stdin: a tar that PACK made.
UNPACK: Final = r"""
exec tar --extract --file=- --directory=/ --preserve-permissions --no-same-owner \
  --delay-directory-restore
"""

# Removes what was added: the workspace is as it was checked out.
CLEAR: Final = (
    _BEGIN
    + r"""
remove() { chmod -R u+w -- "$1" 2>/dev/null || true; rm -rf -- "$1"; }
git ls-files -z -o --directory | while IFS= read -r -d '' path; do remove "./${path%/}"; done
find "$HOME" -mindepth 1 -maxdepth 1 "${own[@]}" -print0 |
  while IFS= read -r -d '' path; do remove "$path"; done
"""
)

# Describes what set-up runs in: the system, and the programs that it is likely to use.
DESCRIBE: Final = r"""
uname -m
cat /etc/os-release 2>/dev/null
for name in python3 uv poetry node npm pnpm yarn go cargo rustc ruby java mvn gradle gcc; do
  found=$(command -v "$name") && stat -L -c '%n %s %Y' -- "$found"
done
"""
