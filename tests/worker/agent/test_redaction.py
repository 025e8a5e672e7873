"""No secret leaves a worker, however it is spelled and wherever it is cut."""

import textwrap
import time
from base64 import b32encode, b64encode, urlsafe_b64encode
from urllib.parse import quote

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from events import ModelReplied, ToolCompleted, Usage
from services.worker.agent.text.redaction import Redactor, secrets_in
from services.worker.effects.live_output import LiveOutput
from tests.kit.build.worker_history import SUBMITTED
from tests.kit.fakes.fake_sandbox import printed
from tests.kit.fakes.worker_world import Bench, called, said
from tests.kit.run.driven_workers import driven

TOKEN = "bt_3+/=&%?f00dcafe" + "Zz9-" * 9
SEED = "SU" + b32encode(b"\1" * 35).decode()
CREDS = f"-----BEGIN NATS USER JWT-----\neyJhbGciOiJl.{'x' * 40}.{'y' * 40}\n{SEED}\n------END"
KEYS = [
    "sk-ant-api03-" + "a1-_" * 20,
    "sk-proj-" + "a1_-" * 12,
    "sk-" + "a1B2" * 12,
    "ghp_" + "A1b2" * 9,
    "gho_" + "A1b2" * 9,
    "ghs_" + "A1b2" * 9,
    "github_pat_" + "A1b2_" * 15,
    "glpat-" + "x1Y2-" * 4,
    "AKIA" + "ABCD1234EFGH5678",
    "xoxb-123456789012-abcdefABCDEF",
    "AIza" + "a1B2-" * 7,
    "npm_" + "a1B2" * 9,
    "pypi-" + "AgEIcHlwaS5vcmc" * 3,
    "SG." + "a1B2" * 5 + "." + "c3D4" * 10,
    "sk_live_" + "a1B2" * 6,
    "errand_live_" + "A1b2C3" * 6,
    "errand_refresh_" + "A1b2C3-_" * 5 + "xyz",
    "errand_secrets_key_" + "A1b2C3-_" * 5 + "xyz",
    "share_" + "A1b2C3-_" * 5 + "xyz",
    "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxMjM0In0" + "." + "abcDEF123_-" * 3,
    "aws_secret_access_key = " + "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
]
BODY = "\n".join(["MIIEpAIBAAKCAQEA" + "aB3/" * 12] * 5)
PEM = f"-----BEGIN RSA PRIVATE KEY-----\n{BODY}\n-----END RSA PRIVATE KEY-----"


@pytest.fixture
def redactor():
    return Redactor({"broker-token": TOKEN, "nats-credentials": CREDS})


def spelled(secret):
    raw = secret.encode()
    yield from (secret, raw.hex(), raw.hex().upper(), quote(secret, safe=""))
    for lead in range(3):
        yield b64encode(b"x" * lead + raw).decode()
        yield urlsafe_b64encode(b"x" * lead + raw).decode()
        yield "\n".join(textwrap.wrap(b64encode(b"x" * lead + raw).decode(), 76))


@pytest.mark.parametrize("text", [*spelled(TOKEN), *spelled(SEED)])
def test_a_secret_of_the_task_is_redacted_in_every_spelling(redactor, text):
    shown = redactor.text(f"before {text} after")

    assert "[redacted:" in shown
    assert not any(text[at : at + 16] in shown for at in range(8, len(text) - 24))
    assert shown.startswith("before ")
    assert shown.endswith(" after")


def test_of_credentials_the_lines_that_hold_secrets_are_redacted(redactor):
    assert redactor.text(f"x {CREDS} y") == "x [redacted:nats-credentials] y"
    assert redactor.text("\n".join(CREDS.split("\n")[1:])) == (
        "[redacted:nats-credentials]\n[redacted:nats-credentials]\n------END"
    )


@pytest.mark.parametrize("key", KEYS)
def test_a_key_of_a_well_known_shape_is_redacted(key):
    shown = Redactor().text(f'X="{key}"\n')

    assert key.split(" ")[-1] not in shown
    assert shown.count("[redacted:") == 1
    assert shown.endswith('"\n')


@pytest.mark.parametrize(
    "text",
    [
        "task-ant-hill sk-learn risk-averse-people disk-usage",
        "ghp_short AKIA short npm_config_cache pypi-server xoxo",
        "errand_session_cookies share_target errand_web_app_is_built share_" + "a" * 60,
        "a" * 64,
        "sha256:" + "0123456789abcdef" * 4,
        "-----BEGIN CERTIFICATE-----\nMIID\n-----END CERTIFICATE-----",
        "see -----BEGIN PUBLIC KEY-----",
    ],
)
def test_what_is_no_secret_stays(redactor, text):
    assert redactor.text(text) == text


def test_a_private_key_is_redacted_and_a_diff_around_it_still_fits():
    for margin in ("", "+", " "):
        text = "\n".join(margin + line for line in f"a = 1\n{PEM}\nb = 2".split("\n"))
        shown = Redactor().text(text)
        assert "MIIE" not in shown
        assert "aB3/" not in shown
        assert "[redacted:private-key]" in shown
        assert shown.count("\n") == text.count("\n")
        assert all(line.startswith(margin) for line in shown.split("\n"))
    assert "MIIE" not in Redactor().text("\n".join(PEM.split("\n")[:3]))


