"""
What contrib/monitoring brings, against promtool, Prometheus and the pooler.

The rules and what they do; that /metrics is as promtool likes it; that each
metric which the rules and the dashboard name is there, under load with every
label they join by; and a Prometheus that scrapes the pooler and lets an alert
fire.
"""
import json
import os
import re
import subprocess
import sys
import urllib.parse

from stage import PGUSHER, Stage, fetch, free_port, need, wait_for

TOP = os.path.abspath(sys.argv[1])
MONITORING = TOP + "/contrib/monitoring"
RULES = MONITORING + "/pgusher.rules.yml"
METRIC = re.compile(r"\b(?:pgusher|pgbouncer)_[a-z_]+\b")

# What promtool only advises about these names is PgBouncer's doing.
OLD_NAMES = re.compile(r"^pgbouncer_")


def run_tool(*words, stdin=None):
    """As who runs the test: another user may not see the source tree."""
    return subprocess.run(words, stdin=stdin, capture_output=True, text=True,
                          timeout=60, check=False)


def rule_expressions():
    """Without the annotations; the file is ours, so lines will do."""
    with open(RULES, encoding="utf-8") as file:
        text = re.sub(r"(?m)^\s*#.*$", "", file.read())
    found = re.findall(r"(?s)\bexpr:(.*?)\n +(?:for|labels):", text)
    assert len(found) == text.count("- alert:") > 10
    return found


def panels():
    with open(MONITORING + "/grafana-dashboard.json",
              encoding="utf-8") as file:
        return json.load(file)


def dashboard_expressions(dashboard):
    queries = [variable["definition"]
               for variable in dashboard["templating"]["list"]
               if variable["type"] == "query"]
    for panel in dashboard["panels"]:
        targets = [target["expr"] for target in panel.get("targets", [])]
        assert targets or panel["type"] == "row", panel["title"]
        queries += targets
    return queries


