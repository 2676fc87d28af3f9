"""
contrib/bench with a pgbench that is played: connections may take longer than
the time that there is, and only then it is run for longer.
"""
import importlib.machinery
import importlib.util
import sys

NOTHING = """duration: 1 s
number of transactions actually processed: 0
number of failed transactions: 0 (NaN%)
"""
SOMETHING = """duration: 4 s
number of transactions actually processed: 394
number of failed transactions: 0 (0.000%)
initial connection time = 709.600 ms
tps = 1240.300000 (without initial connection time)
"""


class Played:
    """Nobody is in before so many seconds are over."""
    bin = "/nowhere"

    def __init__(self, least):
        self.least, self.tried = least, []

    def run(self, words, _port):
        seconds = int(words[words.index("-T") + 1])
        self.tried.append(seconds)
        return NOTHING if seconds < self.least else SOMETHING


def load(path):
    loader = importlib.machinery.SourceFileLoader("bench", path)
    module = importlib.util.module_from_spec(
        importlib.util.spec_from_loader("bench", loader))
    loader.exec_module(module)
    return module


def main():
    bench = load(sys.argv[1])
    for least, wanted in ((1, [1]), (3, [1, 2, 4])):
        played = Played(least)
        assert bench.pgbench(played, 1, 100, "simple", 1) == (394, 1240.3)
        assert played.tried == wanted, played.tried
    try:
        bench.pgbench(Played(10**9), 1, 100, "simple", 1)
    except bench.Failure:
        pass
    else:
        raise AssertionError("it never gives up")
    print("all passed")


main()
