"""
contrib/docker, contrib/kubernetes and contrib/haproxy without an engine.

The packages and files that the Dockerfile names are there; its entry point,
with what compose.yaml says, serves clients, also as process 1; the file of
the Kubernetes manifest and its probes work; HAProxy spreads clients over two
poolers, cancel requests find their way, and a drain takes nobody's session.
"""
import os
import re
import signal
import stat
import subprocess
import sys

import yaml

from stage import PGUSHER, Stage, fetch, free_port, need, wait_for

TOP = os.path.abspath(sys.argv[1])
DOCKER = TOP + "/contrib/docker"
PROGRAMS = os.path.dirname(PGUSHER)
PASSWORD = "p@ss: 'x\" #;%41\\$(y)"


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def run(*words, **options):
    return subprocess.run(words, capture_output=True, text=True, timeout=120,
                          check=False, **options)


# --- the Dockerfile

def instructions():
    """Of each line its first word and the rest, continued lines joined."""
    text = re.sub(r"(?m)^\s*#.*\n", "", read(DOCKER + "/Dockerfile"))
    text = re.sub(r"\\\n\s*", " ", text)
    return [line.split(None, 1) for line in text.splitlines() if line]


def packages(command):
    found = re.search(r"apt-get install((?: +[^&;]+))", command)
    return [word for word in found.group(1).split()
            if not word.startswith("-")] if found else []


def check_packages(lists):
    """They exist, if this machine knows what Debian has."""
    wanted = set(sum(lists, []))
    done = run("apt-cache", "show", "libc6", *wanted)
    known = set(re.findall(r"(?m)^Package: (\S+)", done.stdout))
    if "libc6" not in known:
        print("not checked: no lists of packages")
        return
    assert wanted <= known, wanted - known


def check_libraries(at_run):
    """What the programs are linked with is installed beside them."""
    needed = set()
    for program in ("pgusher", "pgusherctl"):
        done = run("readelf", "-d", f"{PROGRAMS}/{program}")
        needed |= set(re.findall(r"NEEDED.*\[(.*)\]", done.stdout))
    done = run("dpkg", "-S", *("*/" + library for library in needed))
    assert done.stdout, done.stderr
    for library in needed:
        owners = {line.split(":")[0] for line in done.stdout.splitlines()
                  if line.endswith("/" + library)}
        # Left out of the image, of every image, of sanitizers.
        if owners & {"libsystemd0", "libc6", "libgcc-s1"} or \
                re.match(r"lib(asan|ubsan|clang_rt)", library):
            continue
        assert not owners or owners & set(at_run), (library, owners)


def check_build(command, stage):
    """Its options are known, and what it installs is what is copied."""
    known = run(TOP + "/configure", "--help").stdout
    for option in re.findall(r"--with-[a-z]+", command):
        other = option.replace("--with", "--without")
        assert option in known or other in known, option
    out = stage.root + "/out"
    env = {name: value for name, value in os.environ.items()
           if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "DESTDIR")}
    done = run("make", "-s", "install", f"DESTDIR={out}", "prefix=/usr",
               cwd=PROGRAMS, env=env)
    assert done.returncode == 0, done.stderr
    for word, rest in instructions():
        if word != "COPY":
            continue
        *sources, target = rest.split()
        if sources[0] == "--from=build":
            path = stage.root + sources[1]
            assert os.access(path, os.X_OK), path
            assert sources[1] == "/out" + target, rest
            continue
        for source in sources:
            assert os.path.exists(f"{TOP}/{source}"), source


def check_dockerfile(stage):
    steps = instructions()
    commands = [rest for word, rest in steps if word == "RUN"]
    found = [packages(command) for command in commands if packages(command)]
    assert len(found) == 2
    check_packages(found)
    check_libraries(found[1])
    check_build(next(c for c in commands if "configure" in c), stage)
    for command in commands:
        done = run("sh", "-n", "-c", command)
        assert done.returncode == 0, done.stderr
    words = dict(steps)
    assert words["USER"] == "pgusher"
    assert "useradd --system --uid 6432" in " ".join(commands)
    for word in ("ENTRYPOINT", "HEALTHCHECK"):
        name = re.search(r'\["/usr/lib/pgusher/(\w+)"\]', words[word])
        assert os.access(f"{DOCKER}/{name.group(1)}", os.X_OK), word


