"""
Runs the examples of pgusher-guide(7) against a real PostgreSQL and the pooler
of the build directory, as they stand in the page but for places: files are
below a temporary directory, hosts and ports are this test's, and systemctl is
a script.  Each example is in PLAN with words that must be in it; one that is
not there, or not in its place, is an error.
"""
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request

from guide import Guide, check_plan, follow
from scene import PGUSHER, free_port, skip, wait_for

PASSWORDS = {"app": "app password", "dba": "dba password",
             "monitor": "monitor password"}


class Stage(Guide):
    """The page's world."""

    def __init__(self):
        super().__init__("man")
        self.http = free_port()
        self.ini = self.root + "/etc/pgusher/pgusher.ini"
        self.log = self.root + "/var/log/pgusher/pgusher.log"
        self.pidfile = self.root + "/run/pgusher/pgusher.pid"
        self.waiting = None
        for name in ("etc/pgusher", "var/log/pgusher", "run/pgusher", "bin"):
            os.makedirs(f"{self.root}/{name}")
        if self.as_user:
            for place, _, _ in os.walk(self.root):
                os.chown(place, self.as_user["user"], self.as_user["group"])
        self.write(self.root + "/pgpass", "".join(
            f"*:*:*:{user}:{password}\n"
            for user, password in PASSWORDS.items()), 0o600)
        self.environment = dict(
            os.environ, HOME=self.root, PGHOST="127.0.0.1",
            PGPORT=str(self.pooled), PGPASSFILE=self.root + "/pgpass",
            PATH=f"{self.root}/bin:{self.bin}:" + os.environ["PATH"])

    def install_programs(self):
        for name in ("pgusher", "pgusherctl"):
            os.symlink(os.path.join(os.path.dirname(PGUSHER), name),
                       f"{self.root}/bin/{name}")
        pg_ctl = (f'"{self.bin}/pg_ctl" -D "{self.root}/data" -l '
                  f'"{self.root}/postgres.log" -w -m fast')
        self.write(self.root + "/bin/systemctl", f"""#!/bin/sh
pid() {{ cat "{self.pidfile}" 2>/dev/null; }}
start() {{
	pgusher -q -d "{self.ini}"
	until [ -s "{self.pidfile}" ]; do sleep 0.1; done
}}
stop() {{
	p=$(pid) && kill -QUIT "$p" || return 0
	while kill -0 "$p" 2>/dev/null; do sleep 0.1; done
}}
case "$1 $2" in
"start pgusher") start ;;
"stop pgusher") stop ;;
"restart pgusher") stop; start ;;
"status pgusher") kill -0 "$(pid)" && echo active ;;
"restart postgresql") {pg_ctl} restart >/dev/null ;;
*) echo "not played: $*"; exit 1 ;;
esac
""", 0o755)

    def placed(self, text):
        """With this test's places."""
        for old, new in (("5432", self.direct), ("6432", self.pooled),
                         ("9127", self.http), ("db1", "127.0.0.1"),
                         ("db2", "127.0.0.2"), ("-C /", "-C " + self.root)):
            text = re.sub(rf"(?<!\w){re.escape(old)}(?!\w)", str(new), text)
        return re.sub("/(etc|var/log|run)/pgusher",
                      rf"{self.root}/\1/pgusher", text)

    def run(self, block, good=True, **environment):
        done = subprocess.run(
            ["bash", "-ec", self.placed(block)], cwd=self.root,
            env=dict(self.environment, **environment), text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=180, check=False,
            **self.as_user)
        assert (done.returncode == 0) == good, (block, done.stdout)
        return done.stdout

    def pooled_value(self, good=True, **environment):
        return self.run("psql -tA -h 127.0.0.1 -p 6432 -U app -d shop "
                        "-c 'SELECT 1'", good, **environment)

    def console(self, text, user="dba"):
        return self.run("psql -tA -h 127.0.0.1 -p 6432 -U "
                        f'{user} -d pgbouncer -c "{text}"').strip()

    def servers(self):
        return int(self.sql("SELECT count(*) FROM pg_stat_activity WHERE "
                            "datname = 'shop' AND usename = 'app'"))

    def hold(self, port):
        """A client that begins a transaction and stays."""
        return self.begin_and_stay(
            ["psql", "-XqtA", "-h", "127.0.0.1", "-p", str(port), "-U", "app",
             "-d", "shop"], env=self.environment)

    def bench(self, *options):
        return subprocess.Popen(
            [self.bin + "/pgbench", "-n", "-h", "127.0.0.1", "-p",
             str(self.pooled), "-U", "app", *options, "shop"],
            cwd=self.root, env=self.environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def end(self):
        if os.path.exists(self.root + "/bin/systemctl"):
            self.run("systemctl stop pgusher")
        super().end()


# --- the examples ----------------------------------------------------------

def configure(stage, block):
    block = block.replace("server_lifetime", "server_login_retry = 1\n"
                          "server_lifetime", 1)
    stage.write(stage.ini, stage.placed(block))


def roles(stage, block):
    for line in block.splitlines():
        stage.sql(line)
    stage.sql("CREATE DATABASE shop OWNER app")
    stage.sql("ALTER SCHEMA public OWNER TO app", "shop")
    # For pgbench, before the page comes to it.
    stage.as_postgres(stage.bin + "/pgbench", "-i", "-q", "-h", "127.0.0.1",
                      "-p", str(stage.direct), "-U", "postgres", "shop")
    for table in ("accounts", "branches", "history", "tellers"):
        stage.sql(f"ALTER TABLE pgbench_{table} OWNER TO app", "shop")


def runs(stage, block):
    if not shutil.which("ss"):
        block = re.sub("^ss .*$", "", block, flags=re.M)
    stage.run(block)


def userlist(stage, block):
    stage.run(block)
    path = stage.root + "/etc/pgusher/userlist.txt"
    assert os.stat(path).st_mode & 0o777 == 0o600
    with open(path, encoding="utf-8") as file:
        text = file.read()
    for user in PASSWORDS:
        assert f'"{user}" "SCRAM-SHA-256$' in text, text


def start(stage, block):
    out = stage.run(block)
    assert "PostgreSQL" in out and "cl_waiting" in out, out


def queries(stage, block):
    stage.write(stage.root + "/queries.sql", block)
    out = stage.run("psql -v ON_ERROR_STOP=1 -h localhost -p 6432 -U monitor "
                    "-d pgbouncer -f queries.sql")
    for word in ("verdict", "xact_ms", "clients", "shop"):
        assert word in out, out


def healthy(stage, block):
    assert "OK" in stage.run(block)


def ready(stage, block):
    address = re.search(r"http:\S*", stage.placed(block)).group(0)
    with urllib.request.urlopen(address) as answer:
        assert answer.status == 200
    if shutil.which("curl"):
        stage.run(block)


def rules(stage, block):
    """All that the rules ask for is told."""
    address = f"http://127.0.0.1:{stage.http}/metrics"
    with urllib.request.urlopen(address) as answer:
        told = answer.read().decode()
    names = re.findall(r"\b(?:pgbouncer|pgusher)_\w+", block)
    assert len(names) == 5, names
    for name in names:
        assert re.search(rf"^{name}[{{ ]", told, re.M), name


def no_such_database(stage, block):
    stage.edit("^shop = .*$", "other = host=127.0.0.1")
    stage.run(block)
    assert "no such database: shop" in stage.pooled_value(good=False)
    stage.edit("^other = .*$", "shop = host=db1 port=5432")
    stage.run(block)
    stage.pooled_value()


def wrong_secret(stage, block):
    stage.sql("ALTER ROLE app PASSWORD 'another'")
    out = stage.pooled_value(good=False, PGPASSWORD="another")
    assert "authentication failed" in out, out
    stage.run(block)
    stage.pooled_value(PGPASSWORD="another")
    stage.sql(f"ALTER ROLE app PASSWORD '{PASSWORDS['app']}'")
    stage.run(block)
    stage.pooled_value()


def who_holds(stage, block):
    stage.held = [stage.hold(stage.pooled) for _ in range(10)]
    for client in stage.held:
        assert client.stdout.readline() == "here\n"
    stage.waiting = stage.hold(stage.pooled)
    stage.held.append(stage.waiting)
    wait_for(lambda: stage.console("SELECT sum(cl_waiting) FROM pools")
             == "1", "one waits")
    out = stage.run(block)
    assert out.count("127.0.0.1") == 10, out
    assert out.count("idle in transaction") == 10, out


def more_connections(stage, block):
    stage.run(block)
    assert stage.waiting.stdout.readline() == "here\n"
    stage.let_go()
    stage.console("RESET default_pool_size")


def no_slots(stage, block):
    stage.run("pgusherctl -U dba kill shop; pgusherctl -U dba resume shop")
    while True:
        client = stage.hold(stage.direct)
        stage.held.append(client)
        if client.stdout.readline() != "here\n":
            break
    out = stage.pooled_value(good=False)
    assert "too many clients" in out or "connection slots" in out, out
    assert "app" in stage.run(block)
    stage.let_go()


def fewer(stage, block):
    stage.edit("^shop = .*$", block.strip())
    stage.run("pgusherctl -U dba reload")
    wait_for(lambda: "1" in subprocess.run(
        ["psql", "-tAc", "SELECT 1", "-U", "app", "shop"],
        env=stage.environment, capture_output=True, text=True,
        check=False).stdout, "PostgreSQL has room again")
    # Of those that had no room for others not all may have ended.
    wait_for(lambda: stage.servers() <= 5, "only the pooler's are left")
    bench = stage.bench("-S", "-c", "15", "-t", "200")
    most = 0
    while bench.poll() is None:
        most = max(most, stage.servers())
    assert bench.returncode == 0, bench.stdout.read()
    assert most <= 5, most
    stage.edit("^shop = .*$", "shop = host=db1 port=5432")
    stage.run("pgusherctl -U dba reload")


def restart_postgres(stage, block):
    bench = stage.bench("-S", "-c", "5", "-T", "4")
    wait_for(lambda: stage.servers() > 0, "the load runs")
    stage.run(block)
    out = bench.communicate()[0]
    assert bench.returncode == 0, out
    assert "number of failed transactions: 0 " in out, out


def new_password(stage, block):
    stage.run(block)
    stage.pooled_value(PGPASSWORD="another password")
    stage.pooled_value(good=False)
    stage.run(block.replace("another password", PASSWORDS["app"]))
    stage.pooled_value()


def copy(stage, block):
    out = stage.run(block + "tar -tzf pgusher-*.tar.gz")
    assert "etc/pgusher/pgusher.ini" in out, out


def drain(stage, block):
    client = stage.hold(stage.pooled)
    assert client.stdout.readline() == "here\n"
    drain_tool = stage.spawn(
        "bash", "-ec", stage.placed(block), env=stage.environment,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: "could not" in stage.run(
        "psql -U app shop -c 'SELECT 1' 2>&1 || echo could not"),
        "new clients are refused")
    client.stdin.write("select 'still';\n")
    client.stdin.flush()
    assert client.stdout.readline() == "still\n"
    client.stdin.close()
    wait_for(lambda: not os.path.exists(stage.pidfile), "the pooler ends")
    drain_tool.wait()
    stage.run("systemctl start pgusher")
    stage.pooled_value()


def postgres_fails(stage, block):
    restart, question = block.splitlines()
    stage.pg_ctl("stop")
    stage.pooled_value(good=False)
    stage.run(restart)
    wait_for(lambda: "1 row" in stage.run(question + " || :"),
             "the pooler connects by itself")


def moves(stage, block):
    stage.pooled_value()
    assert "127.0.0.2" in stage.run(block)
    stage.edit("^shop = .*$", "shop = host=db1 port=5432")
    stage.run("pgusherctl -U dba reload")


def pooler_fails(stage, block):
    with open(stage.pidfile, encoding="ascii") as file:
        pid = int(file.read())
    os.kill(pid, signal.SIGKILL)
    stage.pooled_value(good=False)
    assert "OK" in stage.run(block)
    stage.pooled_value()


def rotate(stage, block):
    stage.run(block)
    wait_for(lambda: os.path.exists(stage.log), "a new log")
    assert os.path.getsize(stage.log + ".1") > 0


def modes(stage, block):
    stage.run("chmod 666 /etc/pgusher/*")
    out = stage.run(block + "ls -l /etc/pgusher")
    assert re.search(r"^-rw-------.* userlist.txt$", out, re.M), out
    assert re.search(r"^-rw-r--r--.* pgusher.ini$", out, re.M), out
    stage.run("pgusherctl -U dba reload")


def tls(stage, block):
    with open(stage.ini, encoding="utf-8") as file:
        before = file.read()
    stage.write(stage.ini, before + stage.placed(block))
    stage.run("pgusherctl -U dba reload")
    out = stage.run("psql -U app shop -c '\\conninfo'", PGSSLMODE="require")
    assert "SSL" in out, out
    assert "SSL required" in stage.pooled_value(good=False,
                                                PGSSLMODE="disable")
    stage.write(stage.ini, before)
    stage.run("pgusherctl -U dba reload")


def load(stage, block):
    fill, pooled, direct = block.splitlines()
    stage.run(fill.replace("-s 10", "-q -s 1"))
    # By number: a hundred logins take their time, too.
    pooled = pooled.replace("-T 60 -P 10", "-t 5")
    bench = subprocess.Popen(
        ["bash", "-ec", "exec " + stage.placed(pooled)], text=True,
        env=stage.environment, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT)
    most = 0
    while bench.poll() is None:
        most = max(most, stage.servers())
    out = bench.stdout.read()
    assert bench.returncode == 0, out
    assert "number of clients: 100" in out, out
    assert "number of failed transactions: 0 " in out, out
    assert 1 < max(most, stage.servers()) <= 10, most
    assert "actually processed: 500/500" in out, out
    print("server connections at most:", most)
    stage.run(direct.replace("-T 60 -P 10", "-T 1 -P 1"))


# Words of each example, in the page's order, and what runs it.
PLAN = [
    ("[databases]", configure), ("CREATE ROLE", roles),
    ("pgusherctl userlist", userlist), ("systemctl start pgusher", start),
    ("top -b -n 1", runs), ("AS verdict", queries),
    ("--waiting 5,20", healthy), ("readyz", ready), ("alert:", rules),
    ("reload", no_such_database), ("userlist", wrong_secret),
    ("JOIN servers", who_holds), ("SET default_pool_size",
                                  more_connections),
    ("usename", no_slots), ("max_db_connections", fewer),
    ("systemctl status", runs), ("pause", restart_postgres),
    ("ALTER ROLE", new_password), ("tar -czf", copy), ("drain", drain),
    ("restart postgresql", postgres_fails), ("wait-close", moves),
    ("dba reconnect", runs),
    ("restart pgusher", pooler_fails), ("kill -HUP", rotate),
    ("chmod 600", modes), ("openssl req", runs),
    ("client_tls_sslmode", tls), ("pgbench", load),
]


def examples(path):
    with open(path, encoding="utf-8") as file:
        found = re.findall(r"^\.Bd -literal[^\n]*\n(.*?)^\.Ed", file.read(),
                           re.S | re.M)
    return [block.replace("\\e", "\\") for block in found]


def main():
    blocks = examples(sys.argv[1])
    check_plan(blocks, PLAN)
    if not shutil.which("bash") or not shutil.which("openssl"):
        skip("no bash or no openssl")
    signal.alarm(900)
    stage = Stage()
    try:
        stage.start_cluster(
            "listen_addresses = '127.0.0.1, 127.0.0.2'\n"
            "max_connections = 30\n",
            "host all app,dba,monitor all scram-sha-256\n"
            "host all all all trust\n")
        stage.install_programs()
        return not follow(stage, blocks, PLAN)
    finally:
        stage.end()


sys.exit(main())
