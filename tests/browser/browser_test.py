"""
The status page in Chromium, with a load behind it: its figures move, at rest
they are those of SHOW, nothing is cut off whatever the window, and it says
when the pooler is paused or gone.
"""
import os
import re
import signal
import sys

import chromium
from scene import Scene, free_port, skip, wait_for

EVIL = "<b onclick>&lt;a_database_with_a_name_as_long_as_names_may_be"

# What is drawn, as text. The keys of pools are "database/user".
DRAWN = """(() => {
	const text = (node, query) => {
		const found = node.querySelector(query);
		return found === null ? "" : found.firstChild === null ? "" :
		    found.textContent;
	};
	const drawn = { tiles: {}, pools: {}, workers: {}, events: {},
	    state: text(document, "#state"),
	    stale: document.body.className === "stale",
	    turns: Number(document.documentElement.dataset.turns || 0) };
	for (const node of document.querySelectorAll(".tile .value"))
		drawn.tiles[node.id] = node.textContent;
	for (const node of document.querySelectorAll(".pool")) {
		const pool = { use: text(node, ".use .sub") };
		for (const one of node.querySelectorAll("[data-key]"))
			pool[one.dataset.key] = one.textContent;
		drawn.pools[node.dataset.pool] = pool;
	}
	for (const node of document.querySelectorAll(".worker"))
		drawn.workers[text(node, ".top b")] =
		    [text(node, ".pill"), node.textContent];
	for (const node of document.querySelectorAll(".event"))
		drawn.events[node.firstChild.textContent] = text(node, "b");
	return drawn;
})()"""

# What is wider than the place that it has.
CUT_OFF = """[...document.querySelectorAll("body, body *")].filter((node) =>
    node.clientWidth > 0 && getComputedStyle(node).display !== "inline" &&
    node.scrollWidth > node.clientWidth + 1).map((node) =>
    node.tagName + " " + node.className + ": " +
    node.textContent.slice(0, 60))"""

TOTALS = """fetch("status.json").then((answer) => answer.json()).then((now) => {
	const sums = {};
	for (const pool of now.pools) {
		const sum = sums[pool.database] ||= [0, 0, 0, 0];
		["xacts", "queries", "received", "sent"].forEach((key, i) =>
		    sum[i] += pool[key]);
	}
	return sums;
})"""


def leading(text):
    """1.2k is 1200."""
    found = re.match(r"([0-9.]+)([kMG]?)", text)
    return float(found.group(1)) * {"": 1, "k": 1e3, "M": 1e6,
                                    "G": 1e9}[found.group(2)]


