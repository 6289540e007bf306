"""The page and a socket of it by TLS, in Chromium."""

from cluster import Cluster

_ECHO = """
const [url, done] = arguments;
const socket = new WebSocket(url);
const text = 'x'.repeat(1 << 20);
let same = false;
socket.onmessage = ({data}) => {
  const message = JSON.parse(data);
  if (message.type === 'welcome') return socket.send(text);
  same = message.message === text;
  socket.close(4000, 'bye');
};
socket.onclose = ({code, reason}) => done([same, code, reason]);
"""


def test_the_page_and_its_sockets_come_by_tls(driver):
    with Cluster(options={"rate-limit": "0"}, tls={}) as cluster:
        driver.get(cluster.http_url.replace("127.0.0.1", "localhost") + "/")
        assert driver.execute_script("return location.protocol") == "https:"
        assert driver.execute_async_script(_ECHO, cluster.ws_url("/websocket/page")) == [True, 4000, "bye"]
        assert cluster.metrics(cluster.gateways[0])["dormouse_tls_handshakes_total"] >= 2
