import json
import os
import signal

import pytest
from tunesmith_trainer.failures import Cancelled, Stopped
from tunesmith_trainer.stop_request import StopMode, StopRequest, ask, asked


@pytest.fixture
def file(tmp_path):
    return tmp_path / "stop.json"


@pytest.fixture
def installed(file):
    """A request that listens to signals, for as long as the test takes."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    request = StopRequest(file)
    request.install()
    yield request
    for number, handler in before.items():
        signal.signal(number, handler)


def test_nothing_is_asked_without_a_file_or_a_signal(installed):
    assert installed.mode is None
    installed.raise_if_asked()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_asks_for_a_pause(installed, number):
    os.kill(os.getpid(), number)
    assert installed.mode is StopMode.PAUSE
    installed.raise_if_cancelled()
    with pytest.raises(Stopped, match="asked to stop"):
        installed.raise_if_asked()


@pytest.mark.parametrize("mode", [StopMode.FINISH, StopMode.CANCEL])
def test_a_signal_does_not_weaken_what_the_file_asks_for(installed, file, mode):
    ask(file, mode)
    os.kill(os.getpid(), signal.SIGTERM)
    assert installed.mode is mode


def test_a_finish_lets_the_run_go_on_to_its_end(file):
    ask(file, StopMode.FINISH)
    StopRequest(file).raise_if_asked()


def test_a_cancel_ends_it_wherever_it_looks(file):
    ask(file, StopMode.CANCEL)
    for look in (StopRequest(file).raise_if_asked, StopRequest(file).raise_if_cancelled):
        with pytest.raises(Cancelled):
            look()


def test_what_was_asked_once_is_not_taken_back(file):
    request = StopRequest(file)
    ask(file, StopMode.FINISH)
    assert request.mode is StopMode.FINISH
    file.unlink()
    assert request.mode is StopMode.FINISH


@pytest.mark.parametrize("first", StopMode)
@pytest.mark.parametrize("then", StopMode)
def test_asking_for_something_weaker_or_equal_changes_nothing(file, first, then):
    ask(file, first)
    content = file.read_bytes()
    order = list(StopMode)
    news = order.index(then) > order.index(first)
    assert ask(file, then) is news
    assert (file.read_bytes() != content) is news
    assert asked(file) is max(first, then, key=order.index)


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"mode": "stop"}', '{"mode": []}'])
def test_a_file_that_is_not_understood_is_told_of_once_and_asks_for_nothing(file, caplog, content):
    file.write_text(content)
    request = StopRequest(file)
    assert (request.mode, request.mode) == (None, None)
    assert len(caplog.records) == 1
    assert str(file) in caplog.text
    assert ask(file, StopMode.PAUSE)
    assert json.loads(file.read_bytes()) == {"mode": "pause"}
    assert request.mode is StopMode.PAUSE
