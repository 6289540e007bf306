"""Test functions may be coroutines; `store` runs a test on both stores."""

import asyncio
import inspect
import signal

import pytest
from cluster import SLOWNESS

_LIMIT = 120 * SLOWNESS  # seconds for one test


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in inspect.signature(pyfuncitem.obj).parameters}
    asyncio.run(asyncio.wait_for(pyfuncitem.obj(**arguments), _LIMIT))
    return True


@pytest.fixture(autouse=True)
def _limit(request):
    """For what is no coroutine; those are cancelled, which says more."""

    def out_of_time(*_):
        raise TimeoutError(f"{request.node.name} took longer than {_LIMIT} s")

    before = signal.signal(signal.SIGALRM, out_of_time)
    signal.alarm(_LIMIT + 10)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(params=["file", "redis"])
def store(request):
    return request.param