# --- the entry point

class Image:
    """The entry point and what is around it, in the stage's directory."""

    def __init__(self, stage):
        self.stage = stage
        self.etc = stage.directory("etc")
        self.run = stage.directory("run")
        self.port, self.metrics = free_port(), free_port()
        for name in ("entrypoint", "healthcheck"):
            stage.write(name, read(f"{DOCKER}/{name}"), 0o755)
        self.env = {
            "PATH": f"{PROGRAMS}:{os.environ['PATH']}",
            "PGUSHER_INI": self.etc + "/pgbouncer.ini",
            "PGUSHER_USERLIST": self.etc + "/userlist.txt",
            "PGUSHER_RUN": self.run, "UNIX_SOCKET_DIR": stage.root,
            "LISTEN_PORT": str(self.port),
        }
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"):
            if name in os.environ:
                self.env[name] = os.environ[name]

    def entrypoint(self, *words, **env):
        """Runs it to its end."""
        return self.stage.run(self.stage.root + "/entrypoint", *words,
                              env={**self.env, **env}, check=False)

    def start(self, name, *words, **env):
        process = self.stage.start(name, *words,
                                   self.stage.root + "/entrypoint",
                                   env={**self.env, **env})
        wait_for(lambda: process.poll() is not None or
                 fetch(f"http://127.0.0.1:{self.metrics}/readyz")[0] == 200,
                 "the pooler is ready")
        assert process.poll() is None, self.stage.log(name)
        return process

    def is_healthy(self):
        done = self.stage.run(self.stage.root + "/healthcheck", env=self.env,
                              check=False)
        assert done.returncode in (0, 1), done.returncode
        return done.returncode == 0


def check_parameters():
    """It knows all parameters but those that make no sense there."""
    known = set(re.findall(r"(?m)^PARAM\((\w+),",
                           read(TOP + "/src/config/params.def")))
    listed = read(DOCKER + "/entrypoint").split("parameters='")[1]
    listed = set(listed.split("'")[0].split())
    left_out = {"conffile", "dns_zone_check_period", "job_name", "pidfile",
                "pkt_buf", "resolv_conf", "sbuf_loopcnt", "service_name",
                "so_reuseport", "syslog", "syslog_facility", "syslog_ident",
                "unix_socket_group", "user"}
    assert listed == known - left_out and left_out <= known, (
        "to be put into the list of contrib/docker/entrypoint, or out of it",
        listed ^ (known - left_out))
    return listed


# The environment, lines that must be in the configuration, and the users.
MADE = [
    ({"DB_HOST": "db1"}, ["* = host='db1' port='5432'",
                          "auth_type = scram-sha-256", "listen_addr = *"],
     None),
    ({"DB_HOST": "db1", "DB_PORT": "5433", "DB_NAME": "shop,old shop",
      "DB_USER": "joe", "DB_PASSWORD": 'a"b', "POOL_MODE": "statement"},
     ["\"shop\" = host='db1' port='5433'",
      "\"old shop\" = host='db1' port='5433'", "pool_mode = statement"],
     '"joe" "a""b"\n'),
    ({"DATABASE_URL": "postgresql://joe:se%3Acr%40t%2F%22%25@db1:5433/my%20"
      "db?sslmode=require"}, ["\"my db\" = host='db1' port='5433'"],
     '"joe" "se:cr@t/""%"\n'),
    ({"DATABASE_URL": "postgres://joe@[::1]:5433/shop"},
     ["\"shop\" = host='::1' port='5433'"], '"joe" ""\n'),
    ({"DATABASE_URL": "postgres://joe:x@[::1]"},
     ["* = host='::1' port='5432'"], '"joe" "x"\n'),
    ({"DB_HOST": "it's; #1", "DB_USER": "x"},
     ["* = host='it''s; #1' port='5432'"], '"x" ""\n'),
]

