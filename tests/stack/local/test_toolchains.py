"""The toolchains of a machine that its sandboxes show: found by looking, never Errand's own."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from infra.local.sandbox.toolchains import find_toolchains

LANDMARKS = {
    "python3": "lib/python3.12/os.py",
    "node": "lib/node_modules/npm/package.json",
    "go": "pkg/tool/linux_amd64/compile",
    "rustc": "lib/rustlib/components",
    "java": "release",
    "mvn": "boot/plexus.jar",
    "gradle": "lib/gradle-core-8.0.jar",
}
NOWHERE = Path("/nonexistent")


def put(file: Path, text: str = "") -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def install(root: Path, program: str, *, landmark: str = "") -> Path:
    put(root / "bin" / program)
    put(root / (landmark or LANDMARKS[program]))
    return root


def python(root: Path, version: str) -> Path:
    return install(root, "python3", landmark=f"lib/python{version}/os.py")


def environment(home: Path, *search: Path) -> Mapping[str, str]:
    return {"HOME": str(home), "PATH": ":".join(map(str, search))}


@pytest.mark.parametrize("program", LANDMARKS)
def test_what_is_on_the_persons_path_is_shown_with_all_it_needs(
    tmp_path: Path, program: str
) -> None:
    root = install(tmp_path / "tools/one", program)
    link = tmp_path / "links" / program
    link.parent.mkdir()
    link.symlink_to(root / "bin" / program)
    found = find_toolchains(environment(tmp_path, link.parent), base=NOWHERE, own=())
    assert root in found


@pytest.mark.parametrize(
    ("place", "program"),
    [
        (".pyenv/versions/3.12.1", "python3"),
        (".local/share/uv/python/cpython-3.12.1-linux-x86_64-gnu", "python3"),
        (".nvm/versions/node/v22.1.0", "node"),
        (".local/share/fnm/node-versions/v22.1.0/installation", "node"),
        (".volta/tools/image/node/22.1.0", "node"),
        ("sdk/go1.24.1", "go"),
        (".rustup/toolchains/stable-x86_64-unknown-linux-gnu", "rustc"),
        (".sdkman/candidates/java/current", "java"),
    ],
)
def test_what_version_managers_keep_is_found_without_their_shims_on_the_path(
    tmp_path: Path, place: str, program: str
) -> None:
    root = install(tmp_path / place, program)
    shim = put(tmp_path / "shims" / program, "#!/bin/sh\n")
    found = find_toolchains(environment(tmp_path, shim.parent), base=NOWHERE, own=())
    assert root in found
    assert tmp_path / "shims" not in found


def test_the_newest_is_shown_unless_the_person_chose_another(tmp_path: Path) -> None:
    for version in ("v9.1.0", "v22.1.0", "v20.11.0"):
        install(tmp_path / ".nvm/versions/node" / version, "node")
    for channel in ("nightly", "stable"):
        install(tmp_path / ".rustup/toolchains" / channel, "rustc")
    put(tmp_path / ".rustup/settings.toml", 'default_toolchain = "stable"\n')
    found = find_toolchains(environment(tmp_path), base=NOWHERE, own=())
    assert [path.name for path in found] == ["v22.1.0", "stable"]


def test_one_python_of_each_version_is_shown_and_the_chosen_one_comes_first(
    tmp_path: Path,
) -> None:
    versions = tmp_path / ".pyenv/versions"
    for version in ("3.6.15", "3.11.2", "3.11.7", "3.12.1", "3.13.0"):
        python(versions / version, version.rpartition(".")[0])
    put(tmp_path / ".pyenv/version", "3.12.1\n")
    found = find_toolchains(environment(tmp_path), base=NOWHERE, own=())
    assert [path.name for path in found] == ["3.12.1", "3.13.0", "3.11.7"]


def test_the_interpreter_that_errand_was_made_from_does_where_there_is_no_other(
    tmp_path: Path,
) -> None:
    base = python(tmp_path / "opt/python", "3.11")
    assert find_toolchains(environment(tmp_path), base=base, own=()) == (base,)


@pytest.mark.parametrize("place", ["home/errand", "opt/errand", "tmp/errand", "home/.errand/src"])
def test_an_installation_of_our_own_is_not_shown_wherever_it_lies(
    tmp_path: Path, place: str
) -> None:
    own = tmp_path / place
    environment_of_ours = python(own / ".venv", "3.12")
    put(own / ".venv/pyvenv.cfg")
    put(own / ".venv/bin/uv").write_bytes(b"\x7fELF")
    install(own / "tools/node", "node")
    search = (environment_of_ours / "bin", own / "tools/node/bin")
    found = find_toolchains(
        environment(tmp_path / "home", *search), base=environment_of_ours, own=(own,)
    )
    assert found == ()


def test_a_directory_that_holds_an_installation_of_our_own_is_not_shown(tmp_path: Path) -> None:
    outer = python(tmp_path / "everything", "3.12")
    own = tmp_path / "everything/errand"
    search = environment(tmp_path / "home", outer / "bin")
    assert find_toolchains(search, base=NOWHERE, own=(own,)) == ()


def test_the_persons_home_is_not_shown_for_the_sake_of_a_program_in_it(tmp_path: Path) -> None:
    python(tmp_path, "3.12")
    python(tmp_path / "project/.venv", "3.12")
    put(tmp_path / "project/.venv/pyvenv.cfg")
    search = environment(tmp_path, tmp_path / "bin", tmp_path / "project/.venv/bin")
    assert find_toolchains(search, base=NOWHERE, own=()) == ()


def test_a_program_that_is_one_file_is_shown_alone(tmp_path: Path) -> None:
    programs = tmp_path / ".local/bin"
    put(programs / "uv").write_bytes(b"\x7fELF rest")
    put(programs / "rg", "#!/some/environment/python\n")
    put(programs / "secret").write_bytes(b"\x7fELF rest")
    found = find_toolchains(environment(tmp_path, programs), base=NOWHERE, own=())
    assert found == (programs / "uv",)


def test_an_empty_environment_shows_nothing(tmp_path: Path) -> None:
    assert find_toolchains({}, base=NOWHERE, own=()) == ()
    assert find_toolchains(environment(tmp_path), base=Path("/usr"), own=()) == ()
