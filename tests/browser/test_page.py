"""The web client in a real browser, against real processes: real clicks, real frames."""

import json

import pytest
from cluster import SLOWNESS, Cluster
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

WAIT = 20 * SLOWNESS  # seconds


class Page:
    """One tab with the web client. Each call brings its tab to the front first."""

    def __init__(self, driver, url):
        self._driver = driver
        driver.switch_to.new_window("tab")
        self._tab = driver.current_window_handle
        driver.get(url)

    def front(self):
        self._driver.switch_to.window(self._tab)
        return self._driver

    def leave(self):
        """Closes the tab; returns what its scripts complained of."""
        complaints = [entry for entry in self.front().get_log("browser") if entry["source"] == "javascript"]
        self._driver.close()
        return complaints

    def element(self, element_id):
        return self.front().find_element(By.ID, element_id)

    def text(self, element_id):
        return self.element(element_id).get_attribute("textContent")

    def click(self, element_id):
        target = self.element(element_id)
        self._driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", target)
        target.click()

    def fill(self, element_id, text):
        field = self.element(element_id)
        field.clear()
        field.send_keys(text)

    def until(self, condition, what):
        self.front()
        return WebDriverWait(self._driver, WAIT, poll_frequency=0.05).until(lambda _: condition(), what)

    def rows(self, kind):
        """The texts of the log's rows of one kind, oldest first."""
        return self.front().execute_script(
            "return [...document.querySelectorAll(`#log [data-kind='${arguments[0]}'] .text`)]"
            ".map((text) => text.textContent)",
            kind,
        )

    def until_row(self, kind, part, count=1):
        """Until that many rows of a kind contain `part`."""

        def found():
            rows = [text for text in self.rows(kind) if part in text]
            return rows if len(rows) >= count else None

        return self.until(found, f"no row {kind!r} with {part!r}; the log says: {self.text('log')}")

    def state(self):
        return self.element("status").get_attribute("data-state")

    def acks(self):
        return int(self.element("heartbeat").get_attribute("data-acks"))

    def choose(self, hub_class, hub_name, heartbeat="60"):
        shown = self.until(lambda: self.front().find_elements(By.CSS_SELECTOR, f"label[for='class-{hub_class}']"),
                           f"the page does not offer class {hub_class}")
        shown[0].click()
        self.fill("hub-name", hub_name)
        self.fill("heartbeat-interval", heartbeat)

    def connect(self, hub_class, hub_name, heartbeat="60", actor=None):
        self.choose(hub_class, hub_name, heartbeat)
        if actor:
            self.fill("actor", actor)
        self.click("connect")
        self.until_row("welcome", "")
        if hub_class == "signal":
            self.until_row("reply", f"registered {actor}")

    def say(self, text):
        self.fill("message", text)
        self.click("send")

    def act(self, action, **fields):
        Select(self.element("action")).select_by_value(action)
        for name, text in fields.items():
            self.fill(name.replace("_", "-"), text)
        self.click("send")

    def hear(self, frame):
        """The page's socket gets a frame that no hub has sent."""
        self.front().execute_async_script(
            "const [data, done] = arguments;"
            "const send = WebSocket.prototype.send;"
            "WebSocket.prototype.send = function (frame) {"
            "  WebSocket.prototype.send = send;"
            "  send.call(this, frame);"
            "  this.dispatchEvent(new MessageEvent('message', {data}));"
            "  done();"
            "};"
            "document.getElementById('ping').click();",
            json.dumps(frame),
        )

    def cut_off(self):
        """What the socket of now sends is lost on its way; the next one works."""
        self.front().execute_script(
            "const send = WebSocket.prototype.send;"
            "let first = null;"
            "WebSocket.prototype.send = function (data) {"
            "  first ??= this;"
            "  if (this !== first) send.call(this, data);"
            "};"
        )


@pytest.fixture
def open_page(driver, cluster):
    first = driver.current_window_handle
    pages = []

    def open_one(url=None):
        pages.append(Page(driver, url or cluster.http_url))
        return pages[-1]

    yield open_one
    complaints = [complaint for page in pages for complaint in page.leave()]
    driver.switch_to.window(first)
    assert complaints == []


@pytest.fixture
def page(open_page):
    return open_page()


