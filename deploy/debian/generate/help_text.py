"""What a program says of itself with --help: its options, and its commands with theirs. All of our programs take their
command lines by CLI11, which writes it always alike."""

import dataclasses
import os
import re
import subprocess


@dataclasses.dataclass
class Option:
    names: list  # --hub; several where one is short for the other
    value: str  # what stands for its value, as in --hub CLASS/NAME; empty: it takes none
    text: str
    default: str = ""
    variable: str = ""  # of the environment
    choices: tuple = ()
    required: bool = False
    repeated: bool = False

    @property
    def name(self):
        return self.names[-1]


@dataclasses.dataclass
class Command:
    """A program, or one of its commands."""

    words: list  # that it is called by: ["dormousectl", "evict"]
    text: str
    options: list
    positionals: list  # Options, whose names have no dashes
    commands: list
    footer: str


class Unreadable(Exception):
    """What --help says is not as we know it; the sentence says where."""


# Words that CLI11 puts behind an option's type, none of which is a part of the value.
_REMARKS = re.compile(r"\s*(?:\(Env:(?P<variable>\w+)\)|(?P<required>REQUIRED)|(?:Needs|Excludes): .*"
                      r"|(?P<repeated>\.\.\.(?!\])))")
# Values that have no type.
_UNNAMED = {"--config": "FILE"}
# A type with what its value has to be like, as in FLOAT:POSITIVE and TEXT:{a,b}.
_TYPE = re.compile(r"(?P<value>[^:=\s]*)(?::(?P<condition>[^=]*))?(?:=(?P<default>.*))?", re.S)


def _option(head, text):
    """An Option of what stands on the left, `--asleep FLOAT:FLOAT in [0 - 1]=0 REQUIRED`, and on the right."""
    names, rest = re.fullmatch(r"([^\s=]+) ?(.*)", head.strip(), re.S).groups()
    option = Option(names.split(","), "", text)

    def remark(found):
        option.variable = found["variable"] or option.variable
        option.required |= found["required"] is not None
        option.repeated |= found["repeated"] is not None
        return ""

    kind = _TYPE.fullmatch(_REMARKS.sub(remark, rest).strip())
    option.value = kind["value"] or _UNNAMED.get(option.name, "VALUE" if kind["default"] else "")
    condition = kind["condition"] or ""
    if listed := re.fullmatch(r"\{(.*)\}", condition):
        option.choices = tuple(listed[1].split(","))
    elif "->" in condition:
        option.choices = tuple(re.findall(r"(\w+)->", condition))
    elif re.fullmatch(r"[a-z]\w*(\|\w+)+", option.value):
        option.choices = tuple(option.value.split("|"))
    elif option.value == "BOOLEAN":
        option.choices = ("true", "false")
    option.default = (kind["default"] or "").strip()
    if option.value == "BOOLEAN":
        option.default = {"0": "false", "1": "true"}.get(option.default, option.default)
    option.default = re.sub(r"^\[(.*)\]$", r"\1", option.default)
    # The servers name their variables in the text.
    if found := re.search(r" \[(DORMOUSE_\w+)\]$", option.text):
        option.variable = found[1]
        option.text = option.text[:found.start()]
    return option


def _entries(lines, column):
    """(what stands on the left, what on the right) of each entry of a section. `column`: where the right begins, for
    entries that are indented by two."""
    lines = [line for line in lines if line.strip()]
    while lines:
        line = lines.pop(0)
        indent = len(line) - len(line.lstrip())
        right = column + indent - 2
        if lines and len(lines[0]) - len(lines[0].lstrip()) >= right:
            yield line.strip(), lines.pop(0).strip()
        else:
            yield line[:right].strip(), line[right:].strip()


def parse(words, said):
    """The Command that is called by `words` and says this. Its commands are Commands without options of their own."""
    column = re.search(r"^  -h,--help +", said, re.M)
    usage = re.search(r"^Usage: .*$", said, re.M)
    if column is None or usage is None:
        raise Unreadable(f"{' '.join(words)} --help does not say 'Usage:' and '-h,--help'")
    column = column.end() - column.start()
    sections = {"Options": [], "Positionals": [], "Subcommands": []}
    footer, section = [], None
    for line in said[usage.end():].splitlines():
        title = re.fullmatch(r" *(\w+):", line)
        if title and title[1] in sections:
            section = sections[title[1]]
        elif re.match(r"\S", line) and not line.startswith("[Option Group"):
            section = None
            footer.append(line)
        elif section is not None and not re.match(r" *(\[|One of these)", line):
            section.append(line)
        elif section is None and (line or footer):
            footer.append(line)
    options = [_option(head, text) for head, text in _entries(sections["Options"], column)]
    positionals = [_option(head, text) for head, text in _entries(sections["Positionals"], column)]
    for option in options:  # one of the two is enough
        option.required &= option.name.removeprefix("--") not in [each.name for each in positionals]
    return Command(
        words, said[:usage.start()].strip(), options, positionals,
        [Command([*words, name], text, [], [], [], "") for name, text in _entries(sections["Subcommands"], column)],
        "\n".join(footer).strip())


def _said(directory, words):
    # Without variables that would show as defaults.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DORMOUSE_")}
    try:
        done = subprocess.run([os.path.join(directory, words[0]), *words[1:], "--help"], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, text=True, env=environment, check=False)
    except OSError as error:
        raise Unreadable(f"{error.filename} cannot be started: {error.strerror}") from None
    if done.returncode != 0 or not done.stdout:
        raise Unreadable(f"{' '.join(words)} --help ended with {done.returncode}")
    # CLI11 prints enumerators of characters as those.
    return re.sub(r"[\x00-\x08\x0e-\x1f]", "", done.stdout)


def ask(directory, *words):
    """The Command of a program in the directory, all its commands asked, too."""
    said = _said(directory, words)
    if said.startswith("usage: "):  # dormouse-load, which gives each command a command line of its own
        listed = re.findall(r"^  ([a-z]\w*) {2,}(.*)$", said, re.M)
        footer = said.rpartition("\n\n")[2].strip()
        command = Command(list(words), "", [], [], [Command([*words, name], text, [], [], [], "")
                                                    for name, text in listed], footer)
    else:
        command = parse(list(words), said)
    command.commands = [ask(directory, *each.words) for each in command.commands]
    return command
