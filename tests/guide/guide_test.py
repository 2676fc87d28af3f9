"""
Runs the fenced blocks of operations-guide.md against a real PostgreSQL and
the pooler of the build directory.

The guide's commands are run as they stand.  Programs in front of the PATH
play what is not here: `docker-compose` and `docker` act on the pooler and the
cluster, `psql` and `pgbench` go to their ports, `vim` edits as it is told.
Each block is in PLAN, with words that must be in it, and what runs it or why
it is not run; a block that is not there, or not in its place, is an error.
"""
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.request

from guide import Guide, NotHere, check_plan, follow
from scene import PGUSHER, free_port, wait_for

HOME = ("/Users/pierre.ribeiro/workspace/projects/amyris/"
        "sqlserver-to-postgresql-migration/infra/database")
PASSWORD = "perseus_secret"
# Of the pair of interfaces between a namespace and this host.
NETWORK = f"10.{200 + os.getpid() // 250 % 50}.{os.getpid() % 250}"


class Stage(Guide):
    """A cluster, a pooler and the guide's directories."""

    def __init__(self):
        super().__init__("guide")
        self.dir = self.root + "/pgbouncer"
        self.ini = self.dir + "/pgbouncer.ini"
        self.log = self.root + "/pgbouncer.log"
        self.http, self.namespace = free_port(), None
        self.user = ["runuser", "-u", "postgres", "--"] if self.as_user \
            else []
        os.mkdir(self.dir)
        os.mkdir(self.root + "/bin")
        if self.user:
            shutil.chown(self.dir, "postgres")

    def start(self):
        # For the network partition on all addresses; pg_hba.conf says who
        # may.
        self.start_cluster(
            "listen_addresses = '*'\nmax_connections = 120\n"
            "password_encryption = md5\n"
            "shared_preload_libraries = 'pg_stat_statements'\n",
            "host all perseus_admin 127.0.0.1/32 md5\n"
            f"host perseus_dev perseus_admin {NETWORK}.0/30 md5\n"
            "host all all 127.0.0.1/32 trust\n")
        self.sql("CREATE ROLE perseus_admin SUPERUSER LOGIN PASSWORD "
                 f"'{PASSWORD}'")
        self.sql("CREATE DATABASE perseus_dev OWNER perseus_admin")
        self.sql("CREATE EXTENSION pg_stat_statements", "perseus_dev")

    def configure(self, base):
        base = base.replace("host=postgres port=5432",
                            f"host=127.0.0.1 port={self.direct}")
        base = base.replace("listen_port = 6432",
                            f"listen_port = {self.pooled}")
        self.write(self.ini, base + f"""
listen_addr = 127.0.0.1
unix_socket_dir =
auth_file = {self.dir}/userlist.txt
admin_users = perseus_admin
metrics_listen = 127.0.0.1:{self.http}
logfile = {self.log}
pidfile = {self.root}/pgbouncer.pid
server_login_retry = 1
""")

    def add(self, lines):
        with open(self.ini, encoding="utf-8") as file:
            self.write(self.ini, file.read() + lines + "\n")

    def install_programs(self):
        pool = (f'start_pool() {{ {" ".join(self.user)} "{PGUSHER}" -q -d '
                f'"{self.ini}"; }}\n'
                f'pid() {{ cat "{self.root}/pgbouncer.pid" 2>/dev/null; }}\n'
                'stop_pool() { p=$(pid) || return 0; kill -TERM "$p"; i=0\n'
                'while kill -0 "$p" 2>/dev/null; do i=$((i + 1))\n'
                '[ $i -lt 100 ] || kill -QUIT "$p"; sleep 0.1; done; }\n')
        direct = (f'-h 127.0.0.1 -p {self.direct}')
        pg = (f'{" ".join(self.user)} "{self.bin}/pg_ctl" -D '
              f'"{self.root}/data" -l "{self.root}/postgres.log" -w -m fast')
        ports = ('case $PGPORT in 5432) PGPORT=%d ;; 6432) PGPORT=%d ;; esac\n'
                 'export PGPORT=$PGPORT; n=$#\n'
                 'while [ $n -gt 0 ]; do a=$1; shift; n=$((n - 1))\n'
                 'case $a in 5432) a=%d ;; 6432) a=%d ;; localhost) '
                 'a=127.0.0.1 ;; %s esac\nset -- "$@" "$a"; done\n')
        ports = ports % (self.direct, self.pooled, self.direct, self.pooled,
                         '600) a=2 ;; 50) a=1 ;; 10) a=1 ;;')
        programs = {
            "psql": ": ${PGPORT:=}\n" + ports.replace(
                " 600) a=2 ;; 50) a=1 ;; 10) a=1 ;;", "") +
                    'exec /usr/bin/psql -X "$@"\n',
            "pgbench": ": ${PGPORT:=}\n" + ports +
                       # Before PostgreSQL 17 its -d is for debugging.
                       f'case $("{self.bin}/pgbench" --version) in\n'
                       '*" 1"[0-6].*) n=$#; while [ $n -gt 0 ]; do a=$1\n'
                       'shift; n=$((n - 1)); [ "$a" = -d ] ||\n'
                       'set -- "$@" "$a"; done ;; esac\n'
                       f'exec "{self.bin}/pgbench" "$@"\n',
            "docker-compose": pool + f"""
case "$1 $2" in
"restart pgbouncer") stop_pool; start_pool ;;
"stop pgbouncer") stop_pool ;;
"restart postgres") {pg} restart >/dev/null ;;
"ps postgres") {pg} status >/dev/null && echo healthy ;;
logs*) cat "{self.log}" ;;
"exec postgres") shift 3; exec /usr/bin/psql -X {direct} "$@" ;;
"exec pgbouncer") shift 2
	[ "$1" != cat ] || exec cat "{self.ini}"
	exec "$@" ;;
*) echo "not played: $*"; exit 1 ;;
esac
""",
            "docker": pool + f"""
case "$1 $2" in
"ps "*) kill -0 "$(pid)" && echo perseus-pgbouncer-dev ;;
"exec perseus-pgbouncer-dev") shift 2
	case $1 in
	psql) shift 5; exec /usr/bin/psql -X {direct} "$@" ;;
	kill) kill "$2" "$(pid)" ;;
	netstat) ss -tln | sed 's/:{self.pooled} /:6432 /' ;;
	*) exec "$@" ;;
	esac ;;
*) echo "not played: $*"; exit 1 ;;
esac
""",
            "watch": 'exec sh -c "$*"\n',
        }
        for name, text in programs.items():
            self.write(f"{self.root}/bin/{name}", "#!/bin/sh\n" + text,
                       0o755)
        self.write(self.dir + "/generate-userlist.sh", f"""#!/bin/sh
/usr/bin/psql -X {direct} -U postgres -d postgres -tAc "SELECT '\\"' ||
rolname || '\\" \\"' || rolpassword || '\\"' FROM pg_authid
WHERE rolpassword IS NOT NULL" >userlist.new &&
chmod 600 userlist.new && {{ [ "$(id -u)" != 0 ] ||
chown postgres userlist.new; }} && mv userlist.new userlist.txt
""", 0o644)

    def run(self, script, password=PASSWORD, good=True, stdin=""):
        """A shell script of the guide; its output."""
        script = script.replace(HOME, self.root)
        environment = dict(os.environ, PGPASSWORD=password,
                           GIT_CONFIG_COUNT="1",
                           GIT_CONFIG_KEY_0="safe.directory",
                           GIT_CONFIG_VALUE_0="*",
                           PATH=self.root + "/bin:" + os.environ["PATH"])
        done = subprocess.run(["bash", "-ec", script], cwd=self.dir,
                              env=environment, input=stdin, text=True,
                              stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=180,
                              check=False)
        if good:
            assert done.returncode == 0, (script, done.stdout)
        else:
            assert done.returncode != 0, (script, done.stdout)
        return done.stdout

    def console(self, text, good=True):
        return self.run("psql -tA -h localhost -p 6432 -U perseus_admin "
                        f'-d pgbouncer -c "{text}"', good=good)

    def pooled_value(self, password=PASSWORD, good=True):
        return self.run("psql -tA -h localhost -p 6432 -U perseus_admin "
                        '-d perseus_dev -c "SELECT 1;"', password, good)

    def environment(self, **more):
        return dict(os.environ, PGPASSWORD=PASSWORD, PATH=self.root +
                    "/bin:" + os.environ["PATH"], **more)

    def hold(self, port, user="perseus_admin"):
        """A client that begins a transaction and stays; port as the guide
        has it. Its first line is "here" if it got that far."""
        client = self.begin_and_stay(
            ["psql", "-qtA", "-h", "localhost", "-p", str(port), "-U", user,
             "-d", "perseus_dev"], executable=self.root + "/bin/psql",
            env=self.environment())
        self.held.append(client)
        return client

    def end(self):
        self.let_go()
        if self.namespace is not None:
            self.namespace.end()
        try:
            if os.path.exists(self.root + "/bin/docker-compose"):
                self.run("docker-compose stop pgbouncer")
        finally:
            super().end()