def test_connect_shows_welcome_and_live_status(page, hub_name):
    assert page.state() == "disconnected"
    assert page.text("address").endswith("/websocket/test-room")
    page.connect("echo", hub_name)
    assert page.state() == "connected"
    assert page.text("status-text") == "Connected"
    assert page.text("address").endswith(f"/websocket/{hub_name}")
    assert len(page.text("identity")) == 36
    assert page.text("connect") == "Disconnect"


def test_message_is_echoed_as_text_never_as_markup(page, hub_name):
    page.connect("echo", hub_name)
    text = "<img src=x onerror=alert(1)> & 'ümläut'"
    page.say(text)
    assert page.until_row("echo", text) == [f"{text}  (1 connection)"]
    assert page.rows("sent") == [text]
    assert page.element("message").get_attribute("value") == ""
    assert page.front().find_elements(By.CSS_SELECTOR, "#log img") == []
    assert (page.text("count-sent"), page.text("count-received")) == ("1", "2")


def test_keyboard_alone_connects_and_sends(page, hub_name):
    page.choose("echo", hub_name)
    page.element("hub-name").send_keys(Keys.ENTER)
    page.until_row("welcome", "")
    page.element("message").send_keys("typed", Keys.ENTER)
    page.until_row("echo", "typed")


def test_bad_hub_name_opens_no_socket(page):
    page.choose("echo", "no spaces/please")
    page.click("connect")
    assert page.state() == "disconnected"
    assert not page.front().execute_script("return document.getElementById('hub-name').checkValidity()")


def test_heartbeat_acks_move_the_indicator(page, hub_name):
    assert page.element("heartbeat").get_attribute("data-state") == "idle"
    page.connect("echo", hub_name, heartbeat="0.3")
    page.until(lambda: page.acks() >= 3, "no heartbeat was acknowledged")
    assert page.element("heartbeat").get_attribute("data-state") == "alive"
    assert "Alive, last ack" in page.element("heartbeat").text
    assert page.text("heartbeat-latency").endswith(" ms")
    assert page.text("heartbeat-missed") == "0"
    pulsing = "return document.getElementById('heart').getAnimations().length > 0"
    page.until(lambda: page.front().execute_script(pulsing), "the heart does not beat")
    page.click("show-heartbeats")
    assert page.rows("heartbeat")
    assert not page.front().find_element(By.CSS_SELECTOR, "#log [data-kind='heartbeat']").is_displayed()


def test_unanswered_heartbeats_are_shown_and_lead_to_a_new_socket(page, hub_name):
    page.connect("echo", hub_name, heartbeat="1")
    page.until(lambda: page.acks() >= 1, "no heartbeat was acknowledged")
    before = page.text("identity")
    page.cut_off()
    heartbeat = page.element("heartbeat")
    page.until(lambda: heartbeat.get_attribute("data-state") == "missed", "a missed heartbeat is not shown")
    page.until_row("closed", "no answer to 2 heartbeats")
    page.until_row("welcome", "", count=2)
    assert page.text("identity") != before
    assert int(page.text("heartbeat-missed")) >= 2


def test_ping_button_shows_pong(page, hub_name):
    page.connect("echo", hub_name)
    page.click("ping")
    (pong,) = page.until_row("pong", "after")
    assert pong.endswith(" ms")


def test_sleeping_hub_answers_with_the_same_connection_id(page, hub_name, cluster):
    page.connect("echo", hub_name)
    page.say("good night")
    page.until_row("echo", "good night")
    identity = page.text("identity")
    cluster.wait_asleep()
    assert page.state() == "connected"
    page.click("show-raw")
    page.say("good morning")
    page.until_row("echo", "good morning")
    raw = page.front().find_elements(By.CSS_SELECTOR, "#log [data-kind='echo'] .raw")
    echo = json.loads(raw[-1].text)
    assert (echo["connectionId"], echo["connections"]) == (identity, 1)
    assert page.rows("closed") == []


def test_disconnect_is_shown_and_final(page, hub_name):
    page.connect("echo", hub_name)
    page.click("connect")
    page.until_row("closed", "1000")
    assert page.state() == "disconnected"
    assert page.text("connect") == "Connect"
    assert not page.element("send").is_enabled()
    assert page.element("heartbeat").get_attribute("data-state") == "idle"


