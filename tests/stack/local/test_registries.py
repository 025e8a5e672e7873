"""The registries are those that the machine's package managers are configured with."""

import pytest

from infra.local.sandbox.registries import (
    default_index,
    file_urls,
    find_registries,
    host_of,
    sumdb_url,
    urls_in,
)

ANSWERS = {
    ("pip", "config", "list"): "global.index-url='https://ada:secret@pip.example/simple'\n",
    ("npm", "config", "get", "registry"): "https://npm.example/\n",
    ("go", "env", "GOPROXY", "GOSUMDB"): "https://go.example,direct\nsums.example\n",
}
PAGES = {
    "https://pip.example/simple/pip/": '<a href="https://files.example/a.whl#sha256=0">a</a>',
    "https://npm.example/npm/latest": '{"dist": {"tarball": "https://tarballs.example/npm.tgz"}}',
}


def test_package_managers_and_their_indexes_are_asked(tmp_path):
    (tmp_path / ".cargo").mkdir()
    (tmp_path / ".cargo" / "config.toml").write_text(
        '[source.mirror]\nregistry = "sparse+https://cargo.example:8443/index/"\n'
    )
    environment = {"HOME": str(tmp_path), "PIP_EXTRA_INDEX_URL": "http://more.example/simple"}
    found = find_registries(
        environment,
        run=lambda command: ANSWERS.get(command, ""),
        fetch=lambda url: PAGES.get(url, ""),
    )
    assert found == (
        *("cargo.example:8443", "files.example:443", "go.example:443", "more.example:80"),
        *("npm.example:443", "pip.example:443", "sums.example:443", "tarballs.example:443"),
    )


def test_a_machine_without_package_managers_names_none(tmp_path):
    environment = {"HOME": str(tmp_path), "PATH": str(tmp_path)}
    assert find_registries(environment, fetch=lambda _: "") == ()


def test_pips_own_default_is_read_from_its_help():
    text = "  -i, --index-url <url>  Base URL (default https://index.example/simple)."
    assert default_index(text) == ["https://index.example/simple"]


@pytest.mark.parametrize(
    ("text", "urls"),
    [
        ("x='https://u:p@a.example/simple' y", ["https://a.example/simple"]),
        ("https://a.example,http://b.example|direct", ["https://a.example", "http://b.example"]),
        ("file:///opt/wheels off direct", []),
        ("https://", []),
    ],
)
def test_urls_are_found_without_passwords(text, urls):
    assert urls_in(text) == urls


def test_what_is_no_answer_names_nothing():
    assert sumdb_url("https://go.example\noff\n") == []
    assert file_urls("https://a.example/", "not json") == []
    assert file_urls("https://a.example/", "[1]") == []
    assert file_urls("https://a.example/", '{"dl": "https://dl.example/{crate}"}') == [
        "https://dl.example/{crate}"
    ]
    assert host_of("https://[broken/") == ""