def check_layout(dashboard):
    """No two panels lie on each other, and none is wider than the page."""
    taken = set()
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        cells = {(x, y)
                 for x in range(place["x"], place["x"] + place["w"])
                 for y in range(place["y"], place["y"] + place["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells


def check_rules(promtool):
    for what in (("check", "rules", RULES),
                 ("check", "config", MONITORING + "/prometheus.yml"),
                 ("test", "rules", TOP + "/tests/monitoring/rules_test.yml")):
        done = run_tool(promtool, *what)
        assert done.returncode == 0, done.stdout + done.stderr
    with open(TOP + "/tests/monitoring/rules_test.yml",
              encoding="utf-8") as file:
        tested = set(re.findall(r'alertname="(\w+)", severity="(\w+)"',
                                file.read()))
    with open(RULES, encoding="utf-8") as file:
        there = set(re.findall(
            r"(?s)- alert: (\w+)\n.*?severity: (\w+)", file.read()))
    assert tested == there, tested ^ there


def check_readme():
    with open(MONITORING + "/README.md", encoding="utf-8") as file:
        said = set(re.findall(r"(?m)^\| `(Pgusher\w+)`", file.read()))
    with open(RULES, encoding="utf-8") as file:
        there = set(re.findall(r"- alert: (\w+)", file.read()))
    assert said == there, said ^ there


def start_pooler(stage):
    port, metrics = free_port(), free_port()
    stage.write("userlist.txt", '"postgres" ""\n', 0o600)
    stage.write("pgusher.ini", f"""[databases]
shop = host=127.0.0.1 port={stage.port} dbname=postgres

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {stage.root}/userlist.txt
admin_users = postgres
pool_mode = transaction
default_pool_size = 2
workers = 2
metrics_listen = 127.0.0.1:{metrics}
""")
    stage.start("pgusher", PGUSHER, stage.root + "/pgusher.ini")
    wait_for(lambda: fetch(f"http://127.0.0.1:{metrics}/readyz")[0] == 200,
             "the pooler is ready")
    return port, metrics


def read_metrics(metrics):
    status, text = fetch(f"http://127.0.0.1:{metrics}/metrics")
    assert status == 200
    return text


def check_lint(promtool, stage, text):
    """3: it has advice, but no error."""
    path = stage.write("metrics.txt", text)
    with open(path, encoding="utf-8") as file:
        done = run_tool(promtool, "check", "metrics", stdin=file)
    said = (done.stdout + done.stderr).strip().splitlines()
    new = [line for line in said if not OLD_NAMES.search(line)]
    assert done.returncode in (0, 3) and not new, "\n".join(new or said)


def check_names(text, expressions):
    there = set(re.findall(r"(?m)^(\w+)(?=[{ ])", text))
    missing = {name for expression in expressions
               for name in METRIC.findall(re.sub(r'"[^"]*"', '""',
                                                 expression))
               if name not in there}
    for quoted in re.findall(r'__name__=~\s*"([^"]*)"',
                             " ".join(expressions)):
        missing |= {name for name in quoted.split("|") if name not in there}
    assert not missing, missing


def start_prometheus(stage, prometheus, metrics):
    """The rules as they are, but sooner."""
    with open(RULES, encoding="utf-8") as file:
        rules = re.sub(r"(?m)^( *)for: .*$", r"\1for: 0s", file.read())
    with open(MONITORING + "/prometheus.yml", encoding="utf-8") as file:
        config = file.read()
    config = config.replace("localhost:9127", f"127.0.0.1:{metrics}")
    config = re.sub(r"interval: 15s", "interval: 1s", config)
    assert config.count("1s") == 2 and str(metrics) in config
    stage.write("pgusher.rules.yml", rules)
    stage.write("prometheus.yml", config)
    port = free_port()
    stage.start("prometheus", prometheus,
                f"--config.file={stage.root}/prometheus.yml",
                f"--storage.tsdb.path={stage.directory('tsdb')}",
                f"--web.listen-address=127.0.0.1:{port}")
    return f"http://127.0.0.1:{port}"


def ask(server, what, **arguments):
    query = urllib.parse.urlencode(arguments)
    status, text = fetch(f"{server}/api/v1/{what}?{query}")
    answer = json.loads(text) if status == 200 else {}
    return answer.get("data") if answer.get("status") == "success" else None


def firing(server):
    data = ask(server, "alerts") or {"alerts": []}
    return {(alert["labels"]["alertname"], alert["labels"]["severity"]):
            alert for alert in data["alerts"] if alert["state"] == "firing"}


def fill(expression):
    """As Grafana fills its variables in."""
    for name, value in (("$__rate_interval", "10s"), ("$job", "pgusher"),
                        ("$instance", ".*"), ("$database", ".*")):
        expression = expression.replace(name, value)
    return expression


def check_dashboard_works(server, dashboard):
    """Each query is one, and those that need no failure find something."""
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            expression = fill(target["expr"])
            assert ask(server, "query", query=expression) is not None, \
                expression
            if panel["title"] in ("Login failures", "Clients closed",
                                  "Servers closed"):
                continue
            # A rate needs two looks of late; on a busy machine one fails.
            wait_for(lambda: ask(server, "query", query=expression)[
                "result"], expression)


def check_live(stage, prometheus, promtool):
    dashboard = panels()
    port, metrics = start_pooler(stage)
    server = start_prometheus(stage, prometheus, metrics)
    wait_for(lambda: (ask(server, "query", query="pgbouncer_up") or
                      {}).get("result"), "Prometheus has scraped it")
    # A look that comes too late on a busy machine counts as one that failed.
    wait_for(lambda: not firing(server), "nothing is wrong")

    # Two clients for the two servers, and more than the threshold wait.
    psql = [need("psql"), "-X", "-h", "127.0.0.1", "-p", str(port), "-U",
            "postgres", "-d", "shop", "-c"]
    stage.sql("select 1", "shop", port)
    crowd = [stage.start("psql", *psql, "select pg_sleep(600)")
             for _ in range(2 + 6)]
    wanted = {("PgusherClientsWaiting", "warning"),
              ("PgusherPoolFull", "critical"), ("PgusherLongWait", "warning")}

    def all_wanted():
        alerts = firing(server)
        return alerts if wanted <= set(alerts) else None
    alerts = wait_for(all_wanted, "alerts fire")
    assert ("PgusherClientsWaiting", "critical") not in alerts
    for alert in alerts.values():
        for text in alert["annotations"].values():
            assert "error" not in text and "<no value>" not in text, alert
    said = alerts["PgusherClientsWaiting", "warning"]["annotations"]
    assert said["summary"] == ("6 clients of shop/postgres wait for a "
                               "server connection"), said
    text = read_metrics(metrics)
    for client in crowd:
        stage.end(client)
    stage.sql("select 1", "shop", port)
    wait_for(lambda: ("PgusherClientsWaiting", "warning") not in
             firing(server), "the alert is over")
    check_dashboard_works(server, dashboard)
    check_names(text, rule_expressions() + dashboard_expressions(dashboard))
    check_lint(promtool, stage, text)


def main():
    promtool = need("promtool")
    prometheus = need("prometheus")
    check_layout(panels())
    check_readme()
    check_rules(promtool)
    with Stage("monitoring") as stage:
        stage.start_cluster()
        check_live(stage, prometheus, promtool)
    print("all passed")


main()