class Namespace:
    """A network with a cable to this host's, for a pooler."""

    def __init__(self):
        if os.getuid() != 0 or not shutil.which("ip"):
            raise NotHere("a network of its own needs root and ip")
        self.holder = subprocess.Popen(["unshare", "-n", "sleep", "3600"])
        own = os.readlink("/proc/self/ns/net")
        try:
            wait_for(lambda: self.holder.poll() is not None or os.readlink(
                f"/proc/{self.holder.pid}/ns/net") != own, "a namespace")
            if self.holder.poll() is not None:
                raise NotHere("unshare -n is not allowed")
            self.cable = f"pgush{os.getpid()}"
            self.here("link", "add", self.cable, "type", "veth", "peer",
                      "name", "eth0", "netns", str(self.holder.pid))
            self.here("addr", "add", NETWORK + ".1/30", "dev", self.cable)
            self.here("link", "set", self.cable, "up")
            for words in ("link set lo up", "link set eth0 up",
                          "addr add 10.77.0.1/32 dev lo",
                          f"addr add {NETWORK}.2/30 dev eth0"):
                self.there("ip", *words.split())
        except subprocess.CalledProcessError as error:
            self.end()
            raise NotHere("no veth: " + str(error)) from error
        except NotHere:
            self.end()
            raise

    @staticmethod
    def here(*words):
        subprocess.run(["ip", *words], check=True, capture_output=True)

    def there(self, *words, **options):
        return subprocess.run(
            ["nsenter", "-t", str(self.holder.pid), "-n", *words],
            check=True, capture_output=True, text=True, **options).stdout

    def end(self):
        self.holder.kill()
        self.holder.wait()      # the cable goes with the namespace


