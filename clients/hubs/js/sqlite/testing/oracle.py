"""Carries out the steps of fuzz.test.mjs in an SQLite in memory, and says what each returned. Reads and writes JSON."""

import json
import sqlite3
import sys


def _given(value):
    if isinstance(value, dict):
        return bytes.fromhex(value["hex"])
    # JavaScript knows no other numbers.
    return float(value) if isinstance(value, int) else value


def _returned(value):
    return {"hex": value.hex()} if isinstance(value, bytes) else value


class Oracle:
    """The transaction that is open all the time is what was not taken yet."""

    def __init__(self):
        self._database = sqlite3.connect(":memory:", isolation_level=None)
        self._database.execute("PRAGMA foreign_keys = ON")
        self._database.execute("BEGIN")
        self._depth = 0

    def do(self, step):
        query, *bindings = step
        if query == "@begin":
            self._database.execute("SAVEPOINT nested")
            self._depth += 1
        elif query == "@commit":
            self._end("RELEASE nested")
        elif query == "@rollback":
            self._end("ROLLBACK TO nested", "RELEASE nested")
        elif query in ("@take", "@crash"):
            self._depth = 0
            self._database.execute("COMMIT" if query == "@take" else "ROLLBACK")
            self._database.execute("BEGIN")
        else:
            try:
                rows = self._database.execute(query, [_given(each) for each in bindings]).fetchall()
                return [[_returned(value) for value in row] for row in rows]
            except sqlite3.Error as error:
                return {"error": str(error)}
        return None

    def _end(self, *statements):
        if self._depth:
            self._depth -= 1
            for statement in statements:
                self._database.execute(statement)


if __name__ == "__main__":
    ORACLE = Oracle()
    json.dump([ORACLE.do(step) for step in json.load(sys.stdin)], sys.stdout)
