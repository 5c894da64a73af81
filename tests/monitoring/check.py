"""Proves monitoring/ against a Prometheus that runs with it.

    check.py prepare DIR PORTS   writes the repository's files to DIR, for these ports
    check.py documents           each alert has cases and a runbook; the dashboard is sound
    check.py targets URL PORTS   each of them is scraped, and nothing else
    check.py alerts URL          each rule evaluates, each name in it is scraped
    check.py dashboard URL       each query of the dashboard gives a value
    check.py raised URL ALERT    this alert is pending or fires

PORTS is GATEWAY[,GATEWAY...]/ADMIN. URL is the Prometheus.
What needs time is asked again until it holds or PATIENCE_SECS are over; the exit status
is 0 when all is well, and what is wrong is on stderr, a line each.
"""

import itertools
import json
import pathlib
import re
import shutil
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
MONITORING = ROOT / "monitoring"
CASES = ROOT / "tests" / "monitoring" / "alerts.yml"
PATIENCE_SECS = 60

# For tests everything is quicker; rates look back to before the load.
INTERVAL_SECS = 1
VARIABLES = {"$gateway": ".*", "$__rate_interval": "5m"}

# A metric with its selector, or without.
SELECTOR = re.compile(r"\b(roomcast_\w+|up)\b(\{[^}]*\})?")
ALTERNATIVES = re.compile(r'(\w+)=~"([\w|]+)"')

# ---- asking Prometheus ----


def ask(url, path, **parameters):
    query = urllib.parse.urlencode(parameters)
    with urllib.request.urlopen(f"{url}/api/v1/{path}?{query}", timeout=10) as answer:
        return json.load(answer)["data"]


def why_no_value(url, query):
    """None where the query gives numbers; a histogram without observations gives NaN."""
    try:
        result = ask(url, "query", query=query)["result"]
    except urllib.error.HTTPError as e:
        return json.load(e)["error"]
    if not result:
        return "gives nothing"
    if any(sample["value"][1] == "NaN" for sample in result):
        return "gives NaN"
    return None


def wait_for(find_wrong):
    """What is still wrong when the time is over, asked again and again."""
    end = time.monotonic() + PATIENCE_SECS
    while (wrong := find_wrong()) and time.monotonic() < end:
        time.sleep(0.2)
    return wrong


# ---- what is in the files ----