class PoolerApart:
    """A pooler in the namespace, with a configuration of its own."""

    def __init__(self, stage, settings, place):
        if stage.namespace is None:
            stage.namespace = Namespace()
        self.stage, self.port = stage, free_port()
        self.dir = tempfile.mkdtemp(dir=stage.root)
        shutil.chown(self.dir, "postgres")
        stage.write(self.dir + "/pgbouncer.ini", f"""
[databases]
perseus_dev = {place} port={stage.direct} dbname=perseus_dev
[pgbouncer]
listen_port = {self.port}
auth_type = md5
auth_file = {stage.dir}/userlist.txt
admin_users = perseus_admin
pool_mode = transaction
pidfile = {self.dir}/pid
logfile = {self.dir}/log
{settings}
""")
        stage.namespace.there(*stage.user, PGUSHER, "-q", "-d",
                              self.dir + "/pgbouncer.ini")
        wait_for(lambda: os.path.exists(self.dir + "/pid"), "it starts")

    def ask(self, host, text="SELECT 1", good=True):
        done = subprocess.run(
            ["nsenter", "-t", str(self.stage.namespace.holder.pid), "-n",
             "psql", "-XtA", "-h", host, "-p", str(self.port), "-U",
             "perseus_admin", "-d", "perseus_dev", "-c", text],
            env=self.stage.environment(), capture_output=True, text=True,
            check=False)
        assert not good or done.returncode == 0, done.stderr
        return done.stdout.strip() if done.returncode == 0 else done.stderr

    def logged(self):
        with open(self.dir + "/log", encoding="utf-8") as file:
            return file.read()

    def end(self):
        with open(self.dir + "/pid", encoding="ascii") as file:
            os.kill(int(file.read()), signal.SIGQUIT)
        wait_for(lambda: not os.path.exists(self.dir + "/pid"), "it ends")


# --- the blocks that run ---------------------------------------------------

def runs(stage, block):
    stage.run(block)


def runs_and_connects(stage, block):
    out = stage.run(block, stdin="SELECT 1;")
    assert "1" in out, out


