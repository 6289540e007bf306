"""Test functions may be coroutines; `store` runs a test on both stores."""

import asyncio
import faulthandler
import inspect
import signal
import threading

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


# What measures times or memory, and what needs the machine for itself.
_ALONE = ("drills/", "integration/test_bench.py", "integration/test_memory.py", "integration/test_attacks_edge.py",
          "integration/test_costly_requests.py", "integration/test_flooders.py", "integration/test_hung_gateway.py",
          "integration/test_slow_readers.py", "integration/test_store_time.py", "integration/test_workers_",
          "clients/test_load")
# Clusters of deploy/local look for free ports in the same range. What else is below deploy/ fetches the same tools.
_LOCAL = ("integration/test_deploy_local.py", "integration/test_operators.py", "deploy/test_local_app.py", "apps/test_apps.py",
          "apps/test_python.py")


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups in the same hook
def pytest_collection_modifyitems(items):
    """Beside each other run tests of different files (xdist, --dist loadgroup); marked `alone` are those that do not."""
    for item in items:
        file = item.path.relative_to(item.config.rootpath).as_posix()
        if file.startswith(_ALONE):
            item.add_marker(pytest.mark.alone)
        group = "local" if file in _LOCAL else "deploy" if file.startswith("deploy/") else file
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(autouse=True)
def _limit(request):
    """For what is no coroutine; those are cancelled, which says more."""
    if threading.current_thread() is not threading.main_thread():
        # xdist's workers run tests there now and then, where no signal can be taken: the worker says where it was, and ends.
        faulthandler.dump_traceback_later(_LIMIT + 10, exit=True)
        yield
        faulthandler.cancel_dump_traceback_later()
        return

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
