"""The library in a real browser, where no WebSocket gets through: it finds another way, also at a gateway of another origin."""

import asyncio
import threading

import pytest
from broken_path import BrokenPath
from cluster import SLOWNESS

COUNT = 200
SCRIPT = """
const [url, name, count, done] = arguments;
(async () => {
  const {DormouseClient} = await import('/dormouse/index.js');
  const anna = new DormouseClient(url + name, {actor: 'browser/anna'});
  const bert = new DormouseClient(location.origin.replace('http', 'ws') + name, {actor: 'browser/bert', transport: 'websocket'});
  const got = {anna: [], bert: []};
  let lost = 0;
  const all = new Promise((resolve) => {
    const take = (who) => ({data}) => {
      got[who].push(data);
      if (got.anna.length >= count && got.bert.length >= count) resolve();
    };
    anna.on('message', take('anna'));
    bert.on('message', take('bert'));
  });
  await Promise.all([anna.connect(), bert.connect()]);
  anna.on('disconnected', () => lost++);
  await Promise.all([anna.register(), bert.register()]);
  for (let number = 0; number < count; number++) {
    anna.send('browser/bert', 'up', number);
    bert.send('browser/anna', 'down', number);
    if (number % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await all;
  const {transport} = anna;
  const during = lost;
  await Promise.all([anna.disconnect(), bert.disconnect()]);
  done({transport, lost: during, anna: got.anna, bert: got.bert});
})().catch((error) => done({error: String(error)}));
"""


class Path:
    """A broken path whose loop turns in a thread, for tests that wait for a browser."""

    def __init__(self, port, **faults):
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self.broken = BrokenPath(port, **faults)

    def __enter__(self):
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self.broken.__aenter__(), self._loop).result()
        return self.broken

    def __exit__(self, *_):
        asyncio.run_coroutine_threadsafe(self.broken.__aexit__(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.mark.parametrize("faults, way", [
    ({"upgrades": "refuse"}, "sse"),
    ({"upgrades": "kill", "cut_after": 0.3, "lose_posts": 3}, "sse"),
    ({"upgrades": "refuse", "buffers": True}, "poll"),
], ids=["refuses", "cuts", "buffers"])
def test_another_way_is_found(driver, cluster, hub_name, faults, way):
    with Path(cluster.port(), **faults) as broken:
        driver.switch_to.new_window("tab")
        driver.get(cluster.http_url)
        driver.set_script_timeout(60 * SLOWNESS)
        said = driver.execute_async_script(SCRIPT, broken.url(""), f"/ws/{hub_name}", COUNT)
        driver.close()
        driver.switch_to.window(driver.window_handles[0])
    assert "error" not in said, said
    assert (said["transport"], said["lost"]) == (way, 0)
    assert said["anna"] == list(range(COUNT)) and said["bert"] == list(range(COUNT))
