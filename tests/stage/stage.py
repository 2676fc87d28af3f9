"""
A private PostgreSQL and processes beside it, for tests in Python.

All of it is in one temporary directory and on free ports of 127.0.0.1, and
ends with the test.  As root it runs as the user postgres.  Whatever is
missing on this machine skips the test: exit status 77.
"""
import glob
import os
import shutil
import signal
import subprocess
import tempfile
import urllib.error
import urllib.request

from scene import (PATIENCE, PGUSHER, find_postgres, free_port, need, skip,
                   wait_for)

__all__ = ["PGUSHER", "Stage", "fetch", "free_port", "need", "skip",
           "wait_for"]


def fetch(url):
    """Status and text; status 0: nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


class Stage:
    """with Stage("monitoring") as stage: ..."""

    def __init__(self, name):
        self.bin = find_postgres()
        self.root = tempfile.mkdtemp(prefix=f"pgusher-{name}-")
        self.user = []
        if os.getuid() == 0:
            self.user = ["runuser", "-u", "postgres", "--"]
            os.chmod(self.root, 0o755)
            shutil.chown(self.root, "postgres")
        self.port = free_port()
        self.processes = []
        self.has_cluster = False

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        for process in reversed(self.processes):
            self.end(process)
        if self.has_cluster:
            self.pg_ctl("stop", "-m", "immediate")
        if kind is not None:
            for log in sorted(glob.glob(self.root + "/*.log")):
                print(f"---- {os.path.basename(log)} (end of it)")
                with open(log, encoding="utf-8", errors="replace") as file:
                    print("".join(file.readlines()[-40:]))
        shutil.rmtree(self.root, ignore_errors=True)

    # --- files and processes

    def write(self, name, text, mode=0o644):
        path = os.path.join(self.root, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, mode)
        if self.user:
            shutil.chown(path, "postgres")
        return path

    def directory(self, name):
        path = os.path.join(self.root, name)
        os.mkdir(path)
        if self.user:
            shutil.chown(path, "postgres")
        return path

    def run(self, *words, **options):
        options.setdefault("check", True)
        return subprocess.run([*self.user, *words], cwd=self.root, text=True,
                              capture_output=True, timeout=PATIENCE,
                              **options)

    def start(self, name, *words, env=None):
        """A process with its output in name.log; ended with the stage."""
        with open(f"{self.root}/{name}.log", "ab") as log:
            process = subprocess.Popen(
                words, cwd=self.root, stdout=log, stderr=log,
                stdin=subprocess.DEVNULL, env=env,
                user="postgres" if self.user else None,
                group="postgres" if self.user else None,
                extra_groups=[] if self.user else None)
        self.processes.append(process)
        return process

    def end(self, process, how=signal.SIGTERM):
        """Its exit status."""
        if process.poll() is None:
            process.send_signal(how)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
        return process.wait()

    def log(self, name):
        with open(f"{self.root}/{name}.log", encoding="utf-8",
                  errors="replace") as file:
            return file.read()

    # --- PostgreSQL

    def pg_ctl(self, *what):
        self.run(self.bin + "/pg_ctl", "-D", self.root + "/data", "-l",
                 self.root + "/postgres.log", "-w", "-s", *what)

    def start_cluster(self, *lines):
        self.run(self.bin + "/initdb", "-D", self.root + "/data", "-A",
                 "trust", "-U", "postgres", "--no-sync")
        with open(self.root + "/data/postgresql.conf", "a",
                  encoding="utf-8") as conf:
            conf.write("\n".join((f"port = {self.port}", "fsync = off",
                                  "listen_addresses = '127.0.0.1'",
                                  "unix_socket_directories = "
                                  f"'{self.root}'", *lines, "")))
        self.has_cluster = True
        self.pg_ctl("start")

    def sql(self, text, database="postgres", port=None, user="postgres",
            password=None, check=True):
        """What psql prints for it, or its error."""
        env = dict(os.environ)
        if password is not None:
            env["PGPASSWORD"] = password
        done = subprocess.run(
            ["psql", "-X", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p",
             str(port or self.port), "-U", user, "-d", database, "-tAc",
             text], check=False, capture_output=True, text=True, env=env,
            timeout=PATIENCE)
        assert not check or done.returncode == 0, done.stderr
        return (done.stdout or done.stderr).strip()