def test_signal_pages_talk_to_each_other(open_page, hub_name):
    anna, bert = open_page(), open_page()
    anna.connect("signal", hub_name, actor="browser/anna")
    bert.connect("signal", hub_name, actor="browser/bert")

    anna.act("send", target_actor="browser/bert", message_type="chat", message="hello Bert")
    bert.until_row("message", "chat from browser/anna: hello Bert")
    anna.until_row("reply", "delivered")

    bert.act("broadcast", message='{"to": ["all", 1.5]}')
    anna.until_row("message", 'chat from browser/bert: {"to":["all",1.5]}')
    bert.until_row("reply", "broadcast to 1")

    anna.act("subscribe", topic="news/today")
    anna.until_row("reply", "subscribed to news/today")
    bert.act("publish", topic="news/today", message_type="headline", message="it wakes")
    anna.until_row("message", "headline from browser/bert on news/today: it wakes")
    bert.until_row("reply", "published on news/today to 1")
    anna.act("unsubscribe", topic="news/today")
    anna.until_row("reply", "unsubscribed from news/today")

    anna.act("discover", pattern="browser/b*")
    anna.until_row("reply", "1 found: browser/bert")
    anna.act("list")
    anna.until_row("reply", "2 registered: ")
    anna.act("send", target_actor="browser/nobody", message="anybody?")
    anna.until_row("error", "unknown actor browser/nobody")

    anna.click("ping")
    anna.until_row("pong", "after")
    anna.until(lambda: anna.acks() >= 1, "the first heartbeat is not acknowledged")


def test_signal_page_says_goodbye(page, hub_name):
    page.connect("signal", hub_name, actor="browser/anna")
    page.click("connect")
    page.until_row("reply", "session ended")
    page.until_row("closed", "1000")
    assert page.state() == "disconnected"


def test_signal_page_comes_back_with_its_actor_and_topics(page, hub_name):
    page.connect("signal", hub_name, heartbeat="0.5", actor="browser/anna")
    page.act("subscribe", topic="news")
    page.until_row("reply", "subscribed to news")
    page.cut_off()
    page.until_row("closed", "no answer to 2 heartbeats")
    page.until_row("welcome", "", count=2)
    page.act("publish", topic="news", message_type="headline", message="still here")
    page.until_row("message", "headline from browser/anna on news: still here")


def test_broken_signal_page_comes_back_and_sends_what_was_said_meanwhile(open_page, hub_name):
    anna, bert = open_page(), open_page()
    anna.connect("signal", hub_name, actor="browser/anna")
    bert.connect("signal", hub_name, actor="browser/bert")
    assert anna.text("session") == "new"
    anna.act("send", target_actor="browser/bert", message="before")
    bert.until_row("message", "chat from browser/anna: before")
    anna.fill("message", "meanwhile")
    # Within one turn of the page, so that it cannot be back already.
    queued = anna.front().execute_script(
        "document.getElementById('break').click();"
        "document.getElementById('composer').requestSubmit();"
        "return document.getElementById('queued').textContent;"
    )
    assert queued == "1"
    bert.until_row("message", "chat from browser/anna: meanwhile")
    assert anna.text("status-text") == "Connected"
    assert anna.text("queued") == "0"
    anna.until(lambda: anna.text("session") == "resumed", "the page does not say that its session is the one of before")
    anna.until_row("closed", "1006")
    anna.until_row("welcome", "resumed")


def test_signal_page_waits_while_the_hub_says_pause(page, hub_name):
    page.connect("signal", hub_name, actor="browser/anna")
    page.hear({"type": "hub:pause", "payload": {"reason": "browser/bert is slow"}})
    page.until_row("flow", "pause: browser/bert is slow")
    page.act("send", target_actor="browser/anna", message="patience")
    page.until(lambda: (page.text("flow"), page.text("queued")) == ("paused", "1"), "the page does not wait")
    assert page.rows("message") == []
    page.hear({"type": "hub:resume", "payload": {}})
    page.until_row("message", "chat from browser/anna: patience")
    page.until(lambda: (page.text("flow"), page.text("queued")) == ("open", "0"), "the page still waits")