def by_address(stage, block):
    address = block.strip().replace(":password@", f":{PASSWORD}@")
    for old, new in (("5432", stage.direct), ("6432", stage.pooled)):
        address = address.replace(f":{old}/", f":{new}/")
    out = stage.run(f"/usr/bin/psql -XtAc 'SELECT 7' {address}")
    assert out.strip() == "7", out


def series(stage, block):
    """What the query is about is told, and grows."""
    name = re.search(r"rate\((\w+)\[", block).group(1)

    def told():
        with urllib.request.urlopen(
                f"http://127.0.0.1:{stage.http}/metrics") as answer:
            found = re.search(name + r'{database="perseus_dev"} (\S+)',
                              answer.read().decode())
        return float(found.group(1))
    before = told()
    for _ in range(3):
        stage.pooled_value()
    wait_for(lambda: told() >= before + 3, name + " grows")


def exports(stage, block):
    block = re.sub("<.*>", PASSWORD, block)
    assert "1" in stage.run(block + "psql -tAc 'SELECT 1'")


def report(stage, block):
    for name in re.findall("SHOW .*;", block):
        assert len(stage.console(name).splitlines()) > 0, name


def monitoring(stage, block):
    stage.pooled_value()
    stage.write(stage.root + "/queries.sql", block)
    out = stage.run("psql -v ON_ERROR_STOP=1 -h localhost -p 6432 "
                    "-U perseus_admin -d pgbouncer -f ../queries.sql")
    for word in ("status", "avg_xact_ms", "connection_count", "perseus_dev"):
        assert word in out, out


def no_such_database(stage, block):
    entry = re.search(r"^perseus_dev = .*$", block, re.M).group(0)
    stage.edit(r"^perseus_dev = .*$", "other = host=127.0.0.1")
    stage.console("RELOAD;")
    assert "no such database" in stage.pooled_value(good=False)
    entry = entry.replace("host=postgres port=5432",
                          f"host=127.0.0.1 port={stage.direct}")
    stage.edit(r"^other = .*$", entry)
    stage.run([line for line in block.splitlines()
               if line.startswith("docker-compose")][0])
    stage.pooled_value()


def wrong_hash(stage, block):
    stage.sql("ALTER ROLE perseus_admin PASSWORD 'another'")
    out = stage.pooled_value("another", good=False)
    assert "password authentication failed" in out, out
    stage.run(block)
    stage.pooled_value("another")
    stage.sql(f"ALTER ROLE perseus_admin PASSWORD '{PASSWORD}'")
    stage.run(block)
    stage.pooled_value()


def pool_size_now(stage):
    lines = stage.console("SHOW CONFIG;").splitlines()
    return [x.split("|")[1] for x in lines
            if x.startswith("default_pool_size|")][0]


def three_on_two(stage):
    """Two clients hold what there is, the third waits; it."""
    for _ in range(2):
        assert stage.hold(6432).stdout.readline() == "here\n"
    third = stage.hold(6432)
    wait_for(lambda: stage.console("SELECT sum(cl_waiting) FROM pools")
             .strip() == "1", "the third waits")
    return third


def set_pool_size(stage, block):
    assert pool_size_now(stage) == "25"
    stage.edit(" pool_size=10$", "")
    stage.console("SET default_pool_size = 2; RELOAD;")
    third = three_on_two(stage)
    stage.run(block)
    assert pool_size_now(stage) == "50"
    assert third.stdout.readline() == "here\n"
    stage.let_go()
    stage.console("RESET default_pool_size;")
    assert pool_size_now(stage) == "25"


def write_pool_size(stage, block):
    assert "default_pool_size = 50" in block
    stage.edit("^default_pool_size = .*$", "default_pool_size = 2")
    stage.console("RELOAD;")
    three_on_two(stage)
    stage.edit("^default_pool_size = .*$", "default_pool_size = 50")
    # It does not wait for those who sit in a transaction.
    stage.let_go()
    stage.run("docker-compose restart pgbouncer")
    assert pool_size_now(stage) == "50"
    for _ in range(3):
        assert stage.hold(6432).stdout.readline() == "here\n"
    stage.let_go()
    stage.edit("^default_pool_size = .*$", "default_pool_size = 25")
    stage.edit("(^perseus_dev = .*)$", r"\1 pool_size=10")
    stage.console("RELOAD;")