# The environment, and what the complaint has to say.
REFUSED = [
    ({}, "set DB_HOST or DATABASE_URL"),
    ({"DB_HOST": "db1"}, "set DB_USER"),
    ({"DB_HOST": "db1\nx = host=evil", "DB_USER": "x"}, "DB_HOST must be"),
    ({"DB_HOST": "db1", "DB_USER": 'x"\n"admin', "DB_PASSWORD": "y"},
     "DB_USER must be one line"),
    ({"DB_HOST": "db1", "DB_USER": "x", "DB_NAME": 'a" = b'}, "no quotes"),
    ({"DB_HOST": "db1", "DB_USER": "x", "POOL_MODE": "x\nadmin_users = x"},
     "POOL_MODE must be one line"),
    ({"DB_HOST": "db1", "DB_USER": "x", "SERVER_RESET_QUERY": "a ;b"},
     "SERVER_RESET_QUERY must be one line without a comment"),
    ({"DB_HOST": "db1", "DB_USER": "x", "DB_PASSWORD_FILE": "/nowhere"},
     "could not read DB_PASSWORD_FILE"),
    ({"DATABASE_URL": "db1"}, "DATABASE_URL has no ://"),
]


def check_made(image):
    """With another pgusher in front of the PATH, which shows its files."""
    stage = image.stage
    stage.directory("bin")
    stage.write("bin/pgusher", '#!/bin/sh\necho "$@"\ncat "$1"\n', 0o755)
    path = f"{stage.root}/bin:{image.env['PATH']}"
    for env, lines, users in MADE:
        if users is None:
            stage.write("etc/userlist.txt", '"x" "y"\n')
        done = image.entrypoint(PATH=path, **env)
        assert done.returncode == 0, done.stderr
        said = done.stdout.splitlines()
        assert said[0] == image.run + "/pgusher.ini"
        for line in lines:
            assert line in said, (line, done.stdout)
        wanted = image.run + "/userlist.txt"
        if users is None:
            wanted = image.etc + "/userlist.txt"
            os.remove(wanted)
        else:
            assert read(wanted) == users, read(wanted)
            assert stat.S_IMODE(os.stat(wanted).st_mode) == 0o600
        assert f"auth_file = {wanted}" in said
    for env, words in REFUSED:
        done = image.entrypoint(PATH=path, **env)
        assert done.returncode == 1, env
        assert words in done.stderr, (env, done.stderr)
    done = image.entrypoint("echo", "as", "it is")
    assert done.stdout == "as it is\n", done.stderr
    done = image.entrypoint("--version")
    assert done.returncode == 0 and "pgusher" in done.stdout, done.stderr


def compose_environment(stage, image, parameters):
    compose = yaml.safe_load(read(DOCKER + "/compose.yaml"))
    services = compose["services"]
    pooler = services["pgbouncer"]
    build = pooler["build"]
    context = os.path.normpath(f"{DOCKER}/{build['context']}")
    assert context == os.path.normpath(TOP), context
    assert os.path.exists(f"{context}/{build['dockerfile']}")
    for service in services.values():
        assert set(service.get("depends_on", {})) <= set(services)
        assert set(service["secrets"]) <= set(compose["secrets"])
        assert set(service["networks"]) <= set(compose["networks"])
    # The names that the operations guide says.
    assert pooler["container_name"] == "perseus-pgbouncer-dev"
    assert services["postgres"]["container_name"] == "perseus-postgres-dev"
    env = pooler["environment"]
    for name, value in env.items():
        assert name.lower() in parameters or name.startswith("DB_"), name
        assert isinstance(value, str), name
    assert env["DB_HOST"] in services
    return dict(env, DB_HOST="127.0.0.1", DB_PORT=str(stage.port),
                DB_PASSWORD_FILE=stage.write("secret", PASSWORD + "\n"),
                LISTEN_ADDR="127.0.0.1",
                METRICS_LISTEN=f"127.0.0.1:{image.metrics}")


def as_process_one():
    """In front of the entry point, where that can be done."""
    words = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc",
             "setpriv", "--reuid", "postgres", "--regid", "postgres",
             "--clear-groups", "--no-new-privs", "--"]
    if os.getuid() != 0 or run(*words, "true").returncode != 0:
        print("not checked: process 1")
        return []
    return words


