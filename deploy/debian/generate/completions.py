"""Completions of command lines, for bash, zsh and fish. Names of hubs and ids of statekeepers are asked of the cluster,
if one answers at once."""

import re

# What can stand in the place of a value.
_HUB, _STATEKEEPER, _FILE, _DIRECTORY, _WORDS, _ANYTHING = range(6)
# By what dormousectl prints as JSON, so that no terminal's width cuts a name.
_ASK = {_HUB: ("hubs --limit 200", "hub"), _STATEKEEPER: ("members", "id")}


def _question(kind):
    """A shell's command that prints the hubs or statekeepers that there are."""
    words, key = _ASK[kind]
    return (rf"""dormousectl --json --timeout 1s {words} 2>/dev/null | sed -n 's/^ *"{key}": "\([^"]*\)".*/\1/p'""")


def _kind(option):
    """(what its value is, the words that it can be)"""
    if option.choices:
        return _WORDS, option.choices
    if option.value == "CLASS/NAME":
        return _HUB, ()
    if option.value == "ID|ADDRESS":
        return _STATEKEEPER, ()
    if option.value == "FILE" or re.match(r"File |wss: certificates", option.text):
        return _FILE, ()
    if option.value == "DIR" or option.text.startswith("Directory "):
        return _DIRECTORY, ()
    return _ANYTHING, ()


def _all(command):
    yield command
    for each in command.commands:
        yield from _all(each)


def _path(command):
    return " ".join(command.words[1:])


def _identifier(name):
    return name.replace("-", "_")


# --- bash

_BASH = r"""# bash completion for {name}. Made from --help by deploy/debian/generate.
_{id}() {{
  local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD - 1]}}
  local command='' word i words='' options='' operand=''
  # --option=value is three words here.
  if [[ $cur == = ]]; then
    cur=''
  elif [[ $prev == = ]]; then
    prev=${{COMP_WORDS[COMP_CWORD - 2]}}
  fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=${{COMP_WORDS[i]}}
    case "${{command:+$command }}$word" in
      {paths}) command="${{command:+$command }}$word" ;;
    esac
  done
  COMPREPLY=()
  case "$command $prev" in
{values}    *)
      case $command in
{commands}      esac
      if [[ $cur == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
      else
        case $operand in
          hub) words=$({hubs}) ;;
          statekeeper) words=$({statekeepers}) ;;
        esac
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
      fi
      ;;
  esac
}}
complete -F _{id} {name}
"""
_BASH_VALUES = {
    _FILE: 'compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur")',
    _DIRECTORY: 'compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -d -- "$cur")',
    _HUB: f'mapfile -t COMPREPLY < <(compgen -W "$({_question(_HUB)})" -- "$cur")',
    _STATEKEEPER: f'mapfile -t COMPREPLY < <(compgen -W "$({_question(_STATEKEEPER)})" -- "$cur")',
    _ANYTHING: ":",
}
_OPERANDS = {_HUB: "hub", _STATEKEEPER: "statekeeper"}


def _bash_patterns(options, pattern):
    """The branches of a case, one for all options whose values are alike."""
    branches = {}
    for option in options:
        if option.value:
            kind, words = _kind(option)
            then = (f"""mapfile -t COMPREPLY < <(compgen -W '{" ".join(words)}' -- "$cur")""" if kind == _WORDS
                    else _BASH_VALUES[kind])
            branches.setdefault(then, []).append(pattern.format(option.name))
    return "".join(f"    {' | '.join(patterns)}) {then} ;;\n" for then, patterns in branches.items())


def _bash(program, command):
    values, commands, paths = "", "", []
    for each in _all(command):
        path = _path(each)
        if path:
            paths.append(f"'{path}'")
            values += _bash_patterns(each.options, f"'{path} {{}}'")
        # A command's own commands; else what its operand is.
        subcommands = " ".join(sub.words[-1] for sub in each.commands)
        operand = _OPERANDS.get(_kind(each.positionals[0])[0], "") if each.positionals else ""
        options = " ".join(sorted({option.name for option in [*command.options, *each.options]}))
        commands += f"        '{path}') options='{options}' words='{subcommands}' operand='{operand}' ;;\n"
    # Commands take the options of the program, too, unless they have one of that name.
    values += _bash_patterns(command.options, "*' {}'")
    return _BASH.format(name=program.name, id=_identifier(program.name), values=values, commands=commands,
                        paths=" | ".join(paths) or "''", hubs=_question(_HUB), statekeepers=_question(_STATEKEEPER))


# --- zsh

