"""
Where the tests in Python play: a private PostgreSQL and a pooler in front of
it, in a temporary directory, as the user postgres if this is root's.  The
standard library alone.
"""
import glob
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

PGUSHER = os.path.abspath(os.environ.get("PGUSHER", "./pgusher"))
PATIENCE = 60.0     # seconds for what must happen
claims = []     # of ports, while this process lives


def skip(reason):
    print("skipped:", reason)
    sys.exit(77)


def need(program):
    """The path of a program, also of those that are for administrators."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    found = shutil.which(program, path=path)
    if not found:
        skip("no " + program)
    return found


def find_postgres():
    """Where initdb, pg_ctl and pgbench are."""
    found = glob.glob("/usr/lib/postgresql/*/bin/initdb")
    if not found or not shutil.which("psql"):
        skip("no PostgreSQL")
    return os.path.dirname(max(found, key=lambda path:
                               int(path.split("/")[4])))


def free_port():
    """One that no other test uses; tests/live claims as this does."""
    for port in range(20000 + os.getpid() * 37 % 8000, 32000):
        claim = socket.socket(socket.AF_UNIX)
        with socket.socket() as probe:
            try:
                claim.bind(f"\0pgusher-live-port-{port}")
                probe.bind(("127.0.0.1", port))
            except OSError:
                claim.close()
                continue
        claims.append(claim)
        return port
    return skip("no free port")


def wait_for(claim, what):
    """What it gave when it was true."""
    end = time.monotonic() + PATIENCE
    while not (value := claim()):
        assert time.monotonic() < end, "never came true: " + what
        time.sleep(0.05)
    return value


class Scene:
    """A cluster, and a pooler if it is started."""

    def __init__(self, name):
        self.bin = find_postgres()
        if not os.access(PGUSHER, os.X_OK):
            skip("no pooler")
        self.root = tempfile.mkdtemp(prefix=f"pgusher-{name}-")
        os.chmod(self.root, 0o755)
        self.ini = self.root + "/pgusher.ini"
        self.log = self.root + "/pgusher.log"
        self.direct, self.pooled = free_port(), free_port()
        self.pooler = None
        self.children = []
        self.as_user = {}
        if os.getuid() == 0:
            account = pwd.getpwnam("postgres")
            self.as_user = {"user": account.pw_uid, "group": account.pw_gid,
                            "extra_groups": []}
            os.chown(self.root, account.pw_uid, account.pw_gid)

    def write(self, path, text, mode=0o644):
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, mode)
        if self.as_user:
            os.chown(path, self.as_user["user"], self.as_user["group"])

    # --- PostgreSQL

    def as_postgres(self, *words):
        subprocess.run(words, check=True, cwd=self.root,
                       stdout=subprocess.DEVNULL, **self.as_user)

    def start_cluster(self, settings="", hba="host all all all trust\n"):
        self.as_postgres(self.bin + "/initdb", "-D", self.root + "/data",
                         "-A", "trust", "-U", "postgres")
        with open(self.root + "/data/postgresql.conf", "a",
                  encoding="utf-8") as conf:
            conf.write(f"port = {self.direct}\nfsync = off\n"
                       f"unix_socket_directories = '{self.root}'\n"
                       f"{settings}\n")
        self.write(self.root + "/data/pg_hba.conf",
                   hba + "local all all trust\n", 0o600)
        self.pg_ctl("start")

    def pg_ctl(self, what):
        self.as_postgres(self.bin + "/pg_ctl", "-D", self.root + "/data",
                         "-l", self.root + "/postgres.log", "-w", "-m",
                         "fast", what)

    def psql(self, port, user, database, text, good=True):
        done = subprocess.run(
            ["psql", "-X", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p",
             str(port), "-U", user, "-d", database, "-tAc", text],
            capture_output=True, text=True, check=False)
        assert not good or done.returncode == 0, (text, done.stderr)
        return done.stdout.strip() if good else done.stdout + done.stderr

    def sql(self, text, database="postgres"):
        """Not through the pooler."""
        return self.psql(self.direct, "postgres", database, text)

    # --- the pooler

    def start_pooler(self):
        """With self.ini as it is. Returns when it takes connections."""
        with open(self.log, "ab") as log:
            self.pooler = subprocess.Popen(
                [PGUSHER, self.ini], cwd=self.root, stdout=log,
                stderr=subprocess.STDOUT, **self.as_user)

        def answers():
            assert self.pooler.poll() is None, self.logged()
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", self.pooled)) == 0
        wait_for(answers, "the pooler listens")

    def stop_pooler(self, number=signal.SIGQUIT):
        if self.pooler is not None:
            self.pooler.send_signal(number)
            status = self.pooler.wait(PATIENCE)
            self.pooler = None
            assert status == 0, (status, self.logged())

    def logged(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()

    def console(self, text, user="postgres"):
        return self.psql(self.pooled, user, "pgbouncer", text)

    def report(self, name, **wanted):
        """Rows of a report of the console, those that have these values."""
        done = subprocess.run(
            ["psql", "-X", "-h", "127.0.0.1", "-p", str(self.pooled), "-U",
             "postgres", "-d", "pgbouncer", "-AF", "\t", "-P", "footer=off",
             "-c", "SHOW " + name], capture_output=True, text=True,
            check=True)
        head, *lines = [line.split("\t") for line in
                        done.stdout.rstrip("\n").split("\n")]
        rows = [dict(zip(head, line)) for line in lines]
        return [row for row in rows if all(row[key] == value for key, value
                                           in wanted.items())]

    def open_shop(self, entries, settings):
        """
        A database `shop` that pgbench has filled, with a user `app`, and a
        pooler of two workers in front of it.  In `entries`, lines of
        [databases], {place} is where it is.
        """
        self.start_cluster()
        self.sql("CREATE ROLE app LOGIN IN ROLE pg_read_all_data")
        self.sql("CREATE DATABASE shop")
        self.as_postgres(self.bin + "/pgbench", "-i", "-q", "-h",
                         "127.0.0.1", "-p", str(self.direct), "shop")
        entries = entries.format(
            place=f"host=127.0.0.1 port={self.direct} dbname=shop")
        self.write(self.ini, f"""