def limit_exceeded(stage, block):
    """PostgreSQL has no place left for those who are not superusers."""
    stage.sql(f"CREATE ROLE ordinary LOGIN PASSWORD '{PASSWORD}'")
    stage.run("./generate-userlist.sh")
    stage.sql("ALTER SYSTEM SET max_connections = 14")
    stage.run("docker-compose restart postgres")
    stage.console("RECONNECT; RELOAD;")
    while stage.hold(5432, "ordinary").stdout.readline() == "here\n":
        pass
    ask = ("psql -tA -h localhost -p 6432 -U ordinary -d perseus_dev "
           "-c 'SELECT 1'")
    out = stage.run(ask, good=False)
    assert "onnection slots" in out or "too many clients" in out, out
    stage.sql("ALTER SYSTEM SET max_connections = 200")
    stage.run(block)        # its last line restarts PostgreSQL
    stage.let_go()
    wait_for(lambda: stage.run(ask + " 2>&1 || :").strip() == "1",
             "there is room")
    stage.sql("ALTER SYSTEM RESET max_connections")


def silent(stage, block):
    stage.run("docker-compose stop pgbouncer")
    stage.run(block, good=False)
    stage.run("docker-compose restart pgbouncer")
    stage.run(block)


def slow(stage, block):
    stage.run("psql -h localhost -p 6432 -U perseus_admin -d perseus_dev "
              "-c 'SELECT pg_sleep(0.7)'")
    out = stage.run(block)
    assert "pg_sleep" in out, out


def load(stage, block):
    """
    A hundred clients on fewer than ten server connections: nine, as the
    guide's formula has it. By number of transactions and not by time, because
    a hundred logins take some, too.
    """
    words = [line for line in block.replace("\\\n", " ").splitlines()
             if line and not line.startswith("#")]
    fill, pooled, direct = [line.replace("-T 600 -P 10", "-t 12")
                            for line in words]
    stage.edit("pool_size=10$", "pool_size=9")
    stage.console("RELOAD; RECONNECT;")
    stage.run(fill)
    output = tempfile.TemporaryFile("w+")   # a pipe might become full
    bench = subprocess.Popen(
        ["bash", "-ec", pooled], cwd=stage.dir, stdout=output,
        stderr=subprocess.STDOUT, text=True, env=stage.environment())
    used = 0
    while bench.poll() is None:
        used = max(used, int(stage.sql(
            "SELECT count(*) FROM pg_stat_activity WHERE "
            "datname = 'perseus_dev' AND usename = 'perseus_admin'")))
    output.seek(0)
    out = output.read()
    assert bench.returncode == 0, out
    assert "number of clients: 100" in out, out
    assert "actually processed: 1200/1200" in out, out
    assert 0 < used < 10, used
    print("server connections at most:", used)
    out = stage.run(direct)
    assert "actually processed: 1200/1200" in out, out
    stage.edit("pool_size=9$", "pool_size=10")
    stage.console("RELOAD;")


def alter(stage, block):
    """SQL for PostgreSQL, then what the shell does."""
    password = PASSWORD
    for line in block.splitlines():
        if line.startswith(("ALTER", "SELECT")):
            stage.sql(line)
            found = re.search("PASSWORD '(.*)'", line)
            password = found.group(1) if found else password
        elif line.startswith("auth_type"):
            stage.edit("^auth_type = .*$", line)
        elif line.startswith("./generate"):
            stage.run(line)
    stage.run("docker-compose restart pgbouncer")
    stage.pooled_value(password)
    stage.sql("ALTER SYSTEM RESET password_encryption")
    stage.sql("SELECT pg_reload_conf()")
    stage.sql(f"SET password_encryption = md5; ALTER ROLE perseus_admin "
              f"PASSWORD '{PASSWORD}'")
    stage.edit("^auth_type = .*$", "auth_type = md5")
    stage.run("./generate-userlist.sh; docker-compose restart pgbouncer")
    stage.pooled_value()


def restrict(stage, block):
    stage.sql("CREATE ROLE monitoring_user LOGIN PASSWORD 'watch'")
    stage.edit("^admin_users = .*$", block)
    stage.run("./generate-userlist.sh; docker-compose restart pgbouncer")
    login = ("psql -h localhost -p 6432 -U monitoring_user -d pgbouncer "
             "-c '%s'")
    stage.run(login % "SHOW POOLS;", "watch")
    out = stage.run(login % "PAUSE;", "watch", good=False)
    assert "admin access needed" in out, out


