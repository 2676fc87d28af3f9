"""
pgusherctl top in terminals of several sizes: nothing goes past an edge, its
figures are those of SHOW, keys do what the last line says, and the terminal
is left as it was.
"""
import os
import re
import signal
import sys

from scene import PGUSHER, Scene, wait_for
from terminal import Terminal

TOOL = os.path.join(os.path.dirname(PGUSHER), "pgusherctl")
LONG = "a_database_with_a_name_that_is_long_enough_to_be_cut"
YELLOW, RED, INVERSE = "33", "1;31", "7"


class Test:
    def __init__(self, scene):
        self.scene = scene
        self.environment = dict(
            os.environ, PGHOST="127.0.0.1", PGPORT=str(scene.pooled),
            PGUSER="postgres", TERM="xterm")
        self.environment.pop("NO_COLOR", None)

    def top(self, columns, lines, *options, **more):
        return Terminal(columns, lines, [TOOL, "top", "-i", "0.2", *options],
                        dict(self.environment, **more))

    @staticmethod
    def wait_for_line(terminal, pattern):
        """What of a line on the screen fits."""
        def seen():
            assert terminal.watch(), "it has ended"
            for line in terminal.text():
                if found := re.search(pattern, line):
                    return found
            return None
        return wait_for(seen, pattern)

    def figures_are_those_of_show(self):
        top = self.top(80, 24)
        # One of the two servers' clients waits for the third.
        holders = [self.scene.session("app", "shop") for _ in range(3)]
        for holder in holders[:2]:
            assert self.scene.ask(holder, "begin; select 1;") == "1"
        holders[2].stdin.write("select 1;\n")
        holders[2].stdin.flush()
        self.wait_for_line(top, r"^shop/app +transaction +2 +1 ")
        row = self.scene.report("POOLS", database="shop")[0]
        wanted = r"^shop/app +{} +{} +{} +\d+\.\d\d +{} +{} +{} +{}$".format(
            *[row[name] for name in (
                "pool_mode", "cl_active", "cl_waiting", "sv_active",
                "sv_idle", "sv_used", "sv_login")])
        self.wait_for_line(top, wanted)
        self.wait_for_line(top, r"clients 3, waiting 1   servers 2 active, "
                           "1 idle ")
        for row in self.scene.report("WORKERS"):
            self.wait_for_line(top, rf"^{row['slot']} +{row['pid']} "
                               "+serving ")
        tones = {line.split(" ")[0]: tone for line, tone in
                 zip(top.text(), top.tones) if line}
        # On a busy machine the third waits for long by now.
        assert tones["shop/app"] in (YELLOW, RED), tones
        assert tones["POOL"] == INVERSE, tones
        self.wait_for_line(top, "^p pools")
        assert top.modes == {"1049"}, top.modes     # the cursor is hidden
        for holder in holders:
            holder.stdin.close()
            holder.wait()
        self.wait_for_line(top, r"^shop/app +transaction +0 +0 ")
        top.type("q")
        assert top.end() == 0
        assert top.modes == {"25"}, top.modes

    def rates_move(self):
        top = self.top(200, 50)
        load = self.scene.start_load(2)
        times = self.top(80, 24, "--page", "times")
        self.wait_for_line(times, r"^half .* [um]s +[0-9.]+ [um]s")
        self.wait_for_line(times, r"^[0-9.]+ [um]s .* [0-9.]+k? #+ ")
        self.wait_for_line(times, "q quit$")
        times.type("q")
        assert times.end() == 0
        self.wait_for_line(top, r"[1-9][0-9.]*[kM]? transactions/s")
        self.wait_for_line(top, r"^shop +[1-9][0-9.]*[kM]? +[1-9]")
        # There is room for the whole name, and for the bar.
        self.wait_for_line(top, LONG + "/postgres +transaction")
        self.wait_for_line(top, r"^shop/app .* #+\.*$")
        load.terminate()
        load.wait()
        self.wait_for_line(top, r"   0 transactions/s")
        top.type("q")
        assert top.end() == 0

    def keys_and_sizes(self):
        top = self.top(40, 10)
        self.wait_for_line(top, r"^shop/app ")      # pools come first
        top.type("c")
        self.wait_for_line(top, "^CLIENT +DATABASE")
        top.type("s")
        self.wait_for_line(top, "^SERVER +DATABASE")
        top.type("t")
        self.wait_for_line(top, "^half +[0-9-]")
        top.type("s")
        top.resize(80, 24)
        self.wait_for_line(top, "ADDRESS +WAIT S SINCE$")
        self.wait_for_line(top, r" \d\d:\d\d:\d\d$")
        top.type("pn")
        self.wait_for_line(top, "^DATABASE +XACT/S")
        os.kill(top.pid, signal.SIGINT)
        top.end()
        assert "25" in top.modes and "1049" not in top.modes, top.modes

    def on_a_very_small_screen(self):
        top = self.top(20, 5)
        self.wait_for_line(top, "^clients 0, waiting ")
        self.wait_for_line(top, "^p pools  c clients")
        top.type("q")
        assert top.end() == 0

    def without_colours(self):
        top = self.top(80, 24, "-n", "2", NO_COLOR="1")
        tones = []
        while top.watch(1):
            tones += [tone for tone in top.tones if tone]
        assert tones == [], tones
        assert top.end() == 0

    def it_outlives_the_pooler(self):
        top = self.top(80, 24)
        self.wait_for_line(top, "^shop/app ")
        self.scene.stop_pooler()
        self.wait_for_line(top, "closed the connection|refused")
        assert top.text()[-1].startswith("p pools"), top.text()
        self.scene.start_pooler()
        self.wait_for_line(top, "^POOL ")
        top.type("q")
        assert top.end() == 0

    def a_password_is_asked_for(self):
        """The last step: from now on nobody comes in without."""
        self.scene.write(self.scene.root + "/users",
                         '"postgres" "open sesame"\n')
        self.scene.console("SET auth_type = md5; RELOAD")
        words = [TOOL, "show", "version"]
        tool = Terminal(200, 24, words, self.environment)
        self.wait_for_line(tool, "^Password for user postgres: *$")
        tool.type("open sesame\n")
        while tool.watch(1):
            assert "sesame" not in "".join(tool.text()), tool.text()
        assert any("PgBouncer" in line for line in tool.text()), tool.text()
        assert tool.end() == 0
        tool = Terminal(200, 24, words + ["--no-password"], self.environment)
        while tool.watch(1):
            assert "Password for" not in "".join(tool.text()), tool.text()
        assert any("no password supplied" in line for line in
                   tool.text()), tool.text()
        assert tool.end() == 1


def main():
    signal.alarm(600)
    scene = Scene("top")
    try:
        scene.open_shop(
            f"shop = {{place}} pool_size=2\n{LONG} = {{place}}", "")
        scene.psql(scene.pooled, "app", "shop", "SELECT 1")
        scene.psql(scene.pooled, "postgres", LONG, "SELECT 1")
        test = Test(scene)
        for step in (test.figures_are_those_of_show, test.rates_move,
                     test.keys_and_sizes, test.on_a_very_small_screen,
                     test.without_colours, test.it_outlives_the_pooler,
                     test.a_password_is_asked_for):
            step()
            print(step.__name__)
    finally:
        scene.end()


sys.exit(main())
