"""A headless Chromium, spoken to over the pipes of its DevTools protocol.

    with Browser() as browser:
        browser.open(url)  # in a page of its own, the one before is closed
        browser.evaluate("document.title")

It keeps every address a page asked for and everything that reached the console.
"""
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

START_SECONDS = 60  # a cold start on a busy machine; a warm one takes two
ANSWER_SECONDS = 30


class Browser:
    def __init__(self):
        self.profile = tempfile.mkdtemp(prefix="eckad-chromium-")
        self.requests, self.console, self.paused = [], [], []
        self.ids, self.answers, self.unread = 0, {}, b""
        self.target = self.session = None
        to_browser, self.out = os.pipe()
        self.inn, from_browser = os.pipe()
        # The protocol is spoken on descriptors 3 and 4.
        command = ["bash", "-c", f'exec "$@" 3<&{to_browser} 4>&{from_browser}', "chromium",
                   shutil.which("chromium"), "--headless", "--no-sandbox", "--disable-gpu",
                   "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking",
                   "--disable-component-update", "--remote-debugging-pipe",
                   f"--user-data-dir={self.profile}", "about:blank"]
        self.process = subprocess.Popen(command, pass_fds=(to_browser, from_browser),
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        os.close(to_browser)
        os.close(from_browser)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        os.close(self.out)
        os.close(self.inn)
        shutil.rmtree(self.profile, ignore_errors=True)

    # -- the protocol: JSON, each message ended by a NUL --

    def call(self, method, seconds=ANSWER_SECONDS, **params):
        """The result of a command."""
        self.ids += 1
        message = {"id": self.ids, "method": method, "params": params}
        if self.session is not None:
            message["sessionId"] = self.session
        os.write(self.out, json.dumps(message).encode() + b"\0")
        wanted, deadline = self.ids, time.monotonic() + seconds
        while wanted not in self.answers:
            self._read(deadline)
        answer = self.answers.pop(wanted)
        assert "error" not in answer, f"{method}: {answer['error']}"
        return answer["result"]

    def _read(self, deadline):
        ready, _, _ = select.select([self.inn], [], [], max(0.0, deadline - time.monotonic()))
        octets = os.read(self.inn, 1 << 16) if ready else b""
        if not octets:
            raise AssertionError("Chromium does not answer")
        *messages, self.unread = (self.unread + octets).split(b"\0")
        for message in map(json.loads, messages):
            if "id" in message:
                self.answers[message["id"]] = message
            elif message.get("sessionId") == self.session:
                self._event(message["method"], message["params"])

    def _event(self, method, params):
        if method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif method == "Runtime.consoleAPICalled":
            self.console.append(f"console.{params['type']}: {params['args']}")
        elif method == "Runtime.exceptionThrown":
            self.console.append(f"exception: {params['exceptionDetails']}")
        elif method == "Log.entryAdded":
            self.console.append(f"{params['entry']['level']}: {params['entry']['text']} "
                                f"{params['entry'].get('url', '')}")
        elif method == "Fetch.requestPaused":
            self.paused.append(params["requestId"])

    # -- a page --

    def open(self, url):
        before, self.session = self.target, None
        self.target = self.call("Target.createTarget", START_SECONDS, url="about:blank")["targetId"]
        if before is not None:
            self.call("Target.closeTarget", targetId=before)
        self.requests, self.console, self.paused = [], [], []
        self.session = self.call("Target.attachToTarget", targetId=self.target,
                                 flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.call("Page.navigate", url=url)

    def evaluate(self, expression):
        """The value of a JavaScript expression; of a promise what it comes to."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True,
                           awaitPromise=True)
        assert "exceptionDetails" not in result, f"{expression}: {result['exceptionDetails']}"
        return result["result"].get("value")

    def wait_for(self, expression, seconds=ANSWER_SECONDS):
        """Waits until the expression is true, and gives what it came to."""
        deadline = time.monotonic() + seconds
        while True:
            value = self.evaluate(expression)
            if value:
                return value
            if time.monotonic() > deadline:
                raise AssertionError(f"never true: {expression}\n"
                                     + str(self.evaluate("document.body?.innerText")))
            time.sleep(0.1)
