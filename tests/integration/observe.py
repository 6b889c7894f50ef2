"""What eckad shows over HTTP, read with Prometheus' own parsers and nothing of ours."""
import http.client
import time
import urllib.parse

from prometheus_client import openmetrics, parser
import prometheus_client.openmetrics.parser  # noqa: F401, fills in openmetrics.parser

WAIT_SECONDS = 30


class Http:
    def __init__(self, base):
        self.address = urllib.parse.urlsplit(base).netloc

    def request(self, path, method="GET", headers=None, body=None):
        """(status, headers, text); headers have names in lower case."""
        connection = http.client.HTTPConnection(self.address, timeout=WAIT_SECONDS)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            response = connection.getresponse()
            names = {name.lower(): value for name, value in response.getheaders()}
            return response.status, names, response.read().decode()
        finally:
            connection.close()

    def ready(self):
        status, _, text = self.request("/readyz")
        return status, text


class Sample(dict):
    """One look at /metrics: {(name, ((label, value), ...)): number}."""

    def __call__(self, name, **labels):
        return self.get((name, tuple(sorted(labels.items()))), 0.0)

    def total(self, name, **labels):
        """The sum over all samples of the name that have these labels."""
        return sum(value for (n, own), value in self.items()
                   if n == name and set(labels.items()) <= set(own))


def samples_of(families):
    return Sample({(s.name, tuple(sorted(s.labels.items()))): s.value
                   for family in families for s in family.samples})


class Observer:
    """Looks at a deployment's metrics and remembers every value that it ever saw."""

    def __init__(self, deployment):
        self.http = Http(deployment.env["ECKA_HTTP"])
        self.seen = {}  # family: {sample: {value, ...}}

    def look(self):
        status, headers, text = self.http.request("/metrics")
        assert (status, headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
        families = list(parser.text_string_to_metric_families(text))
        for family in families:
            known = family.name in self.seen  # then what is new was nothing before
            values = self.seen.setdefault(family.name, {})
            for s in family.samples:
                key = (s.name, tuple(sorted(s.labels.items())))
                values.setdefault(key, {0.0} if known else set()).add(s.value)
        return samples_of(families)

    def look_open(self):
        """The same in OpenMetrics, without what only that has."""
        status, headers, text = self.http.request(
            "/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
        assert status == 200
        assert headers["content-type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
        assert text.endswith("\n# EOF\n") and text.count("# EOF") == 1
        sample = samples_of(openmetrics.parser.text_string_to_metric_families(text))
        created = {name for name, _ in sample if name.endswith("_created")}
        return Sample({k: v for k, v in sample.items() if k[0] not in created}), created

    def until(self, condition, what):
        """The first look of which the condition is true."""
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            sample = self.look()
            if condition(sample):
                return sample
            assert time.monotonic() < deadline, f"never seen: {what}"
            time.sleep(0.02)

    def moved(self):
        """Families of which some sample had two values."""
        return {family for family, samples in self.seen.items()
                if any(len(values) > 1 for values in samples.values())}
