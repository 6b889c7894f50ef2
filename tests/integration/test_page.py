"""The page in a browser: it shows what happens, says plainly when something is wrong, and talks to
nobody but the server it came from.
"""
import base64
import hashlib
import json
import os
import signal
import unittest

import beta
import curves
import ecka_pb2 as pb
import gpki
from chromium import Browser
from deployment import Deployment
from ecka_client import names

REQUESTS, ITEMS = 20, 8
CONTRAST_MIN = 4.5  # WCAG 2.1, 1.4.3
FORGED = "<img src=x onerror=\"document.title='forged'\">"

# Texts of the row of that name, by column.
ROW = """(() => {{
  const row = document.querySelector('#{table} tbody tr[data-name="{name}"]');
  return row === null ? null : [...row.cells].map(cell => cell.textContent);
}})()"""

# The least contrast of any text on the page against what it stands on.
CONTRAST = """(() => {
  const light = colour => {
    const [r, g, b] = colour.match(/[0-9.]+/g).slice(0, 3).map(v => v / 255)
      .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = node => {
    const colour = getComputedStyle(node).backgroundColor;
    return colour !== 'rgba(0, 0, 0, 0)' ? colour : ground(node.parentElement);
  };
  const texts = [...document.querySelectorAll('body *')].filter(node =>
    node.offsetParent !== null && [...node.childNodes].some(c => c.nodeType === 3 && c.data.trim()));
  const marks = ['good', 'warn', 'bad'].map(mark => {
    const cell = document.querySelector('tbody td').cloneNode();
    cell.className = mark;
    document.querySelector('tbody tr').append(cell);
    return cell;
  });
  const ratios = [...texts, ...marks].map(node => {
    const [a, b] = [light(getComputedStyle(node).color), light(ground(node))].sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05);
  });
  marks.forEach(cell => cell.remove());
  return { texts: texts.length, least: Math.min(...ratios),
           ground: getComputedStyle(document.body).backgroundColor };
})()"""


