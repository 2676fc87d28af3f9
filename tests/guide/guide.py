"""
What the tests of guides share: a scene in which the blocks of a guide are run
one after the other, and clients that stay in a transaction meanwhile.
"""
import re
import subprocess

from scene import Scene


class NotHere(Exception):
    """What this block needs is not on this machine."""


class Guide(Scene):
    def __init__(self, name):
        super().__init__(name)
        self.held = []

    def placed(self, text):
        """With this test's places."""
        return text

    def edit(self, pattern, new):
        with open(self.ini, encoding="utf-8") as file:
            text = file.read()
        done, count = re.subn(pattern, self.placed(new), text, flags=re.M)
        assert count > 0, "nothing to edit: " + pattern
        self.write(self.ini, done)

    def begin_and_stay(self, words, **options):
        """
        A client, psql, that begins a transaction. Its first line is "here"
        if it got that far.
        """
        client = self.spawn(*words, stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            **options)
        client.stdin.write("begin; select 'here';\n")
        client.stdin.flush()
        return client

    def let_go(self):
        for client in self.held:
            client.stdin.close()
            client.wait()
        self.held = []


def check_plan(blocks, plan):
    """Each block has its place in the plan, by words that are in it."""
    assert len(blocks) == len(plan), "a block is new or gone: see PLAN"
    for block, (words, _) in zip(blocks, plan):
        assert words in block, ("a block is new or gone: see PLAN", words)


def follow(scene, blocks, plan):
    """True: all of it was as the guide says."""
    good = True
    for number, (block, (words, what)) in enumerate(zip(blocks, plan)):
        if isinstance(what, str):
            print(f"{number}: {words}: not run: {what}")
            continue
        try:
            what(scene, block)
            print(f"{number}: {words}: as the guide says")
        except NotHere as error:
            print(f"{number}: {words}: not run: {error}")
        except (AssertionError, subprocess.SubprocessError) as error:
            good = False
            print(f"{number}: {words}: FAILED: {error!r}"[:3000])
            scene.let_go()
    return good
