"""The faults that can be planted in a file: one small change of one line each."""
import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    file: str
    line: int  # from 1
    operator: str
    before: str  # the line, or lines, as they are
    after: str
    function: str = ""  # the stored function in which it is

    def planted(self, text):
        lines = text.split("\n")
        count = self.before.count("\n") + 1
        lines[self.line - 1:self.line - 1 + count] = self.after.split("\n")
        return "\n".join(lines)

    @property
    def key(self):
        return self.file, " ".join(self.before.split()), " ".join(self.after.split())

    def __str__(self):
        return f"{self.file}:{self.line}: {self.operator}\n  - {self.key[1]}\n  + {self.key[2] or '(gone)'}"


# (operator, what is looked for, what comes instead)
SQL = [
    ("not equal", r"(?<![<>:!=]) = (?!ANY)", " <> "),
    ("equal", r" <> ", " = "),
    ("at most", r" < ", " <= "),
    ("less", r" <= ", " < "),
    ("at least", r" > ", " >= "),
    ("greater", r" >= ", " > "),
    ("or", r"\bAND\b(?! interval)", "OR"),
    ("and", r"\bOR\b(?! REPLACE)", "AND"),
    ("is not null", r"\bIS NULL\b", "IS NOT NULL"),
    ("is null", r"\bIS NOT NULL\b", "IS NULL"),
    ("not exists", r"(?<!NOT )\bEXISTS \(", "NOT EXISTS ("),
    ("exists", r"\bNOT EXISTS \(", "EXISTS ("),
    ("no lock", r"\bFOR (NO KEY )?(UPDATE|SHARE)( OF \w+)?", ""),
    ("one more", r" \+ 1\b", " + 2"),
    ("one less", r" - 1\b", ""),
    ("descending", r"(ORDER BY [\w., ]*\w)(?= *(;|$|\)))", r"\1 DESC"),
    ("no notification", r"PERFORM parsec_functions\.notify\(", "PERFORM length("),
    ("no rights held", r":= parsec_functions\.hold_rights\([^)]*\)", ":= true"),
    ("ok", r"'(not_found|not_allowed|already_\w+|bad_\w+|in_maintenance|deleted|invalid_\w+)'", "'ok'"),
]
CPP = [
    ("not equal", r" == ", " != "),
    ("equal", r" != ", " == "),
    ("at most", r"(?<!operator) < (?!<)", " <= "),
    ("less", r" <= ", " < "),
    ("at least", r"(?<!-) > (?!>)", " >= "),
    ("greater", r" >= ", " > "),
    ("or", r" && ", " || "),
    ("and", r" \|\| ", " && "),
    ("not", r"\bif \(!", "if ("),
    ("true", r"\bfalse\b", "true"),
    ("false", r"\btrue\b", "false"),
    ("one more", r" \+ 1\b", " + 2"),
    ("one less", r" - 1\b", ""),
]
CHECK = re.compile(r"^\s+(\} else )?if \(.*\) (co_)?return\b.*;$")  # a check on one line
STATEMENT = re.compile(r"^\s+[\w.:>-]+\(.*\);$")  # a call whose result nobody needs


def is_code(line, is_sql):
    text = line.strip()
    if is_sql:
        return bool(text) and not text.startswith("--") and not text.startswith("CREATE INDEX")
    return bool(text) and not text.startswith(("//", "#", "static_assert", "assert", "template", "using", "}"))


def code_of(line, is_sql):
    """The line without the comment behind it."""
    return line.split(" --" if is_sql else "  //")[0]


def faults_of(file, text):
    is_sql = file.endswith(".sql")
    result = []
    lines = text.split("\n")
    function = ""
    for number, line in enumerate(lines, 1):
        if found := re.match(r"CREATE OR REPLACE FUNCTION [\w.]+\.(\w+)", line):
            function = found[1]
        if not is_code(line, is_sql):
            continue
        code = code_of(line, is_sql)
        for operator, pattern, instead in SQL if is_sql else CPP:
            for found in re.finditer(pattern, code):
                if not is_sql and code[:found.start()].count('"') % 2:  # within a text
                    continue
                after = code[:found.start()] + found.expand(instead) + line[found.end():]
                result.append(Fault(file, number, operator, line, after, function))
        if is_sql and re.match(r"\s+AND ", code) and code.count("(") == code.count(")"):
            end = re.search(r"(;|\) AS \w+)$", code)
            result.append(Fault(file, number, "no condition", line, end[0] if end else "", function))
        if not is_sql and CHECK.match(line):
            result.append(Fault(file, number, "no check", line, ""))
        elif not is_sql and STATEMENT.match(line) and not line.strip().startswith(("return", "co_")):
            result.append(Fault(file, number, "no statement", line, ""))
    return result