class Test:
    def __init__(self, scene, browser):
        self.scene, self.browser = scene, browser

    def drawn(self):
        return self.browser.value(DRAWN)

    def the_figures_move_under_load(self):
        load = self.scene.start_load(8)
        seen = set()

        def moves():
            assert load.poll() is None, "pgbench has ended"
            now = self.drawn()
            pool = now["pools"].get("shop/app", {})
            if (leading(now["tiles"].get("xacts", "0")) > 0 and
                    int(pool.get("cl_active", 0)) +
                    int(pool.get("cl_waiting", 0)) == 8 and
                    now["tiles"]["clients"] == "8" and
                    not now["tiles"]["time"].startswith("0")):
                seen.add(now["tiles"]["xacts"])
            return len(seen) >= 3
        wait_for(moves, "three rates and eight clients")
        wait_for(lambda: all(
            leading(re.search(r"([0-9.]+[kM]?) trans/s", text).group(1)) > 0
            for _, text in self.drawn()["workers"].values()),
            "both workers work")
        load.terminate()
        load.wait()
        wait_for(lambda: leading(self.drawn()["tiles"]["xacts"]) == 0,
                 "the rate becomes 0")

    def at_rest_they_are_those_of_show(self):
        holders = [self.scene.session("app", "shop") for _ in range(5)]
        for holder in holders[:2]:
            assert self.scene.ask(holder, "begin; select 1;") == "1"
        for holder in holders[2:]:
            assert self.scene.ask(holder, "select 1;") == "1"
        third = self.scene.session("app", "shop")
        assert self.scene.ask(third, "begin; select 2;") == "2"
        holders[4].stdin.write("select 3;\n")   # all three servers are taken
        holders[4].stdin.flush()
        wait_for(lambda: self.scene.report(
            "POOLS", database="shop", cl_active="5", cl_waiting="1",
            sv_active="3"), "one waits for the third server")
        console = self.scene.session("postgres", "pgbouncer")

        def same_pools():
            drawn = self.drawn()["pools"]
            rows = [row for row in self.scene.report("POOLS")
                    if row["database"] != "pgbouncer"]
            assert len(rows) == 2, rows
            return len(drawn) == 2 and all(
                drawn[key]["cl_active"] == row["cl_active"] and
                drawn[key]["cl_waiting"] == row["cl_waiting"] and
                drawn[key]["use"].startswith(
                    f"{row['sv_active']} in use, {row['sv_idle']} idle")
                for row in rows
                for key in [row["database"] + "/" + row["user"]])
        wait_for(same_pools, "SHOW POOLS and the page agree")
        now = self.drawn()
        assert now["tiles"]["waiting"] == "1", now
        assert now["tiles"]["busy"] == "3", now
        wait_for(lambda: self.drawn()["tiles"]["wait"] != "0ms",
                 "the wait is shown")

        def same_totals():
            drawn = self.browser.value(TOTALS)
            rows = {row["database"]: row for row in
                    self.scene.report("STATS_TOTALS")}
            return all([str(value) for value in drawn[name]] ==
                       [rows[name][key] for key in
                        ("xact_count", "query_count", "bytes_received",
                         "bytes_sent")] for name in drawn)
        wait_for(same_totals, "SHOW STATS_TOTALS and status.json agree")
        self.compare_workers(console)
        for holder in [*holders, third]:
            holder.stdin.close()

    def compare_workers(self, console):
        def same():
            # Through a session that stays, so that the page counts it too.
            console.stdin.write("show workers;\n\\echo end\n")
            console.stdin.flush()
            names = self.worker_columns
            rows = []
            while (line := console.stdout.readline().strip()) != "end":
                rows.append(dict(zip(names, line.split("|"))))
            assert len(rows) == 2, rows
            drawn = self.drawn()["workers"]
            return all(
                drawn["worker " + row["slot"]][0] == row["state"] and
                f"{row['clients']} clients," in
                drawn["worker " + row["slot"]][1] for row in rows)
        self.worker_columns = list(self.scene.report("WORKERS")[0])
        wait_for(same, "SHOW WORKERS and the page agree")

    def nothing_is_cut_off(self):
        colours = set()
        for scheme in ("light", "dark"):
            for width in (1280, 768, 390, 320):
                self.browser.look(width, scheme)
                turns = self.drawn()["turns"]
                wait_for(lambda: self.drawn()["turns"] > turns, "a turn")
                cut = self.browser.value(CUT_OFF)
                assert cut == [], (scheme, width, cut)
            colours.add(self.browser.value(
                "getComputedStyle(document.body).backgroundColor"))
        assert len(colours) == 2, colours

    def names_are_only_texts(self):
        assert self.browser.value('document.querySelector("b[onclick]")') \
            is None
        assert EVIL + "/app" in self.drawn()["pools"]

    def exporter(self):
        """Its process, which is called pgusher/export."""
        for name in os.listdir("/proc"):
            try:
                with open(f"/proc/{name}/stat", encoding="utf-8") as file:
                    comm, rest = file.read().split("(", 1)[1].rsplit(")", 1)
            except (OSError, IndexError):
                continue            # no process, or one that has ended
            if (comm == "pgusher/export" and
                    int(rest.split()[1]) == self.scene.pooler.pid):
                return int(name)
        raise AssertionError("no exporter")

    def it_says_what_is_the_matter(self):
        self.scene.console("PAUSE")
        wait_for(lambda: self.drawn()["state"] == "paused", "paused")
        self.scene.console("RESUME")
        wait_for(lambda: self.drawn()["state"] == "serving", "serving")
        assert self.browser.complaints == [], self.browser.complaints
        # One that hangs is no better than one that is gone.
        exporter = self.exporter()
        os.kill(exporter, signal.SIGSTOP)
        wait_for(lambda: self.drawn()["state"] == "no answer", "it hangs")
        assert self.drawn()["stale"]
        os.kill(exporter, signal.SIGCONT)
        wait_for(lambda: self.drawn()["state"] == "serving", "it goes on")
        self.scene.stop_pooler()
        wait_for(lambda: self.drawn()["state"] == "no answer", "no answer")
        assert self.drawn()["stale"]
        self.scene.start_pooler()
        wait_for(lambda: self.drawn()["state"] == "serving",
                 "serving again")
        assert not self.drawn()["stale"]


def main():
    if chromium.find() is None:
        skip("no chromium")
    signal.alarm(600)
    scene, http, browser = Scene("browser"), free_port(), None
    try:
        scene.open_shop(f"""
shop = {{place}} pool_size=3
"{EVIL}" = {{place}}
""", f"""
metrics_listen = 127.0.0.1:{http}
server_lifetime = 0
server_idle_timeout = 0
""")
        scene.psql(scene.pooled, "app", EVIL, "SELECT 1")
        browser = chromium.Chromium(scene.root + "/chromium")
        browser.go(f"http://127.0.0.1:{http}/")
        wait_for(lambda: browser.value(
            "document.documentElement.dataset.turns > 0"), "a page")
        test = Test(scene, browser)
        for step in (test.the_figures_move_under_load,
                     test.at_rest_they_are_those_of_show,
                     test.nothing_is_cut_off, test.names_are_only_texts,
                     test.it_says_what_is_the_matter):
            step()
            print(step.__name__)
    finally:
        if browser is not None:
            browser.end()
        scene.end()


sys.exit(main())