def test_a_private_key_may_be_cut_anywhere():
    text = f"a = 1 {PEM}\nb = 2"
    whole = Redactor().text(text)
    for cut in range(len(text) + 1):
        stream = Redactor().stream()
        assert stream.take(text[:cut]) + stream.take(text[cut:]) + stream.end() == whole


@given(st.data())
def test_a_text_in_pieces_shows_no_more_than_the_whole(data):
    redactor = Redactor({"broker-token": TOKEN})
    words = ["plain ", "\n", "s", "sk-", "eyJ", "-----BEGIN ", TOKEN, TOKEN[:9], *KEYS, f"{PEM}\n"]
    words += [f"{each}\n" for each in spelled(TOKEN)]
    text = " ".join(data.draw(st.lists(st.sampled_from(words), max_size=6)))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    stream = redactor.stream()

    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    shown = "".join(map(stream.take, pieces)) + stream.end()

    assert shown == redactor.text(text)


def test_plain_words_are_shown_at_once():
    stream = Redactor().stream()

    assert stream.take("Hello, you") == "Hello, you"
    assert stream.take(" there.\nNow") == " there.\nNow"


@pytest.mark.parametrize(
    "text",
    [
        "eyJ-" * 500_000,
        "-----BEGIN RSA PRIVATE KEY-----\n" * 60_000,
        "aws secret " * 180_000,
        "ghp_" * 500_000,
        TOKEN[:9] * 200_000,
        "a" * 2_000_000,
        "sk-ant-" * 280_000,
        "errand_a" * 250_000,
        "errand_" * 280_000,
    ],
)
def test_a_hostile_text_takes_no_longer_than_its_length(text):
    redactor = Redactor({"broker-token": TOKEN})
    began = time.perf_counter()
    redactor.text(text)
    assert time.perf_counter() - began < 5


def test_the_secrets_of_an_environment_are_known_by_their_names():
    found = secrets_in({"CLAIM_CODE": "c", "PATH": "/bin", "Api_Token": "t", "GATEWAY_URL": "u"})
    assert found == {"CLAIM_CODE": "c", "Api_Token": "t"}


async def test_live_output_is_redacted_across_its_pieces():
    heard = []

    async def say(item):
        heard.append(msgspec.json.decode(item))

    live = LiveOutput("task_1", say, redactor=Redactor({"broker-token": TOKEN}))
    show = live.output("c")
    for character in f"token: {TOKEN} and {KEYS[0]} end":
        show(character.encode())
        await live.flush()
    await live.end()

    told = "".join(item["text"] for item in heard)
    assert told == "token: [redacted:broker-token] and [redacted:anthropic-key] end"
    assert [item["offset"] for item in heard] == [
        sum(len(before["text"]) for before in heard[:place]) for place in range(len(heard))
    ]


async def test_nothing_that_a_task_keeps_has_a_secret_in_it():
    leak = f"{TOKEN} {KEYS[0]} {PEM}"
    submit = {"summary": leak, "title": f"Fix {KEYS[3]}", "body": leak}
    bench = Bench(
        called(("a", "bash", {"command": "leak"}), ("b", "bash", {"command": f"echo {KEYS[3]}"})),
        called(("w", "write", {"path": "f", "content": f"{KEYS[0]}\n"})),
        said(f"I saw {leak}"),
        called(("s", "submit", submit)),
        files={"f": "x\n"},
    )
    redactor = Redactor({"broker-token": TOKEN})
    bench.sandbox.scripts["leak"] = printed(f"{leak}\n" * 400)
    await bench.append(SUBMITTED)
    context, task_history = bench.context, bench.task_history
    bench.context = lambda: context()._replace(
        redactor=redactor, live=LiveOutput("task_1", bench.say, redactor=redactor)
    )

    def redacting_book(number=1):
        made = task_history(number)
        made._redactor = redactor
        return made

    bench.task_history = redacting_book
    await driven(bench)

    kept = [msgspec.json.encode(r.event) for r in bench.recorded]
    kept += [b for name, b in bench.blobs.stored.items() if "snapshots" not in name]
    kept += bench.live
    whole = b"\n".join(kept)
    assert TOKEN.encode() not in whole
    assert b"MIIE" not in b"\n".join(each for each in kept if b'"type":"tool_use"' not in each)
    assert bench.facts(ToolCompleted)[0].output.count("[redacted:") > 2
    assert bench.sandbox.files["f"].decode() == f"{KEYS[0]}\n", "the work is as the model made it"


def test_a_reply_keeps_its_thinking_and_the_calls_that_it_makes():
    thinking = {"type": "thinking", "thinking": f"hm {KEYS[0]}", "signature": "s"}
    call = {"type": "tool_use", "id": "a", "name": "write", "input": {"content": KEYS[0]}}
    fact = ModelReplied(
        turn=1,
        stop_reason="tool_use",
        usage=Usage(),
        cost_microusd=0,
        blocks=(thinking, {"type": "text", "text": KEYS[0]}, call),
    )

    told = Redactor().fact(fact).blocks

    assert told[0] is thinking
    assert told[1]["text"] == "[redacted:anthropic-key]"
    assert told[2] == call
