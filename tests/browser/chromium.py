"""
Chromium without a window, told by JSON over two pipes (the Chrome DevTools
Protocol; with --remote-debugging-pipe a message ends with a NUL).
"""
import fcntl
import json
import os
import shutil
import subprocess

NAMES = ("chromium", "chromium-browser", "google-chrome")


def find():
    return next((name for name in NAMES if shutil.which(name)), None)


class Chromium:
    """One browser with one page."""

    def __init__(self, directory):
        # The browser reads its descriptor 3 and writes its 4; ours are
        # higher, so that neither is in the way of the other.
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10)
                for end in (*os.pipe(), *os.pipe())]
        to_read, self.orders, self.answers, to_write = ends

        def put_in_place():
            os.dup2(to_read, 3)
            os.dup2(to_write, 4)
        self.process = subprocess.Popen(
            [find(), "--headless=new", "--no-sandbox", "--disable-gpu",
             "--no-first-run", f"--user-data-dir={directory}",
             "--remote-debugging-pipe", "about:blank"],
            close_fds=False, preexec_fn=put_in_place,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        os.close(to_read)
        os.close(to_write)
        self.rest, self.number, self.page = b"", 0, None
        self.complaints, self.loaded = [], set()
        target = self.tell("Target.createTarget", url="about:blank")
        self.page = self.tell("Target.attachToTarget", flatten=True,
                              targetId=target["targetId"])["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.tell(domain + ".enable")
        self.tell("Page.setLifecycleEventsEnabled", enabled=True)

    def receive(self):
        while b"\0" not in self.rest:
            got = os.read(self.answers, 65536)
            assert got, "the browser has ended"
            self.rest += got
        message, self.rest = self.rest.split(b"\0", 1)
        return json.loads(message)

    def note(self, message):
        """What has loaded; what the script or the browser finds wrong."""
        method, params = message.get("method"), message.get("params")
        if method == "Runtime.exceptionThrown":
            self.complaints.append(params["exceptionDetails"])
        elif (method == "Log.entryAdded" and
              params["entry"]["level"] in ("warning", "error")):
            self.complaints.append(params["entry"])
        elif method == "Page.lifecycleEvent" and params["name"] == "load":
            self.loaded.add(params["loaderId"])

    def tell(self, method, **params):
        self.number += 1
        order = {"id": self.number, "method": method, "params": params}
        if self.page is not None:
            order["sessionId"] = self.page
        data = json.dumps(order).encode() + b"\0"
        while data:
            data = data[os.write(self.orders, data):]
        while True:
            message = self.receive()
            if message.get("id") == self.number:
                assert "error" not in message, message
                return message["result"]
            self.note(message)

    def value(self, expression):
        """Of an expression in the page; promises are waited for."""
        result = self.tell("Runtime.evaluate", expression=expression,
                           awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def go(self, address):
        """Until it is there: before, the page has no document to look at."""
        loader = self.tell("Page.navigate", url=address)["loaderId"]
        while loader not in self.loaded:
            self.note(self.receive())

    def look(self, width, scheme):
        """A window of this width, in light or dark."""
        self.tell("Emulation.setDeviceMetricsOverride", width=width,
                  height=900, deviceScaleFactor=1, mobile=False)
        self.tell("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": scheme}])

    def end(self):
        self.page = None
        try:
            self.tell("Browser.close")
            self.process.wait(20)
        except (AssertionError, OSError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()
        os.close(self.orders)
        os.close(self.answers)
