"""What the tests of training share: curves cost a second each, so most runs go without their picture."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def no_picture(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs in this process write an empty picture, but for tests that ask for `with_picture`."""
    if "with_picture" not in request.fixturenames:
        monkeypatch.setattr("minigpt.pictures.figure.save_png", lambda _, path: Path(path).write_bytes(b""))


@pytest.fixture
def with_picture() -> None:
    """For a test whose run draws its curve."""