def read_alerts():
    groups = yaml.safe_load((MONITORING / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def find_dashboards():
    return sorted((MONITORING / "grafana" / "dashboards").glob("*.json"))


def find_queries(dashboard):
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield panel, target["expr"]
    for variable in dashboard["templating"]["list"]:
        match = re.fullmatch(r"label_values\((.*), (\w+)\)", variable.get("definition", ""))
        if match:
            yield {"title": f"${variable['name']}"}, f"count by ({match[2]}) ({match[1]})"


def put_in(query):
    for name, value in VARIABLES.items():
        query = query.replace(name, value)
    return query


def each_selector(expr):
    """Each metric of an expression with its labels; one with a|b is two."""
    for name, labels in SELECTOR.findall(expr):
        lists = [[f'{label}="{word}"' for word in words.split("|")]
                 for label, words in ALTERNATIVES.findall(labels)]
        rest = [f"{part}" for part in re.findall(r'\w+(?:!~|=|!=)"[^"]*"', labels)]
        for chosen in itertools.product(*lists):
            yield f"{name}{{{', '.join([*rest, *chosen])}}}"


# ---- documents ----


def headings_of(path):
    text = (ROOT / path).read_text()
    return {re.sub(r"[^\w -]", "", line).strip().lower().replace(" ", "-")
            for line in re.findall(r"^#+ (.*)", text, re.M)}


def check_cases(alerts):
    cases = yaml.safe_load(CASES.read_text())["tests"]
    seen = {(test["alertname"], bool(test["exp_alerts"]))
            for case in cases for test in case["alert_rule_test"]}
    for alert in alerts:
        for fires in (True, False):
            if (alert["alert"], fires) not in seen:
                yield (f"{alert['alert']}: no case in which it "
                       + ("fires" if fires else "does not fire"))


def check_texts(alerts):
    for alert in alerts:
        name, notes = alert["alert"], alert["annotations"]
        path, _, anchor = notes["runbook"].partition("#")
        if anchor != name.lower() or anchor not in headings_of(path):
            yield f"{name}: {path} has no heading of this name, or another one is told"
        if not notes["summary"] or not notes["description"]:
            yield f"{name}: without summary or description"
        if alert["labels"]["severity"] not in ("critical", "warning"):
            yield f"{name}: severity {alert['labels']['severity']}"


def overlap(a, b):
    return (a["x"] < b["x"] + b["w"] and b["x"] < a["x"] + a["w"]
            and a["y"] < b["y"] + b["h"] and b["y"] < a["y"] + a["h"])


def check_dashboard(dashboard):
    panels = dashboard["panels"]
    if len({panel["id"] for panel in panels}) < len(panels):
        yield "two panels have one id"
    for a, b in itertools.combinations(panels, 2):
        if overlap(a["gridPos"], b["gridPos"]):
            yield f"{a['title']} lies on {b['title']}"
    for panel in panels:
        if panel["type"] == "row":
            continue
        if panel["gridPos"]["x"] + panel["gridPos"]["w"] > 24 or not panel["description"]:
            yield f"{panel['title']}: too wide, or without a description"
        if panel["datasource"]["uid"] != "${datasource}" or not panel["targets"]:
            yield f"{panel['title']}: another data source, or nothing to show"
    for panel, query in find_queries(dashboard):
        if "$" in put_in(query):
            yield f"{panel['title']}: a variable that is not known: {query}"


def documents():
    alerts = read_alerts()
    wrong = [*check_cases(alerts), *check_texts(alerts)]
    for path in find_dashboards():
        wrong += check_dashboard(json.loads(path.read_text()))
    for path in (MONITORING / "grafana" / "provisioning").rglob("*.yml"):
        if yaml.safe_load(path.read_text())["apiVersion"] != 1:
            wrong.append(f"{path.name}: apiVersion")
    return wrong if find_dashboards() and alerts else ["there is nothing to check"]


# ---- against a Prometheus ----


def targets_of(ports):
    gateways, _, admin = ports.partition("/")
    return {"gateways": [f"127.0.0.1:{port}" for port in gateways.split(",")],
            "admin": [f"127.0.0.1:{admin}"]}


def prepare(directory, ports):
    """The files as they are, but for the places of the targets and the intervals."""
    directory = pathlib.Path(directory)
    (directory / "targets").mkdir(parents=True)
    shutil.copy(MONITORING / "alerts.yml", directory)
    text, count = re.subn(r"(_interval:) \d+s", rf"\1 {INTERVAL_SECS}s",
                          (MONITORING / "prometheus.yml").read_text())
    (directory / "prometheus.yml").write_text(text)
    for name, found in targets_of(ports).items():
        path = directory / "targets" / f"{name}.yml"
        path.write_text(json.dumps([{"targets": found}]))
        if not (MONITORING / "targets" / path.name).exists():
            return [f"there is no targets/{path.name}"]
    return [] if count == 2 else ["prometheus.yml: not two intervals"]


def targets(url, ports):
    expected = {f"roomcast-{name.removesuffix('s')}:{target}"
                for name, found in targets_of(ports).items() for target in found}

    def find_wrong():
        active = ask(url, "targets", state="active")["activeTargets"]
        up = {f"{t['labels']['job']}:{t['labels']['instance']}"
              for t in active if t["health"] == "up"}
        return sorted(f"{target}: not scraped, or not expected" for target in expected ^ up)

    return wait_for(find_wrong)


def alerts(url):
    def find_wrong():
        groups = ask(url, "rules", type="alert")["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        wrong = [f"{rule['name']}: {rule['health']} {rule.get('lastError', '')}"
                 for rule in rules if rule["health"] != "ok"]
        if {rule["name"] for rule in rules} != {rule["alert"] for rule in read_alerts()}:
            wrong.append("Prometheus has other rules")
        for rule in read_alerts():
            for selector in each_selector(rule["expr"]):
                why = why_no_value(url, selector)
                if why:
                    wrong.append(f"{rule['alert']}: {selector} {why}")
        return wrong

    return wait_for(find_wrong)


def dashboard(url):
    queries = [(panel["title"], put_in(query)) for path in find_dashboards()
               for panel, query in find_queries(json.loads(path.read_text()))]
    print(f"{len(queries)} queries")

    def find_wrong():
        answers = ((title, query, why_no_value(url, query)) for title, query in queries)
        return [f"{title}: {query} {why}" for title, query, why in answers if why]

    return wait_for(find_wrong)


def raised(url, name):
    def find_wrong():
        names = {alert["labels"]["alertname"] for alert in ask(url, "alerts")["alerts"]}
        return [] if name in names else [f"{name} is not raised, but {sorted(names)}"]

    return wait_for(find_wrong)


def main(command, *arguments):
    commands = (prepare, documents, targets, alerts, dashboard, raised)
    run = {function.__name__: function for function in commands}[command]
    wrong = run(*arguments)
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