_ZSH = """#compdef {name}
# Made from --help by deploy/debian/generate.

_{id}_hubs() {{
  local -a found
  found=(${{(f)"$({hubs})"}})
  compadd -a found
}}

_{id}_statekeepers() {{
  local -a found
  found=(${{(f)"$({statekeepers})"}})
  compadd -a found
}}

{functions}
_{id} "$@"
"""


def _zsh_text(text):
    """Inside of brackets, in single quotes."""
    return re.sub(r"([\[\]\\:])", r"\\\1", text).replace("'", "'\\''")


def _zsh_value(program, option):
    kind, words = _kind(option)
    name = _identifier(program.name)
    return {_FILE: "_files", _DIRECTORY: "_files -/", _HUB: f"_{name}_hubs", _STATEKEEPER: f"_{name}_statekeepers",
            _WORDS: f"({' '.join(words)})", _ANYTHING: " "}[kind]


def _zsh_option(program, option):
    star = "*" if option.repeated else ""
    value = f":value:{_zsh_value(program, option)}" if option.value else ""
    return f"'{star}{option.name}[{_zsh_text(option.text)}]{value}'"


def _zsh_function(program, command, root):
    name = "_".join([_identifier(program.name), *(_identifier(word) for word in command.words[1:])])
    options = {option.name: option for option in [*root.options, *command.options]}
    lines = [_zsh_option(program, option) for option in options.values()]
    if not command.commands:
        lines += [f"'{number}:{_zsh_text(each.text)}:{_zsh_value(program, each)}'"
                  for number, each in enumerate(command.positionals, 1)]
        arguments = " \\\n    ".join(lines)
        return f"_{name}() {{\n  _arguments -S \\\n    {arguments}\n}}\n"
    lines += ["'1:command:->command'", "'*::argument:->argument'"]
    arguments = " \\\n    ".join(lines)
    described = "\n        ".join(f"'{sub.words[-1]}:{_zsh_text(sub.text)}'" for sub in command.commands)
    cases = "\n        ".join(f"{sub.words[-1]}) _{name}_{_identifier(sub.words[-1])} ;;" for sub in command.commands)
    return f"""_{name}() {{
  local context state state_descr line
  typeset -A opt_args
  _arguments -C -S \\
    {arguments}
  case $state in
    command)
      local -a commands
      commands=(
        {described}
      )
      _describe command commands
      ;;
    argument)
      case $line[1] in
        {cases}
      esac
      ;;
  esac
}}
"""


def _zsh(program, command):
    functions = "\n".join(_zsh_function(program, each, command) for each in _all(command))
    return _ZSH.format(name=program.name, id=_identifier(program.name), functions=functions, hubs=_question(_HUB),
                       statekeepers=_question(_STATEKEEPER))


# --- fish


def _fish_text(text):
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _fish_value(option):
    """What comes behind `complete`: whether a value is needed, and which."""
    if not option.value:
        return ""
    kind, words = _kind(option)
    return {_FILE: " -r -F", _DIRECTORY: " -x -a '(__fish_complete_directories)'", _ANYTHING: " -x",
            _WORDS: f" -x -a {_fish_text(' '.join(words))}"}.get(kind) or f" -x -a {_fish_text(f'({_question(kind)})')}"


def _fish(program, command):
    name = program.name
    out = f"# Made from --help by deploy/debian/generate.\ncomplete -c {name} -f\n"
    for each in _all(command):
        words = each.words[1:]
        condition = " && ".join(f"__fish_seen_subcommand_from {word}" for word in words)
        here = f" -n '{condition}'" if condition else ""
        for option in each.options:
            short = "".join(f" -s {other[1:]}" for other in option.names if not other.startswith("--"))
            out += (f"complete -c {name}{here}{short} -l {option.name.removeprefix('--')}{_fish_value(option)}"
                    f" -d {_fish_text(option.text)}\n")
        for operand in each.positionals:
            if value := _fish_value(operand).removeprefix(" -x"):
                out += f"complete -c {name}{here}{value}\n"
        if each.commands:
            listed = " ".join(sub.words[-1] for sub in each.commands)
            none = f"not __fish_seen_subcommand_from {listed}"
            for sub in each.commands:
                out += (f"complete -c {name} -n '{' && '.join(filter(None, [condition, none]))}' -a {sub.words[-1]}"
                        f" -d {_fish_text(sub.text)}\n")
    return out


# Shell -> (what the file of a program is called, what writes it).
SHELLS = {"bash": ("{}", _bash), "zsh": ("_{}", _zsh), "fish": ("{}.fish", _fish)}
