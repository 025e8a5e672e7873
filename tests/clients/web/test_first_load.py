"""The first load of the web app: the page, its script and its styles, compressed."""

import pytest

from tests.kit.browser.chromium import BUILT
from tests.kit.web_app.first_load import MAX_BYTES, first_load


def test_the_first_load_is_at_most_60_kilobytes(capsys: pytest.CaptureFixture[str]) -> None:
    if not BUILT.exists():
        pytest.skip("the web app is not built; build it with: make web")
    sizes = first_load(BUILT)
    whole = sum(sizes.values())
    with capsys.disabled():
        print(f"\nfirst load: {whole:,} bytes compressed, of {MAX_BYTES:,}: {sizes}")
    assert {path.rsplit(".")[-1] for path in sizes} == {"html", "js", "css"}
    assert whole <= MAX_BYTES
