"""What the tests of the Python drivers share: where they are, what they say.

A test is a function; its name is the sentence. Each is run, in the order in
which they are written, with a line of what came of it.
"""
import asyncio
import inspect
import os
import subprocess
import sys
import traceback

DATABASE = os.environ["PGDATABASE"]
SESSION = os.environ["SESSION_DATABASE"]
DIRECT = "host=127.0.0.1 port=%s user=postgres dbname=postgres" % (
    os.environ["DIRECT_PORT"])
UNICODE = "na\u00efve \u0416\u4e2d\u6587 \U0001f418 'quoted' \\ back"


def restart_postgres():
    """As a crash would, and up again."""
    with open(os.environ["STAGE_ORDERS"], "w") as orders:
        orders.write("restart\n")
    with open(os.environ["STAGE_ANSWERS"]) as answers:
        assert answers.read() == "done\n"


def cancel_sleeper(conn):
    """For a thread, beside the one that asks "select pg_sleep(60)"."""
    subprocess.run([os.environ["AWAIT_SLEEPER"]], check=True)
    conn.cancel()


def equal(got, wanted):
    assert got == wanted, "got %r, wanted %r" % (got, wanted)


def fails(error, what, *arguments, **named):
    """The call raises this error, and returns it."""
    try:
        what(*arguments, **named)
    except error as caught:
        return caught
    raise AssertionError("%s was not raised" % error.__name__)


def _run(test):
    if inspect.iscoroutinefunction(test):
        asyncio.run(asyncio.wait_for(test(), 120))
    else:
        test()


def run(names):
    failed = 0
    for name, test in list(names.items()):
        if not name.startswith("test_"):
            continue
        sentence = name[5:].replace("_", " ")
        try:
            _run(test)
        except Exception:
            traceback.print_exc(file=sys.stdout)
            print("FAILED:", sentence)
            failed += 1
        else:
            print("ok:", sentence)
        sys.stdout.flush()
    sys.exit(1 if failed else 0)
