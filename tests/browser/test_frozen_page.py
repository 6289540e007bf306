"""A page that the browser freezes, as it does with tabs that were hidden for a while: its program stands still, its
browser goes on answering pings, and throws away what came meanwhile when it thaws."""

import pytest
from cluster import SLOWNESS
from selenium.webdriver.support.ui import WebDriverWait
from ws import actor

WAIT = 20 * SLOWNESS  # seconds

BEGIN = """
const [path, done] = arguments;
(async () => {
  const {DormouseClient} = await import('/dormouse/index.js');
  const client = new DormouseClient(`ws://${location.host}${path}`, {actor: 'page/frozen'});
  window.heard = [];
  window.missed = [];
  client.on('message', ({data}) => heard.push(data));
  client.on('resumed', (session) => missed.push(session.missed));
  await client.connect();
  await client.register();
})().then(() => done(''), (error) => done(String(error)));
"""


def freeze(driver, state):
    driver.execute_cdp_cmd("Page.setWebLifecycleState", {"state": state})


# More than 32: the gateway asks for these, and the browser answers.
@pytest.mark.parametrize("count", [3, 50])
async def test_what_was_sent_to_a_frozen_page_comes_once_and_in_order(driver, cluster, hub_name, count):
    driver.switch_to.new_window("tab")
    driver.get(cluster.http_url)
    assert driver.execute_async_script(BEGIN, f"/ws/{hub_name}") == ""
    async with actor(cluster.ws_url(f"/ws/{hub_name}"), "test/sender") as sender:
        freeze(driver, "frozen")
        for number in range(count):
            reply = await sender.must("hub:send", {"to": "page/frozen", "type": "number", "data": number})
            assert reply["status"] in ("delivered", "queued")
        await cluster.asleep()  # what hubs remember of the last minute is gone then
        freeze(driver, "active")

        def heard():
            return driver.execute_script("return window.heard")

        WebDriverWait(driver, WAIT, poll_frequency=0.05).until(lambda _: len(heard()) >= count, f"heard: {heard()}")
        await sender.must("hub:send", {"to": "page/frozen", "type": "number", "data": count})
        WebDriverWait(driver, WAIT, poll_frequency=0.05).until(lambda _: count in heard(), "not even that was heard")
        assert heard() == list(range(count + 1))
        assert not any(driver.execute_script("return window.missed"))
    driver.close()
    driver.switch_to.window(driver.window_handles[0])