[databases]
{entries}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {self.pooled}
unix_socket_dir =
auth_type = trust
auth_file = {self.root}/users
admin_users = postgres
pool_mode = transaction
workers = 2
server_check_delay = 3600
{settings}
""")
        self.write(self.root + "/users", '"app" ""\n"postgres" ""\n')
        self.start_pooler()

    def start_load(self, clients):
        """pgbench, until it is ended."""
        return self.spawn(
            self.bin + "/pgbench", "-n", "-S", "-h", "127.0.0.1", "-p",
            str(self.pooled), "-U", "app", "-c", str(clients), "-T", "3600",
            "shop")

    # --- programs beside them

    def spawn(self, *words, **options):
        """Ends with the scene at the latest."""
        child = subprocess.Popen(words, cwd=self.root, text=True, **options)
        self.children.append(child)
        return child

    def session(self, user, database):
        """A client that stays: psql, which is told through its stdin."""
        return self.spawn("psql", "-XqtA", "-h", "127.0.0.1", "-p",
                          str(self.pooled), "-U", user, "-d", database,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)

    @staticmethod
    def ask(session, text):
        """One line of answer."""
        session.stdin.write(text + "\n")
        session.stdin.flush()
        return session.stdout.readline().rstrip("\n")

    def end(self):
        for child in self.children:
            child.kill()
            child.wait()
        try:
            if self.pooler is not None and self.pooler.poll() is None:
                self.stop_pooler()
        finally:
            if os.path.exists(self.root + "/data/postmaster.pid"):
                self.pg_ctl("stop")
            shutil.rmtree(self.root, ignore_errors=True)