def modes(stage, block):
    stage.run("chmod 666 userlist.txt pgbouncer.ini")
    out = stage.run(block + "ls -l")
    assert re.search(r"^-rw-------.* userlist.txt$", out, re.M), out
    assert re.search(r"^-rw-r--r--.* pgbouncer.ini$", out, re.M), out
    stage.console("RELOAD;")


def listen_everywhere(stage, block):
    stage.edit("^listen_addr = .*$", block)
    stage.run("docker-compose restart pgbouncer")
    stage.pooled_value()


def listen_on_network(stage, block):
    block = block.replace("/var/run/postgresql", stage.dir)
    apart = PoolerApart(stage, block, "host=" + stage.root)
    try:
        assert apart.ask("10.77.0.1") == "1"
        assert apart.ask(NETWORK + ".2") == "1"
        assert apart.ask(stage.dir) == "1"
        out = apart.ask("127.0.0.1", good=False)
        assert "refused" in out, out
    finally:
        apart.end()


def secret_for_postgres(stage, path):
    if stage.user:
        shutil.chown(path, "postgres")
    os.chmod(path, 0o600)


def certificate(stage, block):
    stage.run("mkdir ../certificates; cd ../certificates\n" + block)
    secret_for_postgres(stage, stage.dir + "/server.key")
    stage.pooled_value()


def tls(stage, block):
    """Clients and PostgreSQL with TLS, certificates by an own authority."""
    stage.run("""
openssl req -new -x509 -days 2 -nodes -out ca.crt -keyout ca.key \\
    -subj /CN=authority -addext basicConstraints=critical,CA:true
openssl req -new -nodes -out server.csr -keyout server.key \\
    -subj /CN=localhost
printf 'subjectAltName=DNS:localhost,IP:127.0.0.1' >names
openssl x509 -req -days 2 -in server.csr -CA ca.crt -CAkey ca.key \\
    -CAcreateserial -out server.crt -extfile names
cp server.crt server.key ../data""")
    for place in (stage.dir, stage.root + "/data"):
        secret_for_postgres(stage, place + "/server.key")
        secret_for_postgres(stage, place + "/server.crt")
    stage.sql("ALTER SYSTEM SET ssl = on")
    stage.run("docker-compose restart postgres")
    with open(stage.ini, encoding="utf-8") as file:
        before = file.read()
    stage.add(block.replace("/etc/pgbouncer", stage.dir))
    stage.run("docker-compose restart pgbouncer")
    # psql, so that the block's own words are about the pooler's link only.
    out = stage.run(
        "PGSSLMODE=verify-full PGSSLROOTCERT=$PWD/ca.crt /usr/bin/psql -XtA "
        f"-h localhost -p {stage.pooled} -U perseus_admin -d perseus_dev -c "
        "'SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()' "
        "-c '\\conninfo'")
    assert out.startswith("t\n") and "SSL" in out, out
    out = stage.run("PGSSLMODE=disable psql -h localhost -p 6432 "
                    "-U perseus_admin -d perseus_dev -c 'SELECT 1'",
                    good=False)
    assert "SSL required" in out, out
    stage.write(stage.ini, before)
    stage.sql("ALTER SYSTEM SET ssl = off")
    stage.run("docker-compose restart postgres; "
              "docker-compose restart pgbouncer")


def rotate(stage, block):
    logrotate = shutil.which("logrotate", path="/usr/sbin:/sbin:" +
                             os.environ["PATH"])
    if logrotate is None or os.getuid() != 0:
        raise NotHere("logrotate, and root for its create")
    for old, new in (("/etc/logrotate.d/pgbouncer", "../rotate.conf"),
                     ("/var/log/pgbouncer/pgbouncer.log", stage.log),
                     ("0640 pgbouncer pgbouncer", "0640 postgres postgres")):
        assert old in block, old
        block = block.replace(old, new)
    stage.run(block)
    os.chmod(stage.root + "/rotate.conf", 0o644)
    before = os.stat(stage.log).st_ino
    stage.run(f"{logrotate} -f -s ../rotate.state ../rotate.conf")
    assert os.stat(stage.log + ".1").st_ino == before
    stage.pooled_value()
    wait_for(lambda: os.path.getsize(stage.log) > 0, "the new log is used")


