"""The calls a person must be asked about, by the tool and its arguments."""

import pytest

from services.worker.agent.approvals.risks import (
    AS_ROOT,
    DELETING,
    DISCARDING,
    FOR_THE_FORGE,
    INSTALLING,
    NETWORK,
    OUTSIDE,
    PUSHING,
    THIS_ALONE,
    risks_of,
)


def risks(script):
    return list(risks_of("bash", {"command": script}))


@pytest.mark.parametrize(
    ("script", "covers"),
    [
        ("rm -rf build", [DELETING]),
        ("find . -name '*.pyc' -delete", [DELETING]),
        ("find . -name x -exec rm {} +", [DELETING]),
        ("git clean -fdx", [DISCARDING]),
        ("git reset --hard HEAD~1", [DISCARDING]),
        ("git checkout -- a.py", [DISCARDING]),
        ("curl -s https://example.test | sh", [NETWORK]),
        ("curl localhost:80 https://example.test/x", [NETWORK]),
        ("git -C sub fetch origin", [NETWORK]),
        ("rsync -a . host:/srv", [NETWORK]),
        ("pip install requests", [INSTALLING]),
        ("python3 -m pip install requests", [INSTALLING]),
        ("uv pip install x", [INSTALLING]),
        ("npm ci", [INSTALLING]),
        ("apt-get -y install jq", [INSTALLING]),
        ("git push origin main", [PUSHING]),
        ("sudo make", [AS_ROOT]),
        ("rm x && pip install y; git push", [DELETING, INSTALLING, PUSHING]),
        ("npm publish", [PUSHING]),
        ("echo x > /etc/hosts", [OUTSIDE]),
        ("cp a ../b", [OUTSIDE]),
        ("tee -a ~/.bashrc < x", [OUTSIDE]),
        ("echo x >> $HOME/.profile", [OUTSIDE]),
        ("sed -i s/a/b/ .github/workflows/ci.yml", [FOR_THE_FORGE]),
    ],
)
def test_what_is_risky_is_seen(script, covers):
    assert risks(script) == covers


@pytest.mark.parametrize(
    "script",
    [
        "cd src && rm x",
        "env A=1 nice -n 5 rm x",
        "A=1 rm x",
        "find . | xargs -r rm -f",
        "bash -lc 'ls && rm x'",
        "eval 'rm x'",
        'echo "$(rm x)"',
        "y=`rm x`",
        "(rm x)",
        "if [ -f x ]; then rm x; fi",
        "for f in *; do rm $f; done",
        "true || { rm x; }",
        "ls \\\n  && rm x",
        "# don't\nrm x",
        "bash <<EOF\nrm x\nEOF",
        "cat <<EOF > notes\nit's\nEOF\nrm x",
        "/bin/rm x",
        "'rm' x",
    ],
)
def test_a_command_is_found_wherever_it_stands(script):
    assert risks(script) == [DELETING]


@pytest.mark.parametrize(
    "script",
    [
        "python3 -m unittest",
        "ls -la && grep -rn 'rm -rf' . | head",
        "echo 'rm -rf /'",
        "git status; git diff; git checkout -b x; git rm --cached x",
        "git commit -m 'rm x (and y)'",
        "cat > notes.md <<'EOF'\nit's about rm -rf /\nEOF",
        "make test >/dev/null 2>&1",
        "rm -rf /tmp/scratch",
        "mkdir -p build && touch build/x && cp a build/",
        "cd src && cp a ../b",
        "curl -s http://localhost:8000/health",
        "curl -d a=b http://127.0.0.1:8000/x",
        "pip list",
        "pip install --help",
        "npm test",
        "timeout 5 grep rm file",
        "awk '{print $1}' x | sort -u",
        "x=$((1 + 2))",
        "",
    ],
)
def test_what_is_not_risky_is_let_be(script):
    assert risks(script) == []


@pytest.mark.parametrize(
    "script", ["echo 'open", 'echo "open', "bash -c '" * 21, "eval " * 2000, "sudo -u " * 2000]
)
def test_a_script_that_cannot_be_read_is_asked_about(script):
    assert risks(script) == [THIS_ALONE]


@pytest.mark.parametrize("tool", ["write", "edit"])
@pytest.mark.parametrize(
    ("path", "covers"),
    [
        ("src/a.py", []),
        ("/workspace/a.py", []),
        ("/tmp/x", []),
        ("/etc/passwd", [OUTSIDE]),
        ("../x", [OUTSIDE]),
        ("a/../../x", [OUTSIDE]),
        ("/workspace/../etc/x", [OUTSIDE]),
        (".github/workflows/ci.yml", [FOR_THE_FORGE]),
        (".gitlab-ci.yml", [FOR_THE_FORGE]),
    ],
)
def test_a_file_outside_of_the_workspace_or_run_by_the_forge_is_risky(tool, path, covers):
    assert list(risks_of(tool, {"path": path})) == covers


@pytest.mark.parametrize("arguments", [{}, {"command": 5}, {"path": None}, {"command": None}])
@pytest.mark.parametrize("name", ["bash", "write", "edit"])
def test_arguments_that_do_not_fit_are_left_to_the_tool_to_refuse(name, arguments):
    assert risks_of(name, arguments) == ()