def test_signal_page_that_lost_its_actor_stays_away(open_page, hub_name):
    first, second = open_page(), open_page()
    first.connect("signal", hub_name, actor="browser/anna")
    second.connect("signal", hub_name, actor="browser/anna")
    first.until_row("error", "duplicate_connection")
    first.until_row("closed", "1000")
    first.until(lambda: first.state() == "disconnected", "the page comes back and takes its actor over again")
    assert second.state() == "connected"


def test_close_by_the_server_is_shown_and_survived(open_page, hub_name):
    options = {"idle-timeout": "1s", "cleanup-interval": "500ms"}
    with Cluster(options=options) as impatient:
        page = open_page(impatient.http_url)
        page.connect("echo", hub_name)
        before = page.text("identity")
        page.until_row("closed", "1000 Connection timeout")
        page.until_row("welcome", "", count=2)
        assert page.text("identity") not in ("–", before)
        page.click("auto-reconnect")
        page.until(lambda: page.state() == "disconnected", "the page connects although it should not")


def test_page_shows_how_its_hub_lives(page, hub_name):
    page.connect("echo", hub_name)
    life = page.element("life")
    assert life.is_displayed()
    page.say("good morning")
    page.until(lambda: life.get_attribute("data-state") == "awake", "the hub is not shown awake")
    page.until(lambda: page.text("life-wake").endswith(" ms"), "how long its wake took is not shown")
    assert page.text("life-bytes") not in ("–", "0 B") and len(page.text("life-owner")) == 8
    page.until(lambda: life.get_attribute("data-state") == "asleep", "the hub is not shown asleep")
    assert page.text("life-bytes") == "0 B"
    assert not page.element("sleep").is_enabled()
    assert page.rows("closed") == []


def test_hub_sleeps_when_the_page_says_so(open_page, hub_name):
    with Cluster(options={"hub-view": "true"}) as cluster:  # which would let it be awake for 30 s
        page = open_page(cluster.http_url)
        page.connect("signal", hub_name, actor="browser/anna")
        life = page.element("life")
        page.until(lambda: page.element("sleep").is_enabled(), "the hub is not shown awake")
        page.click("sleep")
        page.until(lambda: life.get_attribute("data-state") == "asleep", "the hub does not sleep")
        page.act("send", target_actor="browser/anna", message_type="chat", message="wake up")
        page.until_row("message", "wake up")
        page.until(lambda: life.get_attribute("data-state") == "awake", "the hub is not shown awake again")
        assert page.rows("closed") == page.rows("error") == []


def test_page_without_the_view_hides_it(open_page, hub_name):
    with Cluster() as cluster:
        page = open_page(cluster.http_url)
        page.connect("echo", hub_name)
        assert not page.element("life").is_displayed()


def test_any_class_is_spoken_to_in_plain_frames(page, hub_name):
    page.front().find_element(By.CSS_SELECTOR, "label[for='class-other']").click()
    page.fill("path", f"/websocket/{hub_name}")
    page.click("connect")
    page.until_row("message", "welcome")
    page.say('{"type":"ping"}')
    page.until_row("message", '"type":"pong"')
    assert page.rows("sent") == ['{"type":"ping"}']
    page.click("break")
    page.until_row("message", "welcome", count=2)


@pytest.mark.parametrize("hub_class", ["echo", "signal"])
def test_what_is_said_while_down_is_a_row_that_waits(page, hub_name, hub_class):
    page.connect(hub_class, hub_name, actor="browser/anna" if hub_class == "signal" else None)
    if hub_class == "signal":
        page.fill("target-actor", "browser/anna")
    page.fill("message", "meanwhile")
    # Within one turn of the page, so that it cannot be back already.
    seen = page.front().execute_script(
        "document.getElementById('break').click();"
        "document.getElementById('composer').requestSubmit();"
        "const text = (id) => document.getElementById(id).textContent;"
        "return [text('queued'), text('heartbeat-latency'), text('flow'), document.getElementById('send').disabled,"
        "  [...document.querySelectorAll(`#log [data-kind='waiting'] .text`)].map((row) => row.textContent)];"
    )
    waiting = "chat to browser/anna: meanwhile" if hub_class == "signal" else "meanwhile"
    assert seen == ["1", "–", "–", False, [waiting]]
    page.until_row("sent", "meanwhile")
    assert page.rows("waiting") == []
    page.until_row("closed", "1006 broken on purpose")