def audit(stage, block):
    stage.add(block)
    stage.run("docker-compose restart pgbouncer")
    stage.pooled_value()
    wait_for(lambda: "login attempt: db=perseus_dev user=perseus_admin" in
             stage.run("docker-compose logs pgbouncer"), "log_connections")
    wait_for(lambda: "closing because: client close request" in
             stage.run("docker-compose logs pgbouncer"),
             "log_disconnections")


def backup(stage, block):
    stage.run("cd ..\n" + block.replace("20260125", "$(date +%Y%m%d)").replace(
        "-C /tmp", f"-C / ; mkdir -p {stage.root}/tmp; cp -r "
        f"{stage.dir} {stage.root}/tmp/").replace(
            "/tmp/pgbouncer/*", stage.root + "/tmp/pgbouncer/*"))
    stage.pooled_value()


def maintenance(stage, block):
    pause, resume = [line for line in block.splitlines()
                     if line.startswith("psql")]
    stage.pooled_value()
    stage.run(pause)
    assert stage.sql("SELECT count(*) FROM pg_stat_activity WHERE "
                     "datname = 'perseus_dev'") == "0"
    waiting = subprocess.Popen(
        ["bash", "-c", "psql -tA -h localhost -p 6432 -U perseus_admin "
         "-d perseus_dev -c 'SELECT 7'"], stdout=subprocess.PIPE, text=True,
        env=dict(os.environ, PGPASSWORD=PASSWORD,
                 PATH=stage.root + "/bin:" + os.environ["PATH"]))
    wait_for(lambda: stage.console("SELECT sum(cl_waiting) FROM pools")
             .strip() == "1", "the client waits")
    stage.run(resume)
    assert waiting.communicate()[0].strip() == "7"


def graceful_shutdown(stage, block):
    shutdown = [line for line in block.splitlines()
                if line.startswith("psql")][0]
    held = subprocess.Popen(
        ["psql", "-tA", "-h", "localhost", "-p", "6432", "-U",
         "perseus_admin", "-d", "perseus_dev"], stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, text=True,
        env=dict(os.environ, PGPASSWORD=PASSWORD,
                 PATH=stage.root + "/bin:" + os.environ["PATH"]),
        executable=stage.root + "/bin/psql")
    held.stdin.write("SELECT 1;\n")
    held.stdin.flush()
    assert held.stdout.readline().strip() == "1"
    stage.run(shutdown)
    held.stdin.write("SELECT 2;\n")     # it is waited for
    held.stdin.flush()
    assert held.stdout.readline().strip() == "2"
    held.communicate("")
    wait_for(lambda: not os.path.exists(stage.root + "/pgbouncer.pid"),
             "the pooler ends")
    stage.run("docker-compose restart pgbouncer")
    stage.pooled_value()


def pooler_fails(stage, block):
    stage.run("docker-compose stop pgbouncer")
    stage.pooled_value(good=False)
    stage.run("psql -h localhost -p 5432 -U perseus_admin -d perseus_dev "
              "-c 'SELECT 1'")
    stage.run(block.replace("docker ps -a | grep pgbouncer", ""))


def postgres_fails(stage, block):
    stage.pooled_value()
    stage.pg_ctl("stop")
    stage.pooled_value(good=False)
    log = stage.run("docker-compose logs pgbouncer")
    assert "connect failed" in log or "server conn crashed" in log, log
    stage.run(block.replace(
        "psql -h", "for i in $(seq 60); do sleep 1; psql -h"
    ).replace('"SELECT 1;"', '"SELECT 1;" && exit 0; done; exit 1'))


def partition(stage, block):
    """The block is Docker's; the partition is real."""
    apart = PoolerApart(stage, f"""
unix_socket_dir = {stage.dir}
server_connect_timeout = 2
server_login_retry = 1
query_timeout = 3
query_wait_timeout = 5
""", f"host={NETWORK}.1")
    cable = stage.namespace.cable
    try:
        assert apart.ask(stage.dir) == "1"
        stage.namespace.here("link", "set", cable, "down")
        # On the connection that there was, and on new ones.
        for _ in range(3):
            out = apart.ask(stage.dir, good=False)
            assert "FATAL" in out or "ERROR" in out, out
        assert "connect" in apart.logged()
        stage.namespace.here("link", "set", cable, "up")
        wait_for(lambda: apart.ask(stage.dir, good=False) == "1",
                 "the pooler connects by itself")
    finally:
        apart.end()