def process_of(stage, process):
    """The supervisor; behind unshare it is a child."""
    def children():
        return read(f"/proc/{process.pid}/task/{process.pid}/children")
    if "unshare" not in read(f"/proc/{process.pid}/comm"):
        return process.pid
    wait_for(children, "it has begun")
    return int(children().split()[0])


def check_container(stage, image, parameters):
    env = compose_environment(stage, image, parameters)
    user, database = env["DB_USER"], env["DB_NAME"]
    words = as_process_one()
    if words:
        stage.user, kept = [], stage.user
        with open(stage.root + "/container.log", "ab") as log:
            process = subprocess.Popen(
                [*words, stage.root + "/entrypoint"], cwd=stage.root,
                stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                env={**image.env, **env})
        stage.processes.append(process)
        stage.user = kept
        wait_for(lambda: process.poll() is not None or
                 fetch(f"http://127.0.0.1:{image.metrics}/readyz")[0] ==
                 200, "the pooler is ready")
        assert process.poll() is None, stage.log("container")
    else:
        process = image.start("container", **env)
    pid = process_of(stage, process)

    def ask(text, where=database, password=PASSWORD, check=True):
        return stage.sql(text, where, image.port, user, password, check)

    assert ask("select current_user") == user
    assert "failed" in ask("select 1", password="wrong", check=False)
    assert "no such database" in ask("select 1", "postgres", check=False)
    config = ask("show config", "pgbouncer")
    for name in ("POOL_MODE", "MAX_CLIENT_CONN", "DEFAULT_POOL_SIZE",
                 "SERVER_LIFETIME", "DRAIN_TIMEOUT"):
        assert f"{name.lower()}|{env[name]}|" in config, name
    assert image.is_healthy()
    # A pause is nothing that a restart would mend.
    ask("pause", "pgbouncer")
    assert image.is_healthy()
    ask("resume", "pgbouncer")
    with open(f"/proc/{pid}/environ", "rb") as file:
        assert PASSWORD.encode() not in file.read()
    assert PASSWORD not in stage.log("container")

    # `docker exec ... kill -HUP 1` of the operations guide.
    ini = image.run + "/pgusher.ini"
    stage.write("run/pgusher.ini", read(ini).replace(
        "default_pool_size = 25", "default_pool_size = 26"), 0o600)
    os.kill(pid, signal.SIGHUP)
    wait_for(lambda: "default_pool_size|26|" in
             ask("show config", "pgbouncer"), "it has reloaded")
    assert ask("select 1") == "1"

    # `docker stop`: SIGTERM to process 1.
    os.kill(pid, signal.SIGTERM)
    assert process.wait(60) == 0, stage.log("container")
    assert not image.is_healthy()


# --- Kubernetes

def manifest():
    documents = list(yaml.safe_load_all(
        read(TOP + "/contrib/kubernetes/pgusher.yaml")))
    return {document["kind"]: document for document in documents}


def check_manifest(parts):
    labels = parts["Deployment"]["spec"]["template"]["metadata"]["labels"]
    pod = parts["Deployment"]["spec"]["template"]["spec"]
    container = pod["containers"][0]
    for selector in (parts["Service"]["spec"]["selector"],
                     parts["Deployment"]["spec"]["selector"]["matchLabels"],
                     parts["PodDisruptionBudget"]["spec"]["selector"][
                         "matchLabels"]):
        assert selector.items() <= labels.items(), selector
    ports = {port["name"] for port in container["ports"]}
    for port in parts["Service"]["spec"]["ports"]:
        assert port["targetPort"] in ports, port
    volumes = {volume["name"] for volume in pod["volumes"]}
    mounts = {mount["name"] for mount in container["volumeMounts"]}
    assert mounts == volumes, mounts ^ volumes
    uid = pod["securityContext"]["runAsUser"]
    assert f"--uid {uid} " in read(DOCKER + "/Dockerfile")
    ini = parts["ConfigMap"]["data"]["pgbouncer.ini"]
    drain = int(re.search(r"drain_timeout = (\d+)", ini).group(1))
    before = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    assert before + drain < pod["terminationGracePeriodSeconds"]
    return ini, container


