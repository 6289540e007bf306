"""Manual pages, in the macros of man(7)."""

import re
import textwrap


def _escape(text):
    """Text as groff has to read it to print it so."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^([.'])", r"\\&\1", text, flags=re.M)


def _paragraphs(text):
    return "\n.PP\n".join(_wrapped(paragraph) for paragraph in text.split("\n\n"))


def _wrapped(text):
    """A line begins with a sentence, so that what changes in one shows as such; none is longer than 110."""
    sentences = re.sub(r"([.!?]) (?=[A-Z])", r"\1\n", " ".join(text.split())).splitlines()
    lines = [line for sentence in sentences for line in textwrap.wrap(sentence, 110, break_on_hyphens=False)]
    return re.sub(r"^([.'])", r"\\&\1", "\n".join(lines), flags=re.M)


def _sentence(text):
    if re.match(r"[a-z]+ ", text):  # a word, and no value that is explained
        text = text[:1].upper() + text[1:]
    return text if not text or text[-1] in ".!?" else text + "."


def _tagged(option):
    """.TP, what the option is called, what it does."""
    names = ", ".join(rf"\fB{_escape(name)}\fR" for name in option.names if name.startswith("-"))
    value = "" if not option.value else rf" \fI{_escape(option.value)}\fR"
    more = " ..." if option.repeated else ""
    text = _wrapped(_escape(_sentence(option.text)))
    if option.required:
        text += "\nRequired."
    if option.choices and option.value not in ("BOOLEAN", "|".join(option.choices)):
        text += "\nOne of: " + _escape(", ".join(option.choices)) + "."
    if option.default and not option.required:
        text += f"\nDefault: {_escape(option.default)}."
    if option.variable:
        text += f"\nVariable: {_escape(option.variable)}."
    return f".TP\n{(names + value).strip()}{more}\n{text}\n"


def _called(command):
    """How a command is called: its words, and what it needs."""
    words = " ".join(rf"\fB{_escape(word)}\fR" for word in command.words)
    options = r" [\fIoption\fR...]" if command.options else ""
    operands = "".join(rf" \fI{_escape(each.value or each.name)}\fR" for each in command.positionals)
    needed = "".join(rf" \fB{_escape(option.name)}\fR \fI{_escape(option.value)}\fR" for option in command.options
                     if option.required)
    return words + needed + options + operands


def _own(options):
    return [option for option in options if "--help" not in option.names]


def _commands(command):
    out = ""
    for each in command.commands:
        out += f".SS {' '.join(each.words[1:])}\n{_called(each)}\n.PP\n{_wrapped(_escape(_sentence(each.text)))}\n"
        for option in [*each.positionals, *_own(each.options)]:
            out += _tagged(option)
        out += _commands(each)
    return out


def write(program, command, version, date):
    """The page of a programs.Program whose --help says `command`. `date`: YYYY-MM-DD."""
    out = '.\\" Made from --help by deploy/debian/generate.\n'
    out += f'.TH {program.name.upper()} {program.section} {date} "Dormouse {version}" "Dormouse"\n'
    out += f".SH NAME\n{program.name} \\- {_escape(program.summary)}\n"
    out += f".SH SYNOPSIS\n{_called(command)}"
    out += " \\fIcommand\\fR [\\fIoption\\fR...]\n" if command.commands else "\n"
    out += f".SH DESCRIPTION\n{_paragraphs(_escape(program.description))}\n"
    if not program.server and command.footer:
        out += f".PP\n{_paragraphs(_escape(command.footer))}\n"
    if command.options:
        out += ".SH OPTIONS\n" + "".join(_tagged(option) for option in command.options)
    if command.commands:
        out += ".SH COMMANDS\n" + _commands(command)
    if program.files:
        out += ".SH FILES\n" + "".join(f".TP\n.I {path}\n{_wrapped(_escape(_sentence(text)))}\n"
                                       for path, text in program.files)
    if program.examples:
        out += ".SH EXAMPLES\n" + "".join(f".TP\n{_escape(what)}:\n{_escape(line)}\n"
                                          for what, line in program.examples)
    references = [re.fullmatch(r"(.*)\((\d)\)", each).groups() for each in program.see_also]
    lines = [f".BR {_escape(name)} ({section})" for name, section in references]
    out += ".SH SEE ALSO\n" + " ,\n".join(lines) + "\n"
    return out