def go_round(stage, block):
    """Without the pooler."""
    out = stage.run(block + "psql -tA -h localhost -U perseus_admin "
                    "-d perseus_dev -c 'SHOW max_connections'")
    assert out.strip().endswith("500"), out
    stage.pooled_value(good=False)
    stage.sql("ALTER SYSTEM RESET max_connections")
    stage.run("docker-compose restart postgres; "
              "docker-compose restart pgbouncer")
    stage.pooled_value()


def roll_back(stage, block):
    stage.run("git init -q .. 2>/dev/null; cd ..; git add -f "
              "pgbouncer/pgbouncer.ini; git -c user.name=x -c user.email=x "
              "commit -qm 1")
    stage.edit("^default_pool_size = .*$", "default_pool_size = 33")
    stage.console("RELOAD;")
    assert pool_size_now(stage) == "33"
    stage.run("cd ..; git -c user.name=x -c user.email=x commit -qam 2")
    stage.run("cd ..\n" + block)
    if stage.user:
        shutil.chown(stage.ini, "postgres")
    assert pool_size_now(stage) == "25"


def health(stage, block):
    assert "OK: PgBouncer healthy" in stage.run(
        block.replace('PGBOUNCER_PORT="6432"', "PGBOUNCER_PORT=6432"))
    stage.run("docker-compose stop pgbouncer")
    assert "CRITICAL" in stage.run(block, good=False)
    stage.run("docker-compose restart pgbouncer")


DRAWING = "a drawing, an output or a formula, nothing to run"
DOCKER = "of Docker alone"

# Words of each block, in the guide's order, and what becomes of it.
PLAN = [
    ("Port 6432", DRAWING), ("Dockerfile", DRAWING),
    ("default_pool_size = 25", "the configuration of this test"),
    ("auth_type = scram-sha-256", "runs with the block of section Security"),
    ("./generate-userlist.sh", runs), ("Userlist Generator", DRAWING),
    ("docker-compose build", DOCKER), ("SHOW POOLS", runs),
    ("cl_active", DRAWING), ("localhost:5432", by_address),
    ("localhost:6432", by_address),
    ("export PGHOST", exports), ("# PgBouncer admin console",
                                 runs_and_connects),
    ("-d pgbouncer", runs_and_connects), ("SHOW POOLS", report),
    ("SHOW STATS", report), ("SHOW CLIENTS", report),
    ("SHOW SERVERS", report), ("SHOW CONFIG", report),
    ("pgbouncer.pools", monitoring),
    ("pgbouncer_stats_total_xact_count", series),
    ("# Add database entry", no_such_database),
    ("# Regenerate userlist.txt", wrong_hash),
    ("SET default_pool_size = 50", set_pool_size),
    ("default_pool_size = 50", write_pool_size),
    ("max_connections=200", limit_exceeded),
    ("# Verify port listening", silent), ("pg_stat_statements", slow),
    ("number_of_cores", DRAWING),
    ("pool_size", DRAWING), ("pool_size", DRAWING), ("pgbench", load),
    ("scram-sha-256", alter), ("Q1-2026", alter), ("stats_users", restrict),
    ("chmod 600", modes), ("0.0.0.0", listen_everywhere),
    ("10.0.0.0/8", listen_on_network), ("client_tls_sslmode", tls),
    ("openssl req", certificate), ("log_connections", audit),
    ("logrotate", rotate), ("tar -czf", backup),
    ("PAUSE", maintenance), ("SHUTDOWN", graceful_shutdown),
    ("docker ps -a", pooler_fails), ("auto-reconnects", postgres_fails),
    ("docker network", partition), ("max_connections = 500", go_round),
    ("git checkout", roll_back), ("#!/usr/bin/env bash", health),
    ("Check pool status", runs), ("--since 7d", runs),
    ("docker-compose pull", DOCKER),
]


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        blocks = re.findall(r"^```\w*\n(.*?)^```", file.read(), re.S | re.M)
    check_plan(blocks, PLAN)
    stage = Stage()
    try:
        stage.start()
        stage.configure(blocks[2])
        stage.install_programs()
        stage.run("chmod +x generate-userlist.sh; ./generate-userlist.sh; "
                  "docker-compose restart pgbouncer")
        wait_for(lambda: os.path.exists(stage.root + "/pgbouncer.pid"),
                 "the pooler starts")
        return not follow(stage, blocks, PLAN)
    finally:
        stage.end()


sys.exit(main())