def check_pod(stage, image):
    parts = manifest()
    ini, container = check_manifest(parts)
    user = re.search(r"admin_users = (\w+)", ini).group(1)
    for old, new in (("host=postgres port=5432",
                      f"host=127.0.0.1 port={stage.port}"),
                     ("listen_port = 6432", f"listen_port = {image.port}"),
                     ("listen_addr = *", "listen_addr = 127.0.0.1"),
                     ("*:9127", f"127.0.0.1:{image.metrics}"),
                     ("/etc/pgbouncer", image.etc)):
        assert old in ini, old
        ini = ini.replace(old, new)
    stage.write("etc/pgbouncer.ini", ini +
                f"\nunix_socket_dir = {stage.root}\n")
    secret = parts["Secret"]["stringData"]["userlist.txt"]
    assert "change-me" in secret
    stage.write("etc/userlist.txt", secret.replace(
        "change-me", PASSWORD.replace('"', '""')), 0o600)
    process = image.start("pod")
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        path = container[probe]["httpGet"]["path"]
        assert fetch(f"http://127.0.0.1:{image.metrics}{path}")[0] == 200
    assert stage.sql("select 1", "perseus_dev", image.port, user,
                     PASSWORD) == "1"
    assert '"message":' in stage.log("pod")

    # A client that is there keeps the pod alive, but not ready.
    client = stage.start("client", need("psql"), "-X", "-h", "127.0.0.1",
                         "-p", str(image.port), "-U", user, "-d",
                         "perseus_dev", "-c", "select pg_sleep(600)",
                         env={**os.environ, "PGPASSWORD": PASSWORD})
    wait_for(lambda: stage.sql(
        "select count(*) from pg_stat_activity where query like "
        "'select pg_sleep%'") == "1", "the client's query runs")
    process.send_signal(signal.SIGTERM)
    ready = f"http://127.0.0.1:{image.metrics}/readyz"
    wait_for(lambda: fetch(ready)[0] == 503, "it is not ready any more")
    assert fetch(ready.replace("readyz", "healthz"))[0] == 200
    assert process.poll() is None and client.poll() is None
    stage.end(client)
    assert process.wait(60) == 0
    os.remove(image.etc + "/pgbouncer.ini")
    os.remove(image.etc + "/userlist.txt")


# --- HAProxy

def machine(stage, number, ports):
    """The example's configuration, on this machine."""
    ini = read(TOP + "/contrib/haproxy/pgusher-peers.ini")
    port, metrics = ports[number - 1]
    for old, new in (("host=10.0.0.5 port=5432",
                      f"host=127.0.0.1 port={stage.port}"),
                     ("listen_port = 6432", f"listen_port = {port}"),
                     ("*:9127", f"127.0.0.1:{metrics}"),
                     ("peer_id = 1", f"peer_id = {number}"),
                     ("trusted = 10.0.0.2", "trusted = 127.0.0.2"),
                     ("/etc/pgusher/userlist.txt",
                      stage.root + "/users.txt"),
                     ("listen_addr = *", "listen_addr = 127.0.0.1\n"
                      "unix_socket_dir =\nworkers = 2"),
                     ("host=10.0.0.11 port=6432",
                      f"host=127.0.0.1 port={ports[0][0]}"),
                     ("host=10.0.0.12 port=6432",
                      f"host=127.0.0.1 port={ports[1][0]}")):
        assert old in ini, old
        ini = ini.replace(old, new)
    return stage.start(f"machine{number}", PGUSHER,
                       stage.write(f"machine{number}.ini", ini))


def start_haproxy(stage, haproxy, ports):
    path = TOP + "/contrib/haproxy/haproxy.cfg"
    done = run(haproxy, "-c", "-f", path)
    assert done.returncode == 0, done.stderr
    front = free_port()
    text = read(path).replace("bind :6432", f"bind 127.0.0.1:{front}")
    assert "maxconn 20000" in text
    text = text.replace("maxconn 20000", "maxconn 100")
    # Not from the address that clients and the other machine have.
    text = text.replace("check port 9127", "source 127.0.0.2 check")
    for number, (port, metrics) in enumerate(ports, 1):
        old = f"10.0.0.1{number}:6432"
        assert old in text
        text = text.replace(old, f"127.0.0.1:{port} port {metrics}")
    stage.start("haproxy", haproxy, "-db", "-f",
                stage.write("haproxy.cfg", text))
    return front


