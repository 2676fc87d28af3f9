"""
A program in a pseudo terminal, and what its screen looks like: as much of a
terminal as pgusherctl needs.
"""
import codecs
import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios

SEQUENCE = re.compile(r"\x1b\[(\??)([0-9;]*)([A-Za-z])")


class Terminal:
    def __init__(self, columns, lines, words, environment):
        self.columns, self.lines = columns, lines
        self.screen, self.tones = [], []
        self.row = self.column = 0
        self.tone, self.modes, self.rest = "", set(), ""
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.clear()
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ,
                        struct.pack("HHHH", lines, columns, 0, 0))
            os.execvpe(words[0], words, environment)
        self.resize(columns, lines)

    def clear(self):
        self.screen = [[" "] * self.columns for _ in range(self.lines)]
        self.tones = [""] * self.lines

    def resize(self, columns, lines):
        """The program hears of it when it looks."""
        self.columns, self.lines = columns, lines
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ,
                    struct.pack("HHHH", lines, columns, 0, 0))
        self.clear()

    def type(self, text):
        os.write(self.fd, text.encode())

    def put(self, letter):
        # What goes past an edge is a mistake of the program's.
        assert self.row < self.lines, "below the last line"
        assert self.column < self.columns, "past the right edge"
        self.screen[self.row][self.column] = letter
        if self.column == 0:
            self.tones[self.row] = self.tone
        self.column += 1

    def obey(self, private, numbers, order):
        if private:
            if order == "h":
                self.modes.add(numbers)
            else:
                self.modes.discard(numbers)
        elif order == "H":
            row, column = ([int(part or 1) for part in numbers.split(";")] +
                           [1, 1])[:2] if numbers else (1, 1)
            self.row, self.column = row - 1, column - 1
        elif order == "K":
            self.screen[self.row][self.column:] = \
                [" "] * (self.columns - self.column)
        elif order == "J":
            if numbers == "2":
                self.clear()
            else:
                for row in range(self.row, self.lines):
                    start = self.column if row == self.row else 0
                    self.screen[row][start:] = [" "] * (self.columns - start)
        elif order == "m":
            self.tone = "" if numbers in ("", "0") else numbers
        else:
            raise AssertionError(f"not known: {order}")

    def draw(self, text):
        text = self.rest + text
        at = 0
        while at < len(text):
            if text[at] == "\x1b":
                found = SEQUENCE.match(text, at)
                if found is None:
                    break           # the rest of it comes
                self.obey(*found.groups())
                at = found.end()
                continue
            if text[at] == "\r":
                self.column = 0
            elif text[at] == "\n":
                self.row += 1
            else:
                self.put(text[at])
            at += 1
        self.rest = text[at:]

    def watch(self, seconds=0.2):
        """Draws what comes; False: the program has ended."""
        ready, _, _ = select.select([self.fd], [], [], seconds)
        if not ready:
            return True
        try:
            got = os.read(self.fd, 65536)
        except OSError:             # EIO: nobody has the other end
            return False
        self.draw(self.decoder.decode(got))
        return bool(got)

    def text(self):
        return ["".join(line).rstrip() for line in self.screen]

    def end(self):
        """The exit status, when it has ended or been ended."""
        if self.pid is None:
            return None
        if self.watch(0):
            os.kill(self.pid, signal.SIGTERM)
        while self.watch(1):
            pass
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        self.pid = None
        os.close(self.fd)
        return status