class Page(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.deployment = Deployment(supervised=False)
        cls.addClassCleanup(cls.deployment.stop)
        cls.pki = beta.Pki(cls.deployment)
        cls.deployment.add_principal("delta")
        cls.deployment.start()
        cls.url = cls.deployment.env["ECKA_HTTP"] + "/"
        cls.client, cls.delta = cls.deployment.client(), cls.deployment.client("delta")
        cls.sr_key_id = cls.deployment.sr_certificates()[1][0]
        cls.browser = cls.enterClassContext(Browser())

    def setUp(self):
        self.browser.open(self.url)
        self.until_state("● ready")

    def until_state(self, text):
        self.browser.wait_for(f"document.getElementById('state')?.textContent.startsWith({text!r})")

    def row(self, table, name):
        return self.browser.evaluate(ROW.format(table=table, name=name))

    def until_row(self, table, name, condition):
        self.browser.wait_for(f"(row => row !== null && {condition})("
                              + ROW.format(table=table, name=name) + ")")
        return self.row(table, name)

    def verify(self):
        key = gpki.new_key(gpki.ec.SECP256R1)
        digest = hashlib.sha256(b"m").digest()
        return pb.Verify(curve=1, public_keys=gpki.point_of(key.public_key()),
                         digests=digest * ITEMS, signatures=gpki.sign_raw(key, b"m") * ITEMS)

    def load(self):
        verify, cards = self.verify(), [self.pki.card(curves.P256, i) for i in range(ITEMS)]
        for _ in range(REQUESTS):
            self.assertEqual(names(self.client.ok(verify=verify).item_status), ["OK"] * ITEMS)
        for _ in range(REQUESTS):
            result = self.delta.ok(establish=beta.establish(cards, self.sr_key_id))
            self.assertEqual(names(result.item_status), ["OK"] * ITEMS)

    # -- stories --

    def test_numbers_move_under_load(self):
        before = self.row("principals", "delta")
        self.load()
        self.until_row("operations", "Verify", "row[1] !== '0.0' && row[6] !== '–'")
        row = self.until_row("operations", "Establish", "row[1] !== '0.0' && row[6] !== '–'")
        self.assertTrue(all(cell.endswith((" µs", " ms", " s")) for cell in row[6:]), row)
        self.assertEqual(row[3], "0.0")
        custodian = self.until_row("custodians", "c1", "row[2] !== '0.0 %' && row[4] !== '0.0'")
        self.assertEqual((custodian[1], custodian[5], custodian[6]), ("● up", "0", "1"))
        batch = self.row("batches", "establish")
        self.assertGreaterEqual(float(batch[2]), 1)
        total = int(before[5].replace(",", "")) + REQUESTS
        row = self.until_row("principals", "delta", f"row[5] === '{total:,}'")
        self.assertEqual(int(row[6].replace(",", "")) - int(before[6].replace(",", "")),
                         REQUESTS * ITEMS)
        self.browser.wait_for("document.getElementById('items').textContent !== '0.0'")
        self.browser.wait_for("document.getElementById('line').getAttribute('points') !== ''")
        tickets = self.row("tickets", "1")
        self.assertGreaterEqual(int(tickets[1].replace(",", "")), REQUESTS * ITEMS)
        self.quiet()

    def test_nobody_else_is_asked(self):
        self.browser.wait_for("samples.length >= 3")
        self.quiet()
        violated = self.browser.evaluate("""new Promise(resolve => {
            document.addEventListener('securitypolicyviolation', e => resolve(e.effectiveDirective));
            fetch('http://127.0.0.1:9/').catch(() => {});
        })""")
        self.assertEqual(violated, "connect-src")
        ran = self.browser.evaluate("""(() => {
            const script = document.createElement('script');
            script.textContent = 'globalThis.injected = true';
            document.body.append(script);
            return globalThis.injected === true;
        })()""")
        self.assertFalse(ran, "the policy lets an injected script run")

    def quiet(self):
        """Nothing reached the console, and every request went to the server the page is from."""
        self.assertEqual(self.browser.console, [])
        asked = {url for url in self.browser.requests if not url.startswith("data:")}
        self.assertEqual(asked, {self.url, self.url + "stats.json"})

    def test_a_custodian_dies_and_comes_back(self):
        self.deployment.processes["c1"].kill()
        self.until_state("▲ not ready: no custodian is up")
        self.assertEqual(self.row("custodians", "c1")[1], "✕ down")
        self.assertEqual(
            self.browser.evaluate("(b => [b.hidden, b.textContent])(document.getElementById('banner'))"),
            [False, "not ready: no custodian is up, so no token is open"])
        self.deployment.start_custodian(1)
        self.until_state("● ready")
        self.assertTrue(self.browser.evaluate("document.getElementById('banner').hidden"))
        self.assertEqual(self.row("custodians", "c1")[1], "● up")
        self.quiet()

    def test_eckad_dies_and_comes_back(self):
        pid = self.deployment.processes["eckad"].pid
        os.kill(pid, signal.SIGSTOP)
        try:
            self.until_state("✕ connection to eckad lost; the numbers are of")
        finally:
            os.kill(pid, signal.SIGCONT)
        self.until_state("● ready")
        self.quiet()
        self.assertEqual(self.deployment.processes["eckad"].stop(), 0)
        self.until_state("✕ connection to eckad lost")
        self.assertEqual(self.browser.evaluate("document.title"), "✕ eckad")
        self.deployment.start_eckad()
        self.until_state("● ready")
        self.until_row("principals", "delta", "row[5] === '0'")

    def test_what_comes_from_outside_is_text(self):
        sample = json.loads(self.browser.evaluate("JSON.stringify(newest())"))
        sample["principals"][0]["name"] = FORGED
        sample["sentence"] = FORGED
        body = base64.b64encode(json.dumps(sample).encode()).decode()
        self.browser.call("Fetch.enable", patterns=[{"urlPattern": "*stats.json"}])
        while not self.browser.paused:
            self.browser.evaluate("0")
        self.browser.call("Fetch.fulfillRequest", requestId=self.browser.paused.pop(0),
                          responseCode=200, body=body)
        self.until_state("● " + FORGED)
        self.assertEqual(self.browser.evaluate(
            "document.querySelector('#principals tbody th').textContent"), FORGED)
        self.assertEqual(self.browser.evaluate("document.images.length"), 0)
        self.assertEqual(self.browser.evaluate("document.title"), "eckad")

    def test_readable_in_light_and_dark(self):
        grounds = set()
        for scheme in ("light", "dark"):
            self.browser.call("Emulation.setEmulatedMedia",
                              features=[{"name": "prefers-color-scheme", "value": scheme}])
            found = self.browser.evaluate(CONTRAST)
            self.assertGreater(found["texts"], 50)
            self.assertGreaterEqual(found["least"], CONTRAST_MIN, scheme)
            grounds.add(found["ground"])
        self.assertEqual(len(grounds), 2, "light and dark look the same")

    def test_a_narrow_screen_needs_no_sideways_scroll(self):
        self.browser.call("Emulation.setDeviceMetricsOverride", width=380, height=800,
                          deviceScaleFactor=1, mobile=True)
        self.assertTrue(self.browser.evaluate(
            "document.documentElement.scrollWidth <= document.documentElement.clientWidth"))

    def test_a_screen_reader_finds_its_way(self):
        nodes = self.browser.call("Accessibility.getFullAXTree")["nodes"]
        found = [(n["role"]["value"], n.get("name", {}).get("value", "")) for n in nodes
                 if not n["ignored"]]
        tables = [name for role, name in found if role == "table"]
        self.assertEqual(len(tables), 7)
        self.assertNotIn("", tables)
        for wanted in (("rowheader", "delta"), ("columnheader", "occupancy"), ("heading", "Queues")):
            self.assertIn(wanted, found)
        self.assertIn("status", [role for role, _ in found])
        self.assertTrue(any(role in ("image", "img") and name.startswith("Items a second")
                            for role, name in found))


if __name__ == "__main__":
    unittest.main()