def check_haproxy(stage):
    haproxy = need("haproxy")
    ports = [(free_port(), free_port()), (free_port(), free_port())]
    stage.write("users.txt", '"perseus_admin" "%s"\n' %
                PASSWORD.replace('"', '""'), 0o600)
    machines = [machine(stage, number, ports) for number in (1, 2)]
    front = start_haproxy(stage, haproxy, ports)
    psql = [need("psql"), "-X", "-h", "127.0.0.1", "-p", str(front), "-U",
            "perseus_admin", "-d"]
    env = {**os.environ, "PGPASSWORD": PASSWORD}

    def ask(text, database="perseus_dev", check=True, port=front):
        return stage.sql(text, database, port, "perseus_admin", PASSWORD,
                         check)

    def ready(number):
        status, _ = fetch(f"http://127.0.0.1:{ports[number - 1][1]}/readyz")
        return status == 200

    wait_for(lambda: ready(1) and ready(2), "both are ready")
    wait_for(lambda: ask("select 1", check=False) == "1",
             "HAProxy lets clients through")

    def logins(number):
        _, text = fetch(f"http://127.0.0.1:{ports[number - 1][1]}/metrics")
        return sum(map(int, re.findall(
            r"(?m)^pgusher_client_connects_total (\d+)", text)))

    # leastconn takes turns among those that have nothing to do.
    wait_for(lambda: ask("select 1", check=False) == "1" and
             logins(1) > 0 and logins(2) > 0, "both have had clients")

    # They are told where their clients are.
    logs = stage.log("machine1") + stage.log("machine2")
    assert "perseus_dev/perseus_admin@127.0.0.1:" in logs
    assert "@127.0.0.2:" not in logs

    # A cancel request is a connection of its own, to either of them.
    for count in range(6):
        client = stage.start(f"cancel{count}", *psql, "perseus_dev", "-c",
                             f"select pg_sleep(600), {count}", env=env)
        wait_for(lambda: stage.sql(
            "select count(*) from pg_stat_activity where query = "
            f"'select pg_sleep(600), {count}' and state = 'active'") == "1",
            "the query runs")
        client.send_signal(signal.SIGINT)
        assert client.wait(60) == 1
        assert "canceling statement" in stage.log(f"cancel{count}")

    # One is drained: its client stays, and all others come to the other.
    stays = stage.start("stays", *psql[:5], str(ports[0][0]), *psql[6:],
                        "perseus_dev", "-c", "select pg_sleep(600), 'stays'",
                        env=env)
    wait_for(lambda: stage.sql(
        "select count(*) from pg_stat_activity where query = "
        "$$select pg_sleep(600), 'stays'$$ and state = 'active'") == "1",
        "the client is there")
    # It may have been down before it was up.
    down = "pgusher-1 is DOWN"
    before = stage.log("haproxy").count(down)
    machines[0].send_signal(signal.SIGTERM)
    wait_for(lambda: not ready(1), "the first one drains")
    wait_for(lambda: stage.log("haproxy").count(down) > before,
             "HAProxy has seen it")
    for _ in range(4):
        assert ask("select 1") == "1"
    assert stays.poll() is None
    stage.end(stays)
    assert machines[0].wait(60) == 0


def main():
    parameters = check_parameters()
    with Stage("docker") as stage:
        check_dockerfile(stage)
        image = Image(stage)
        check_made(image)
        stage.start_cluster("max_connections = 100",
                            "password_encryption = 'scram-sha-256'")
        quoted = PASSWORD.replace("'", "''")
        stage.sql(f"create role perseus_admin superuser login password "
                  f"'{quoted}'")
        stage.sql("create database perseus_dev owner perseus_admin")
        stage.write("data/pg_hba.conf",
                    "host all postgres 127.0.0.1/32 trust\n"
                    "host all all 127.0.0.1/32 scram-sha-256\n")
        stage.pg_ctl("reload")
        check_container(stage, image, parameters)
        check_pod(stage, image)
        check_haproxy(stage)
    print("all passed")


main()