def test_what_could_not_be_sent_in_time_is_said_so(open_page, hub_name):
    with Cluster() as cluster:
        page = open_page(cluster.http_url)
        page.connect("signal", hub_name, actor="browser/anna")
        page.fill("target-actor", "browser/anna")
        cluster.kill_gateway(0)
        page.until_row("closed", "")
        page.say("in vain")
        assert page.rows("waiting") == ["chat to browser/anna: in vain"]
        page.until_row("error", "Not sent: chat to browser/anna: in vain")
        assert page.rows("waiting") == []
        assert not any("twice does no harm" in row for row in page.rows("error"))


def test_error_that_repeats_is_counted(open_page, hub_name):
    with Cluster() as cluster:
        page = open_page(cluster.http_url)
        page.connect("echo", hub_name)
        cluster.kill_gateway(0)
        times = "return document.querySelector('#log [data-kind=error]')?.dataset.times"
        page.until(lambda: int(page.front().execute_script(times) or 0) >= 3, "the error is not counted")
        assert len(page.rows("error")) == 1


def test_focus_goes_to_what_is_to_be_said(page, hub_name):
    page.connect("echo", hub_name)
    assert page.front().execute_script("return document.activeElement.id") == "message"


@pytest.mark.parametrize("width, height, mobile", [(1366, 625, False), (375, 667, True), (360, 640, True),
                                                   (844, 390, True), (667, 375, True), (932, 430, True)])
@pytest.mark.parametrize("hub_class", ["echo", "signal"])
def test_everything_that_one_talks_with_is_on_the_screen(page, hub_name, hub_class, width, height, mobile):
    screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile}
    page.front().execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    page.connect(hub_class, hub_name, actor="browser/anna" if hub_class == "signal" else None)
    for number in range(15):
        if hub_class == "signal":
            page.act("send", target_actor="browser/anna", message_type="chat", message=f"row {number}")
        else:
            page.say(f"row {number}")
    ids = ["composer", "life", "log"] if mobile else ["composer", "life", "log", "heartbeat", "connection", "connect-form"]
    page.front().execute_script("scrollTo(0, 0)")
    for element in ids:
        top, bottom, of_log = page.front().execute_script(
            "const box = document.getElementById(arguments[0]).getBoundingClientRect();"
            "return [box.top, box.bottom, document.getElementById('log').clientHeight];", element)
        assert 0 <= top < bottom <= height, element
        assert of_log > 60
    widths = page.front().execute_script("return [document.documentElement.scrollWidth, window.innerWidth]")
    assert widths == [width, width]
    side = page.front().find_element(By.CSS_SELECTOR, ".side")
    assert mobile or side.get_property("scrollHeight") <= side.get_property("clientHeight")


@pytest.mark.parametrize("hub_class", ["echo", "signal"])
def test_narrow_phone_needs_no_sideways_scrolling(page, hub_name, hub_class):
    phone = {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True}
    page.front().execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    widths = "return [document.documentElement.scrollWidth, window.innerWidth]"
    assert page.front().execute_script(widths) == [360, 360]
    page.connect(hub_class, hub_name, actor="browser/anna" if hub_class == "signal" else None)
    page.click("show-raw")
    if hub_class == "signal":
        page.act("send", target_actor="browser/anna", message="w" * 300)
        page.until_row("message", "w" * 300)
    else:
        page.say("w" * 300)
        page.until_row("echo", "w" * 300)
    assert page.front().execute_script(widths) == [360, 360]
    log = page.element("log")
    assert log.get_property("scrollWidth") == log.get_property("clientWidth")


def test_log_forgets_its_oldest_rows(page, hub_name):
    page.connect("echo", hub_name)
    page.front().execute_script(
        "for (let i = 0; i < 400; i++) {"
        "  document.getElementById('message').value = `message ${i}`;"
        "  document.getElementById('composer').requestSubmit();"
        "}"
    )
    page.until_row("echo", "message 399")
    assert page.front().execute_script("return document.getElementById('log').childElementCount") == 500
    assert page.rows("welcome") == []
    assert page.text("count-sent") == "400"
    page.click("clear")
    assert page.rows("echo") == []
