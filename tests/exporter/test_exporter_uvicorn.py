from __future__ import annotations

import signal

import uvicorn.server

import driftmeter


def test_a_server_that_finds_the_default_action_of_sigterm_serves_with_the_one_that_flushes(sdk) -> None:
    sdk.watch()
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)  # as uvicorn's worker for gunicorn does
    try:
        server = uvicorn.server.Server(uvicorn.Config(app=None))
        with server.capture_signals():
            assert signal.getsignal(signal.SIGTERM) == server.handle_exit
        assert signal.getsignal(signal.SIGTERM) is before
        assert callable(before)
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_handler_of_the_applications_is_left_alone(sdk) -> None:
    sdk.watch()
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with uvicorn.server.Server(uvicorn.Config(app=None)).capture_signals():
            pass
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)


def test_shutdown_puts_the_servers_method_back(sdk) -> None:
    original = vars(uvicorn.server.Server)["capture_signals"]
    sdk.watch()
    assert vars(uvicorn.server.Server)["capture_signals"] is not original
    driftmeter.shutdown()
    assert vars(uvicorn.server.Server)["capture_signals"] is original
